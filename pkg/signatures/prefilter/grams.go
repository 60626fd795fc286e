package prefilter

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// grams finds patterns by the hashes of grams at places four bytes apart; a tier with stride 2 takes two passes.
type grams struct {
	view    gramView
	gram    int
	stride  int
	filter  []uint32
	bshift  uint
	buckets []uint32 // of hash >> bshift: where its entries begin; one more at the end
	entries []entry
	reach   [256]uint16 // of patterns with a gram of one byte alone: how far they extend from it at most; 0 without such
}

// gramView is what kernels see of grams. Its layout is known to the assembly.
type gramView struct {
	filter *uint32 // two bits of a word for each gram
	shift  uint32  // hash >> shift is a word of the filter
	low    uint32  // mask of a gram's first four bytes
	high   uint32  // mask of its next four
}

// entry is one gram of one pattern.
type entry struct {
	hash    uint32
	near    uint32 // four other bytes of the pattern, folded
	pattern uint32
	offset  uint16 // of the gram in the pattern
	delta   int16  // of near, from the gram
}

const (
	fold32    = 0x20202020
	fold64    = fold32<<32 | fold32
	mixLow    = 0x9e3779b1
	mixHigh   = 0x85ebca77
	maxOffset = 1 << 14
)

// hash mixes a folded gram. Folding sets one bit of each byte: it joins the cases of letters, and some other pairs too.
func (v *gramView) hash(gram uint64) uint32 {
	gram |= fold64
	return uint32(gram)&v.low*mixLow + uint32(gram>>32)&v.high*mixHigh
}

// filterBits are two bits of a filter word, taken from the low bits of the hash.
func filterBits(h uint32) uint32 { return 1<<(h&31) | 1<<(h>>5&31) }

// gramAt loads eight bytes, zeros behind the end.
func gramAt(b []byte, at int) uint64 {
	if at+8 <= len(b) {
		return binary.LittleEndian.Uint64(b[at:])
	}
	var g [8]byte
	copy(g[:], b[at:])
	return binary.LittleEndian.Uint64(g[:])
}

func newGrams(patterns []pattern, t tier, r *rarity) *grams {
	n := len(t.ids) * t.stride
	size := min(max(bits.Len(uint(n)), 5), 20)
	words, bucketBits := min(size+1, 17), min(size, 16) // 16 to 64 bits a gram; of many patterns not less than 16
	words = max(words, size)
	g := &grams{
		gram: t.gram, stride: t.stride,
		filter: make([]uint32, 1<<words), bshift: uint(32 - bucketBits), buckets: make([]uint32, 1<<bucketBits+1), entries: make([]entry, n),
	}
	mask := uint64(1)<<(8*(t.gram&7)) - 1
	if t.gram == 8 {
		mask = 1<<64 - 1
	}
	g.view = gramView{filter: &g.filter[0], shift: uint32(32 - words), low: uint32(mask), high: uint32(mask >> 32)}
	all := make([]entry, 0, n)
	for _, id := range t.ids {
		p := patterns[id].bytes
		at := r.window(p, t.gram+t.stride-1, t.gram)
		for k := range t.stride {
			e := g.newEntry(p, at+k)
			e.pattern = id
			all = append(all, e)
			g.filter[e.hash>>g.view.shift] |= filterBits(e.hash)
			g.buckets[e.hash>>g.bshift+1]++
		}
	}
	for i := 1; i < len(g.buckets); i++ {
		g.buckets[i] += g.buckets[i-1]
	}
	next := append([]uint32(nil), g.buckets...)
	for _, e := range all {
		b := e.hash >> g.bshift
		g.entries[next[b]] = e
		next[b]++
	}
	return g
}

// newEntry describes the gram at p[at:]. The bytes to look at next are those behind it, or before it, or what there is.
func (g *grams) newEntry(p []byte, at int) entry {
	near := min(at+g.gram, len(p)-4)
	if behind := len(p) - at - g.gram; behind < 4 && at > behind {
		near = max(at-4, 0)
	}
	e := entry{hash: g.view.hash(gramAt(p, at)), near: binary.LittleEndian.Uint32(p[near:]) | fold32, offset: uint16(at), delta: int16(near - at)}
	if isRun(p[at : at+g.gram]) {
		c := p[at] | 0x20
		far := uint16(min(max(at, len(p)-at), 1<<16-1))
		g.reach[c] = max(g.reach[c], far)
	}
	return e
}

func isRun(b []byte) bool {
	for _, c := range b[1:] {
		if c|0x20 != b[0]|0x20 {
			return false
		}
	}
	return true
}

func (g *grams) size() int {
	return int(unsafe.Sizeof(*g)) + 4*len(g.filter) + 4*len(g.buckets) + int(unsafe.Sizeof(entry{}))*len(g.entries)
}

func (m *Matcher) scanGrams(g *grams, buf []byte, s *Scratch) {
	for from := 0; from < 4; from += g.stride {
		for at := from; at+g.gram <= len(buf); at += 4 * hitsMax {
			places := min((len(buf)-at-g.gram)/4+1, hitsMax)
			n := m.kernel.scanGrams(&g.view, buf[at:], places, &s.hits)
			m.verifyGrams(g, buf, at, s.hits[:n], s)
		}
	}
}

// verifyGrams compares the patterns whose grams stand at the hits, counted from base.
func (m *Matcher) verifyGrams(g *grams, buf []byte, base int, hits []uint32, s *Scratch) {
	skip := 0
	for _, hit := range hits {
		at := base + int(hit)
		if at < skip {
			continue
		}
		v := gramAt(buf, at)
		if !s.every && v == bits.RotateLeft64(v, 8) {
			skip = skipRun(buf, at, max(int(g.reach[buf[at]|0x20]), 8))
		}
		m.verifyGram(g, v, buf, at, s)
	}
}

// verifyGram compares the patterns that have a gram with the hash of v, which stands at buf[at:].
func (m *Matcher) verifyGram(g *grams, v uint64, buf []byte, at int, s *Scratch) {
	h := g.view.hash(v)
	b := h >> g.bshift
	for i, end := g.buckets[b], g.buckets[b+1]; i < end; i++ {
		e := &g.entries[i]
		near := at + int(e.delta)
		if e.hash != h || uint(near) >= uint(len(buf)) || len(buf)-near < 4 {
			continue
		}
		if binary.LittleEndian.Uint32(buf[near:])|fold32 != e.near || s.done(e.pattern) {
			continue
		}
		if from := at - int(e.offset); from >= 0 && m.patterns[e.pattern].at(buf[from:]) {
			s.hit(e.pattern, from+len(m.patterns[e.pattern].bytes))
		}
	}
}

// skipRun returns up to where the hits that follow the one at buf[at:], which is inside a run of one byte, cannot tell more:
// where all that a pattern may reach is the run. reach is not less than what is looked at to find a place.
func skipRun(buf []byte, at, reach int) int {
	if at < reach {
		return 0
	}
	c := buf[at]
	for _, b := range buf[at-reach : at] {
		if b != c {
			return 0
		}
	}
	return at + runLength(buf[at:]) - reach
}

// runLength returns how many bytes equal to the first one b begins with.
func runLength(b []byte) int {
	want := uint64(b[0]) * 0x0101010101010101
	n := 1
	for ; n+8 <= len(b); n += 8 {
		if x := binary.LittleEndian.Uint64(b[n:]) ^ want; x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
	}
	for n < len(b) && b[n] == b[0] {
		n++
	}
	return n
}
