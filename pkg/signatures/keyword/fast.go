package keyword

import "github.com/weir-ips/weir/pkg/signatures/prefilter"

// Fast is the pattern that must be found before the rule is evaluated at all.
type Fast struct {
	Pattern []byte // nil when the rule has none; lower case when NoCase
	NoCase  bool
	Group   int  // index in Groups; -1 for the payload
	Fixed   bool // the pattern can begin at Offset of the buffer or stream alone
	Offset  int
}

// placed is what it adds to a pattern's rarity that it can stand at one place alone: it is found there by chance once in many
// buffers, and nothing else of them has to be looked at.
const placed = 48

// asked is what it adds that the rule asks for the pattern.
const asked = 1 << 20

// chooseFast picks the patterns that must be seen before the rule is evaluated: those that the rule asks for, else those that
// are rarest in traffic. A rule about transactions may have one in a buffer and one in the payload.
func (c *compiler) chooseFast() {
	s := c.sig
	var payload, buffers choice
	payload.consider(-1, false, s.Payload)
	if s.Type != TypeTx && s.Type != TypeFrame {
		s.Fast = payload.fast
		return
	}
	steady := true
	for i, g := range s.Groups {
		if g.Absent == mustExist && (s.Type == TypeTx || len(g.Transforms) == 0) { // frames are scanned as they are
			buffers.consider(i, g.Buffer.Weak, g.Items)
		}
		steady = steady && g.Buffer.steady()
	}
	s.Fast = buffers.fast
	if s.Type != TypeTx || s.Transactional {
		return
	}
	s.PayloadFast = payload.fast
	if steady && len(s.AppEvents) == 0 && payload.score > buffers.score { // the buffers are still there when the payload has come
		s.Fast = Fast{}
	}
}

// choice is the best pattern so far.
type choice struct {
	fast  Fast
	score int
}

func (x *choice) consider(group int, weak bool, items []item) {
	for _, i := range items {
		p, ok := i.(*Content)
		if !ok || p.Negated {
			continue
		}
		f := Fast{Pattern: p.Pattern, NoCase: p.NoCase, Group: group}
		if p.ChopLen > 0 {
			f.Pattern = f.Pattern[p.ChopAt : p.ChopAt+p.ChopLen]
		}
		f.Offset, f.Fixed = p.place()
		score := rarity(f.Pattern)
		if weak {
			score /= 8
		}
		if f.Fixed {
			score += placed
		}
		if p.Fast {
			score += asked
		}
		if x.fast.Pattern == nil || score > x.score {
			x.fast, x.score = f, score
		}
	}
}

// steady reports whether the buffer does not change once it is there.
func (b *Buffer) steady() bool {
	for i := range b.Sources {
		if s := &b.Sources[i]; s.FinalStep() != s.Progress {
			return false
		}
	}
	return true
}

// rarity estimates how seldom a pattern is seen.
func rarity(p []byte) int {
	if len(p) > 2 {
		return prefilter.Rarity(p)
	}
	score := 0
	for i, b := range p {
		switch {
		case i > 0 && b == p[i-1]: // runs
			score += 10
		case b == 0 || b == 0xff || b == ' ' || b == '/' || b == '=':
			score += 30
		default:
			score += 60
		}
	}
	return score
}

// place returns where the part of the content that serves as fast pattern begins, if there is one such place.
func (c *Content) place() (offset int, fixed bool) {
	if !c.Depth.set || c.Depth.isVar || c.Offset.isVar || int(c.Depth.value) != len(c.Pattern) {
		return 0, false
	}
	if c.Offset.set {
		offset = int(c.Offset.value)
	}
	return offset + int(c.ChopAt), true
}
