package signatures

// Profile adds up what each rule costs after its fast pattern was found. It belongs to one engine and its goroutine.
type Profile struct {
	clock func() int64
	costs []Cost // by Order
}

// Cost is what one rule has cost. Times are in the unit of the clock.
type Cost struct {
	Checks, Matches uint64
	Time            int64 // of all checks
	Matching        int64 // of those that matched
	Longest         int64 // of one check
}

// NewProfile returns an empty profile for engines of rs. clock tells the time, in nanoseconds as a rule.
func NewProfile(rs *Ruleset, clock func() int64) *Profile {
	return &Profile{clock: clock, costs: make([]Cost, len(rs.signatures))}
}

// Costs returns what the rules have cost, in the order of Ruleset.Signatures.
func (p *Profile) Costs() []Cost { return p.costs }

// Profile lets the engine fill in p until the next Swap. Without one, rules are not timed.
func (e *Engine) Profile(p *Profile) { e.profile = p }

// begin returns when a check begins.
func (p *Profile) begin() int64 {
	if p == nil {
		return 0
	}
	return p.clock()
}

// end notes a check of a rule that began at from.
func (p *Profile) end(order uint32, from int64, matched bool) {
	if p == nil {
		return
	}
	took := p.clock() - from
	c := &p.costs[order]
	c.Checks++
	c.Time += took
	c.Longest = max(c.Longest, took)
	if matched {
		c.Matches++
		c.Matching += took
	}
}
