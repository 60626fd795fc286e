// Package prefilter finds which of many patterns occur in a buffer: the first, coarse stage of matching rules.
//
// It hashes q-grams at sampled places. Of a long pattern four consecutive 8-grams are in a filter, so that looking at every
// fourth place of the buffer cannot miss it; of a middle one two 4-grams, for every second place; short ones are looked up
// at every place by their first one or two bytes. What passes the filter is compared byte by byte: results are exact.
package prefilter

import (
	"encoding/binary"
	"math/bits"
)

// Pattern is a string of at least one byte to look for.
type Pattern struct {
	Bytes  []byte
	NoCase bool // ASCII letters match in either case
}

// Matcher looks for a set of patterns. It is immutable and safe for concurrent use.
type Matcher struct {
	patterns []pattern
	long     *table // stride 4, 8-grams
	middle   *table // stride 2, 4-grams
	short    *shortTable
}

// pattern is a pattern ready to compare: lower case when noCase.
type pattern struct {
	bytes  []byte
	noCase bool
}

// Scratch is the working memory of scans: reused, for one goroutine, and for any number of matchers.
type Scratch struct {
	seen  []uint32 // epoch of the scan that found a pattern
	epoch uint32
}

const (
	longGram, longStride     = 8, 4
	middleGram, middleStride = 4, 2
	longMin                  = longGram + longStride - 1
	middleMin                = middleGram + middleStride - 1
)

// Build makes a matcher. Patterns get the numbers of their places in the slice. Empty patterns are never found.
func Build(patterns []Pattern) *Matcher {
	m := &Matcher{patterns: make([]pattern, len(patterns))}
	var long, middle, short []uint32
	for i, p := range patterns {
		m.patterns[i] = pattern{bytes: p.Bytes, noCase: p.NoCase}
		if p.NoCase {
			m.patterns[i].bytes = lowered(p.Bytes)
		}
		switch n := len(p.Bytes); {
		case n >= longMin:
			long = append(long, uint32(i))
		case n >= middleMin:
			middle = append(middle, uint32(i))
		case n > 0:
			short = append(short, uint32(i))
		}
	}
	m.long = newTable(m.patterns, long, longGram, longStride)
	m.middle = newTable(m.patterns, middle, middleGram, middleStride)
	m.short = newShortTable(m.patterns, short)
	return m
}

// Len returns how many patterns the matcher has.
func (m *Matcher) Len() int { return len(m.patterns) }

// Size returns about how many bytes the matcher takes, patterns not counted.
func (m *Matcher) Size() int {
	return len(m.patterns)*32 + m.long.size() + m.middle.size() + m.short.size()
}

// Scan appends the numbers of the patterns that occur in buf to found, each once, in no particular order.
func (m *Matcher) Scan(buf []byte, s *Scratch, found []uint32) []uint32 {
	s.begin(len(m.patterns))
	if m.long != nil {
		found = m.scanLong(buf, s, found)
	}
	if m.middle != nil {
		found = m.scanMiddle(buf, s, found)
	}
	if m.short != nil {
		found = m.scanShort(buf, s, found)
	}
	return found
}

func (s *Scratch) begin(n int) {
	if len(s.seen) < n {
		s.seen = make([]uint32, n)
		s.epoch = 0
	}
	s.epoch++
	if s.epoch == 0 {
		clear(s.seen)
		s.epoch = 1
	}
}

// table finds patterns by the hash of a gram.
type table struct {
	shift   uint     // hash >> shift is a word of the filter
	filter  []uint32 // two bits of a word for each gram
	buckets []uint32 // of hash >> bucketShift: where its entries begin; one more at the end
	bshift  uint
	entries []entry
}

// entry is one gram of one pattern.
type entry struct {
	check   uint32 // bits of the hash that neither filter nor bucket have used
	pattern uint32
	offset  uint32 // of the gram in the pattern
}

const (
	fold64 = 0x2020202020202020
	mix    = 0x9e3779b97f4a7c15
)

// hashOf mixes a folded gram. Folding sets one bit of each byte: it joins the cases of letters, and some other pairs too.
func hashOf(gram uint64) uint64 {
	h := gram * mix
	return h ^ h>>29
}

func gramAt(b []byte, at, n int) uint64 {
	var g [8]byte
	copy(g[:n], b[at:])
	v := binary.LittleEndian.Uint64(g[:]) | fold64
	if n < 8 {
		v &= 1<<(8*n) - 1
	}
	return v
}

