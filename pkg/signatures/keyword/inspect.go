package keyword

// maxVars is how many variables (byte_extract, byte_math) one rule may have.
const maxVars = 16

// Inspection walks the items of one group over one buffer. It is scratch of a Context, reused.
type Inspection struct {
	ctx   *Context
	items []item
	buf   []byte
	base  int  // offset of buf[0] in the stream or body of which buf is a window
	end   bool // nothing follows buf

	pos    int // end of the last match: what relative items are relative to
	steps  int // left until the recursion limit
	failed bool
	vars   [maxVars]uint64
}

// item is one step of an inspection. Items that can match in several places implement retry; all others are tried once.
type item interface {
	// match tests the item at in.pos and may move in.pos.
	match(in *Inspection) bool
}

// Inspect reports whether all items of g match in buf. base is buf's offset in its stream.
func (c *Context) inspect(items []item, buf []byte, base int, end bool) bool {
	in := &c.inspection
	in.ctx, in.items, in.buf, in.base, in.end = c, items, buf, base, end
	in.pos, in.steps, in.failed = 0, c.RecursionLimit, false
	return in.run(0)
}

// run matches items[i:]. On a later failure the content or pcre before a relative item is retried at its next occurrence.
func (in *Inspection) run(i int) bool {
	for ; i < len(in.items); i++ {
		if in.steps--; in.steps < 0 {
			in.giveUp()
			return false
		}
		if !in.ctx.spend(workItem) {
			in.failed = true
			return false
		}
		switch t := in.items[i].(type) {
		case *Content:
			if t.Negated {
				if in.holds(t) {
					return false
				}
				continue
			}
			return in.content(t, i)
		case *Pcre:
			if t.negated || !t.retry {
				if !t.match(in) {
					return false
				}
				continue
			}
			return in.pcre(t, i)
		default:
			if !t.match(in) {
				return false
			}
		}
		if in.failed {
			return false
		}
	}
	return true
}

func (in *Inspection) giveUp() {
	if !in.failed {
		in.failed = true
		in.ctx.Stats.Recursion++
	}
}

// holds reports whether a negated content's pattern is in its window. A window outside of the buffer holds nothing.
func (in *Inspection) holds(c *Content) bool {
	from, to, ok := c.span(in, in.pos)
	if !ok {
		return false
	}
	if c.Ends {
		at := len(in.buf) - len(c.Pattern)
		return in.end && at >= from && len(in.buf) <= to && c.find(in.buf[at:]) == 0
	}
	return in.search(c, from, to) >= 0
}

// search returns where in buf[from:to] the pattern begins, counted from from, or -1.
func (in *Inspection) search(c *Content, from, to int) int {
	at := c.find(in.buf[from:to])
	looked := at
	if at < 0 {
		looked = to - from
	}
	in.ctx.Work -= looked / workBytes
	return at
}

func (in *Inspection) content(c *Content, i int) bool {
	from, to, ok := c.span(in, in.pos)
	if !ok {
		return false
	}
	if c.Ends { // there is one place only
		at := len(in.buf) - len(c.Pattern)
		if !in.end || at < from || len(in.buf) > to || c.find(in.buf[at:]) != 0 {
			return false
		}
		in.pos = len(in.buf)
		return in.run(i + 1)
	}
	for {
		at := in.search(c, from, to)
		if at < 0 {
			return false
		}
		in.pos = from + at + len(c.Pattern)
		if in.run(i + 1) {
			return true
		}
		if !c.retry || in.failed {
			return false
		}
		from += at + 1
		if from > to {
			return false
		}
	}
}

func (in *Inspection) pcre(p *Pcre, i int) bool {
	base := p.base(in)
	for from := 0; ; {
		start, ok := p.find(in, base, from)
		if !ok {
			return false
		}
		if in.run(i + 1) {
			return true
		}
		if from = start + 1; in.failed || from > len(in.buf)-base {
			return false
		}
	}
}

// link marks the contents and expressions that a later relative item depends on.
func link(items []item) {
	for i := range items {
		follow := false
		for _, next := range items[i+1:] {
			if isRelative(next) {
				follow = true
				break
			}
			if movesCursor(next) {
				break
			}
		}
		switch t := items[i].(type) {
		case *Content:
			t.retry = follow
			t.prepare()
		case *Pcre:
			t.retry = follow
		}
	}
}

type relativeItem interface{ relative() bool }

func isRelative(i item) bool {
	switch t := i.(type) {
	case *Pcre:
		return t.relative
	case relativeItem:
		return t.relative()
	}
	return false
}

// movesCursor reports whether the item sets the place that later relative items start from.
func movesCursor(i item) bool {
	switch t := i.(type) {
	case *Content:
		return !t.Negated
	case *Pcre:
		return !t.negated
	case *byteJump, *byteExtract:
		return true
	}
	return false
}

// match makes a Content an item; run handles contents itself.
func (c *Content) match(in *Inspection) bool { return in.holds(c) != c.Negated }
