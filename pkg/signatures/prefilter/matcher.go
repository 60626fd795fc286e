// Package prefilter finds which of many patterns occur in a buffer: the first, coarse stage of matching rules.
//
// Patterns are sorted into tiers by length. Of a long pattern four consecutive grams are in a filter, so that looking at
// every fourth place of the buffer cannot miss it (and two of a shorter one, for every second place); the shortest ones, or
// all of a small set, are looked up byte by byte in tables of eight buckets. Kernels in assembly find the places that pass,
// Go compares what stands there: results are exact. The kernels in plain Go define what the others must find.
package prefilter

import (
	"cmp"
	"slices"
)

// Pattern is a string of at least one byte to look for.
type Pattern struct {
	Bytes  []byte
	NoCase bool // ASCII letters match in either case
}

// Matcher looks for a set of patterns. It is immutable and safe for concurrent use.
type Matcher struct {
	patterns []pattern
	grams    []*grams
	shorts   []*short
	singles  []single
	kernel   kernel
	bytes    int // of the patterns
}

// Match is one occurrence of a pattern.
type Match struct {
	Pattern uint32 // its place in the slice given to Build
	End     int    // of the occurrence in the buffer: the place behind its last byte
}

// Found is one pattern that occurs in one of several buffers.
type Found struct {
	Buffer  int
	Pattern uint32
}

// Build makes a matcher. Patterns get the numbers of their places in the slice. Empty patterns are never found.
// Building is the work of one goroutine; matchers are independent of each other and may be built in parallel.
func Build(patterns []Pattern) *Matcher { return build(patterns, best()) }

func build(patterns []Pattern, k kernel) *Matcher {
	m := &Matcher{patterns: make([]pattern, len(patterns)), kernel: k}
	for i, p := range patterns {
		m.patterns[i] = newPattern(p)
		m.bytes += len(m.patterns[i].bytes) + len(m.patterns[i].fold)
	}
	plan := newPlan(m.patterns)
	m.singles = newSingles(m.patterns, plan.singles)
	m.shorts = newShorts(m.patterns, plan.short, plan.rarity)
	for _, t := range plan.tiers {
		m.grams = append(m.grams, newGrams(m.patterns, t, plan.rarity))
	}
	return m
}

// Len returns how many patterns the matcher has.
func (m *Matcher) Len() int { return len(m.patterns) }

// Size returns about how many bytes the matcher takes, its own copies of patterns included.
func (m *Matcher) Size() int {
	n := len(m.patterns)*patternSize + m.bytes + 32*len(m.singles)
	for _, t := range m.shorts {
		n += t.size()
	}
	for _, g := range m.grams {
		n += g.size()
	}
	return n
}

// Scan appends the numbers of the patterns that occur in buf to found, each once, in no particular order.
func (m *Matcher) Scan(buf []byte, s *Scratch, found []uint32) []uint32 {
	s.begin(len(m.patterns))
	s.found = found
	m.scan(buf, s)
	found, s.found = s.found, nil
	return found
}

// Ends appends every occurrence of every pattern in buf, each once, ordered by pattern and place.
func (m *Matcher) Ends(buf []byte, s *Scratch, matches []Match) []Match {
	s.begin(len(m.patterns))
	n := len(matches)
	s.every, s.ends = true, matches
	m.scan(buf, s)
	matches, s.ends, s.every = s.ends, nil, false
	added := matches[n:]
	slices.SortFunc(added, func(a, b Match) int {
		return cmp.Or(cmp.Compare(a.Pattern, b.Pattern), cmp.Compare(a.End, b.End))
	})
	return matches[:n+len(slices.Compact(added))]
}

func (m *Matcher) scan(buf []byte, s *Scratch) {
	for i := range m.singles {
		m.singles[i].scan(buf, s)
	}
	for _, t := range m.shorts {
		m.scanShort(t, buf, s)
	}
	for _, g := range m.grams {
		m.scanGrams(g, buf, s)
	}
}
