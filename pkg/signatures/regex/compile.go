package regex

import (
	"errors"
	"slices"
)

// Regexp is a compiled expression. It is immutable and safe for concurrent use.
type Regexp struct {
	prog     []inst
	caps     int // capturing groups
	counters int
	names    map[string]int
	first    *byteSet // bytes that a match can begin with; nil when it can be empty
	prefix   []byte   // bytes that every match begins with, when there are at least two
	anchored bool     // can only match at the start of the subject
	minimum  int      // bytes of the shortest match
}

type opcode uint8

const (
	opSet opcode = iota
	opByte
	opJump
	opSplit  // try x, then y
	opSave   // capture register n
	opAssert // assertion n
	opRun    // repeat one set: min, max, mode
	opBackref
	opLook   // sub-program at pc+1, goes on at x
	opAtomic // the same
	opEnd    // end of a sub-program
	opMatch
	opLoopInit // counter n = 0
	opLoop     // counter n in min…max: body x, else y
	opIterate  // counter n grows, and counter n+1 remembers where the iteration began
)

type inst struct {
	op       opcode
	mode     repeatMode
	negate   bool
	behind   bool
	fold     bool
	b        byte
	assert   assertKind
	n        int32
	x, y     int32
	min, max int32
	set      *byteSet
}

// maxProgram bounds the instructions of one expression.
const maxProgram = 1 << 16

var errTooLarge = errors.New("the expression is too large")

// Compile parses an expression, without the slashes around it.
func Compile(pattern string, flags Flags) (*Regexp, error) {
	p := &parser{s: pattern, flags: flags, names: map[string]int{}}
	n, err := p.alternatives()
	if err != nil {
		return nil, err
	}
	if p.more() {
		return nil, p.errorf("unmatched )")
	}
	c := &compiler{re: &Regexp{caps: p.caps, names: p.names}}
	if highestRef(n) > p.caps {
		return nil, errors.New("a back-reference names a group that does not exist")
	}
	c.emit(n)
	c.add(inst{op: opMatch})
	if c.large {
		return nil, errTooLarge
	}
	re := c.re
	re.minimum, _ = n.width()
	first, nullable := firstBytes(n)
	if !nullable {
		re.first = first
	}
	re.anchored = flags&Anchored != 0 || startsAnchored(n)
	re.prefix = literalPrefix(re.prog)
	re.prog = slices.Clone(re.prog) // exactly as long as it is: there are thousands
	return re, nil
}

// Groups returns how many capturing groups the expression has.
func (re *Regexp) Groups() int { return re.caps }

// Group returns the number of a named group.
func (re *Regexp) Group(name string) (int, bool) {
	n, ok := re.names[name]
	return n, ok
}

func highestRef(n *node) int {
	top := 0
	if n.kind == nodeBackref {
		top = n.index
	}
	for _, s := range n.subs {
		top = max(top, highestRef(s))
	}
	return top
}

type compiler struct {
	re    *Regexp
	large bool
}

func (c *compiler) add(i inst) int {
	if len(c.re.prog) >= maxProgram {
		c.large = true
		return 0
	}
	c.re.prog = append(c.re.prog, i)
	return len(c.re.prog) - 1
}

func (c *compiler) here() int32 { return int32(len(c.re.prog)) }

func (c *compiler) emit(n *node) {
	if c.large {
		return
	}
	switch n.kind {
	case nodeSet:
		c.single(n.set)
	case nodeCat:
		for _, s := range n.subs {
			c.emit(s)
		}
	case nodeAlt:
		c.alternatives(n)
	case nodeRepeat:
		c.repeat(n)
	case nodeCapture:
		c.add(inst{op: opSave, n: int32(2 * n.index)})
		c.emit(n.subs[0])
		c.add(inst{op: opSave, n: int32(2*n.index + 1)})
	case nodeAtomic:
		c.sub(inst{op: opAtomic}, n.subs[0])
	case nodeLook:
		c.sub(inst{op: opLook, negate: n.negate, behind: n.behind, min: int32(n.min), max: int32(n.max)}, n.subs[0])
	case nodeBackref:
		c.add(inst{op: opBackref, n: int32(n.index), fold: n.fold})
	case nodeAssert:
		c.add(inst{op: opAssert, assert: n.assert})
	}
}