func newTable(patterns []pattern, ids []uint32, gram, stride int) *table {
	if len(ids) == 0 {
		return nil
	}
	n := len(ids) * stride
	words := max(bits.Len(uint(n)), 6) // about 16 to 32 bits a gram
	bucketBits := max(bits.Len(uint(n))-1, 4)
	t := &table{
		shift: uint(64 - words), filter: make([]uint32, 1<<words),
		bshift: uint(64 - bucketBits), buckets: make([]uint32, 1<<bucketBits+1), entries: make([]entry, n),
	}
	type gramEntry struct {
		hash uint64
		entry
	}
	all := make([]gramEntry, 0, n)
	for _, id := range ids {
		p := patterns[id].bytes
		at := bestWindow(p, gram+stride-1)
		for k := range stride {
			h := hashOf(gramAt(p, at+k, gram))
			all = append(all, gramEntry{h, entry{uint32(h), id, uint32(at + k)}})
			t.filter[h>>t.shift] |= filterBits(h)
			t.buckets[h>>t.bshift+1]++
		}
	}
	for i := 1; i < len(t.buckets); i++ {
		t.buckets[i] += t.buckets[i-1]
	}
	next := append([]uint32(nil), t.buckets...)
	for _, g := range all {
		b := g.hash >> t.bshift
		t.entries[next[b]] = g.entry
		next[b]++
	}
	return t
}

// filterBits are two bits of a filter word, taken from the low bits of the hash.
func filterBits(h uint64) uint32 { return 1<<(h&31) | 1<<(h>>5&31) }

// bestWindow returns where in p the window of n bytes that tells most begins: many different bytes, few of the frequent ones.
func bestWindow(p []byte, n int) int {
	best, at := -1, 0
	for i := 0; i+n <= len(p); i++ {
		score := 0
		for k, c := range p[i : i+n] {
			switch {
			case k > 0 && p[i+k-1] == c:
			case c == 0 || c == ' ' || c == 0xff:
				score++
			default:
				score += 3
			}
		}
		if score > best {
			best, at = score, i
		}
	}
	return at
}

func (t *table) size() int {
	if t == nil {
		return 0
	}
	return 4*len(t.filter) + 4*len(t.buckets) + 12*len(t.entries)
}

func (m *Matcher) scanLong(buf []byte, s *Scratch, found []uint32) []uint32 {
	t := m.long
	filter, shift := t.filter, t.shift
	for at := 0; at+longGram <= len(buf); at += longStride {
		h := hashOf(binary.LittleEndian.Uint64(buf[at:]) | fold64)
		if b := filterBits(h); filter[h>>shift]&b == b {
			found = m.verify(t, h, buf, at, s, found)
		}
	}
	return found
}

func (m *Matcher) scanMiddle(buf []byte, s *Scratch, found []uint32) []uint32 {
	t := m.middle
	filter, shift := t.filter, t.shift
	for at := 0; at+middleGram <= len(buf); at += middleStride {
		h := hashOf(uint64(binary.LittleEndian.Uint32(buf[at:]) | fold64&(1<<32-1)))
		if b := filterBits(h); filter[h>>shift]&b == b {
			found = m.verify(t, h, buf, at, s, found)
		}
	}
	return found
}

// verify compares the patterns that have the gram with hash h, which stands at buf[at:].
func (m *Matcher) verify(t *table, h uint64, buf []byte, at int, s *Scratch, found []uint32) []uint32 {
	b := h >> t.bshift
	for _, e := range t.entries[t.buckets[b]:t.buckets[b+1]] {
		if e.check != uint32(h) || s.seen[e.pattern] == s.epoch {
			continue
		}
		if from := at - int(e.offset); from >= 0 && m.patterns[e.pattern].at(buf[from:]) {
			s.seen[e.pattern] = s.epoch
			found = append(found, e.pattern)
		}
	}
	return found
}

// at reports whether b begins with the pattern.
func (p *pattern) at(b []byte) bool {
	if len(b) < len(p.bytes) {
		return false
	}
	if !p.noCase {
		return string(b[:len(p.bytes)]) == string(p.bytes)
	}
	for i, c := range p.bytes {
		if lower[b[i]] != c {
			return false
		}
	}
	return true
}

var lower = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			t[i] += 'a' - 'A'
		}
	}
	return t
}()

func lowered(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		out[i] = lower[c]
	}
	return out
}
