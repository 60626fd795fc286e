package keyword

// Work is counted, not timed: a unit is about a nanosecond of a fast processor, an instruction of a regular expression or
// the look at a few bytes.
const (
	workItem     = 4  // a step of an inspection
	workRule     = 16 // a rule's header and tests
	workBytes    = 16 // bytes that are searched for a unit
	workInstance = 16 // one instance of a buffer
)

// spend takes work off what the packet has left, and reports whether there is still some.
func (c *Context) spend(work int) bool {
	c.Work -= work
	return c.Work >= 0
}
