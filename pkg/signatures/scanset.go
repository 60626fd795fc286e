package signatures

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/weir-ips/weir/pkg/signatures/keyword"
	"github.com/weir-ips/weir/pkg/signatures/prefilter"
)

// scanSet finds the fast patterns of some rules, and with each the rules that it makes candidates.
type scanSet struct {
	matcher *prefilter.Matcher // patterns that can stand anywhere; nil when there is none
	rules   lists              // by pattern
	places  *prefilter.Places  // patterns that can stand at one place alone; nil when there is none
	placed  lists
}

// lists are lists of rules, one behind the other: where each ends, and all of them.
type lists struct{ ends, rules []uint32 }

func newLists(all [][]uint32) (x lists) {
	for _, rules := range all {
		x.rules = append(x.rules, rules...)
		x.ends = append(x.ends, uint32(len(x.rules)))
	}
	return x
}

func (x *lists) of(i uint32) []uint32 {
	begin := uint32(0)
	if i > 0 {
		begin = x.ends[i-1]
	}
	return x.rules[begin:x.ends[i]]
}

// setBuilder collects patterns; equal ones are kept once.
type setBuilder struct {
	index    map[string]int
	patterns []prefilter.Pattern
	rules    [][]uint32
	places   []prefilter.Placed
	placed   [][]uint32
	longest  int // of the patterns
}

func (b *setBuilder) add(f *keyword.Fast, order uint32) {
	key := string(f.Pattern)
	if f.NoCase {
		key = "\x00" + key
	}
	if f.Fixed {
		key = strconv.Itoa(f.Offset) + " " + key
	}
	if b.index == nil {
		b.index = map[string]int{}
	}
	i, ok := b.index[key]
	p := prefilter.Pattern{Bytes: f.Pattern, NoCase: f.NoCase}
	b.longest = max(b.longest, len(f.Pattern))
	switch {
	case ok:
	case f.Fixed:
		i = len(b.places)
		b.places, b.placed = append(b.places, prefilter.Placed{Pattern: p, Offset: f.Offset}), append(b.placed, nil)
	default:
		i = len(b.patterns)
		b.patterns, b.rules = append(b.patterns, p), append(b.rules, nil)
	}
	b.index[key] = i
	if f.Fixed {
		b.placed[i] = append(b.placed[i], order)
	} else {
		b.rules[i] = append(b.rules[i], order)
	}
}

// equal reports whether both hold the same patterns of the same rules, in the same order.
func (b *setBuilder) equal(o *setBuilder) bool {
	same := func(x, y prefilter.Pattern) bool { return x.NoCase == y.NoCase && bytes.Equal(x.Bytes, y.Bytes) }
	return slices.EqualFunc(b.patterns, o.patterns, same) && slices.EqualFunc(b.rules, o.rules, slices.Equal[[]uint32]) &&
		slices.EqualFunc(b.places, o.places, func(x, y prefilter.Placed) bool { return x.Offset == y.Offset && same(x.Pattern, y.Pattern) }) &&
		slices.EqualFunc(b.placed, o.placed, slices.Equal[[]uint32])
}

func (b *setBuilder) build() *scanSet {
	if len(b.patterns)+len(b.places) == 0 {
		return nil
	}

	s := &scanSet{rules: newLists(b.rules), placed: newLists(b.placed)}
	if len(b.patterns) > 0 {
		s.matcher = prefilter.Build(b.patterns)
	}
	if len(b.places) > 0 {
		s.places = prefilter.BuildPlaces(b.places)
	}
	return s
}

// scan adds the rules whose fast patterns are in data, whose first byte is at base of the stream or body.
func (e *Engine) scan(set *scanSet, data []byte, base int) {
	if set == nil || len(data) == 0 {
		return
	}
	if set.places != nil {
		e.found = set.places.Find(data, base, e.found[:0])
		for _, p := range e.found {
			e.candidates(set.placed.of(p))
		}
	}
	if set.matcher != nil {
		e.found = set.matcher.Scan(data, &e.scratch, e.found[:0])
		for _, p := range e.found {
			e.candidates(set.rules.of(p))
		}
	}
}