func (c *compiler) single(s *byteSet) {
	if b, ok := s.only(); ok {
		c.add(inst{op: opByte, b: b})
		return
	}
	c.add(inst{op: opSet, set: s})
}

func (c *compiler) sub(i inst, body *node) {
	at := c.add(i)
	c.emit(body)
	c.add(inst{op: opEnd})
	c.re.prog[at].x = c.here()
}

func (c *compiler) alternatives(n *node) {
	var jumps []int
	for i, s := range n.subs {
		if i == len(n.subs)-1 {
			c.emit(s)
			break
		}
		split := c.add(inst{op: opSplit})
		c.re.prog[split].x = c.here()
		if first, nullable := firstBytes(s); !nullable {
			c.re.prog[split].set = first // without one of these the alternative need not be tried
		}
		c.emit(s)
		jumps = append(jumps, c.add(inst{op: opJump}))
		c.re.prog[split].y = c.here()
	}
	for _, j := range jumps {
		c.re.prog[j].x = c.here()
	}
}

func (c *compiler) repeat(n *node) {
	body := n.subs[0]
	if body.kind == nodeSet {
		c.add(inst{op: opRun, set: body.set, min: int32(n.min), max: int32(n.max), mode: n.mode})
		return
	}
	if n.mode == possessive {
		plain := *n
		plain.mode = greedy
		c.sub(inst{op: opAtomic}, &plain)
		return
	}
	if n.max == 0 {
		return
	}
	if n.min == 0 && n.max == 1 {
		split := c.add(inst{op: opSplit})
		body0 := c.here()
		c.emit(body)
		if n.mode == greedy {
			c.re.prog[split].x, c.re.prog[split].y = body0, c.here()
		} else {
			c.re.prog[split].x, c.re.prog[split].y = c.here(), body0
		}
		return
	}
	if n.min == 1 && n.max == 1 {
		c.emit(body)
		return
	}
	counter := int32(c.re.counters)
	c.re.counters += 2 // the count, and where the iteration began
	c.add(inst{op: opLoopInit, n: counter})
	loop := c.add(inst{op: opLoop, n: counter, min: int32(n.min), max: int32(n.max), mode: n.mode})
	c.re.prog[loop].x = c.here()
	c.add(inst{op: opIterate, n: counter})
	c.emit(body)
	c.add(inst{op: opJump, x: int32(loop)})
	c.re.prog[loop].y = c.here()
}

// firstBytes returns the bytes that a match of n can begin with, and whether it can be empty.
func firstBytes(n *node) (*byteSet, bool) {
	s := &byteSet{}
	switch n.kind {
	case nodeSet:
		*s = *n.set
		return s, false
	case nodeCat:
		for _, sub := range n.subs {
			f, nullable := firstBytes(sub)
			s.union(f)
			if !nullable {
				return s, false
			}
		}
		return s, true
	case nodeAlt:
		empty := false
		for _, sub := range n.subs {
			f, nullable := firstBytes(sub)
			s.union(f)
			empty = empty || nullable
		}
		return s, empty
	case nodeRepeat:
		f, nullable := firstBytes(n.subs[0])
		return f, nullable || n.min == 0
	case nodeCapture, nodeAtomic:
		return firstBytes(n.subs[0])
	case nodeBackref:
		s.invert()
		return s, true
	}
	return s, true
}

// startsAnchored reports whether every match begins at the start of the subject.
func startsAnchored(n *node) bool {
	switch n.kind {
	case nodeAssert:
		return n.assert == assertStart
	case nodeCat:
		for _, s := range n.subs {
			if startsAnchored(s) {
				return true
			}
			if s.kind != nodeAssert && s.kind != nodeLook {
				return false
			}
		}
		return false
	case nodeAlt:
		for _, s := range n.subs {
			if !startsAnchored(s) {
				return false
			}
		}
		return true
	case nodeCapture, nodeAtomic:
		return startsAnchored(n.subs[0])
	}
	return false
}

func literalPrefix(prog []inst) []byte {
	var p []byte
	for _, i := range prog {
		if i.op == opSave {
			continue
		}
		if i.op != opByte {
			break
		}
		p = append(p, i.b)
	}
	if len(p) < 2 {
		return nil
	}
	return p
}
