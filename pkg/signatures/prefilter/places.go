package prefilter

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"unsafe"
)

// Placed is a pattern that can stand at one place alone.
type Placed struct {
	Pattern
	Offset int // of its first byte in the buffer, or in the stream that the buffer is a part of
}

// Places looks for patterns each at its place: of the bytes there it needs to look at no more than four to know that a pattern
// is not there. It is immutable and safe for concurrent use.
type Places struct {
	patterns []pattern
	places   []place
	last     int      // offset of the last place
	filter   []uint64 // a bit for each hash, by its top bits: sparse, because a buffer has many places
	shift    uint     // hash >> shift is a bit of the filter
	fshift   uint     // hash >> fshift is a place in first
	first    []uint32 // where the entries with such a hash begin; one more at the end
	entries  []placedEntry
}

// place is where patterns of one length, or of four bytes and more, may stand.
type place struct {
	offset int
	width  int    // bytes that are looked up, at most four
	mask   uint32 // of these bytes in a word
	salt   uint32 // tells the words of places apart
}

type placedEntry struct {
	hash, pattern uint32
	offset        int
}

// BuildPlaces makes Places. Patterns get the numbers of their places in the slice; empty ones are never found.
func BuildPlaces(patterns []Placed) *Places {
	lists := min(bits.Len(uint(len(patterns)))+1, 16)
	p := &Places{patterns: make([]pattern, len(patterns)), shift: uint(32 - lists - 6), filter: make([]uint64, 1<<lists),
		fshift: uint(32 - lists), first: make([]uint32, 1<<lists+1)}
	for i := range patterns {
		p.patterns[i] = newPattern(patterns[i].Pattern)
		p.last = max(p.last, patterns[i].Offset)
		if n := len(patterns[i].Bytes); n > 0 {
			x := p.place(patterns[i].Offset, min(n, 4))
			h := x.hash(p.patterns[i].bytes)
			p.entries = append(p.entries, placedEntry{h, uint32(i), x.offset})
			p.filter[h>>p.shift>>6] |= 1 << (h >> p.shift & 63)
			p.first[h>>p.fshift+1]++
		}
	}
	for i := 1; i < len(p.first); i++ {
		p.first[i] += p.first[i-1]
	}
	slices.SortStableFunc(p.entries, func(a, b placedEntry) int { return cmp.Compare(a.hash, b.hash) })
	slices.SortFunc(p.places, func(a, b place) int { return cmp.Compare(a.offset, b.offset) })
	return p
}

// place returns the place for an offset and a width, a new one if there is none.
func (p *Places) place(offset, width int) place {
	for _, x := range p.places {
		if x.offset == offset && x.width == width {
			return x
		}
	}
	x := place{offset: offset, width: width, mask: 1<<(8*width) - 1, salt: uint32(offset*4+width) * mixHigh}
	p.places = append(p.places, x)
	return x
}

// hash mixes the first bytes of b, folded, with where they stand; b has at least as many.
func (x *place) hash(b []byte) uint32 {
	var word uint32
	if len(b) >= 4 {
		word = binary.LittleEndian.Uint32(b)
	} else {
		word = wordAt(b, 0)
	}
	word = (word|fold32)&x.mask + x.salt
	word ^= word >> 15
	return word * mixLow
}

// Size returns about how many bytes the places take.
func (p *Places) Size() int {
	n := len(p.patterns)*patternSize + len(p.places)*int(unsafe.Sizeof(place{})) + 8*len(p.filter) + 4*len(p.first) + 16*len(p.entries)
	for i := range p.patterns {
		n += len(p.patterns[i].bytes) + len(p.patterns[i].fold)
	}
	return n
}

// Find appends the numbers of the patterns that stand at their places in buf, whose first byte is at base, each once.
func (p *Places) Find(buf []byte, base int, found []uint32) []uint32 {
	if base > p.last { // most of a stream
		return found
	}
	for i := range p.places {
		x := &p.places[i]
		at := x.offset - base
		if at < 0 || at+x.width > len(buf) {
			if at >= len(buf) {
				break // and so are all that follow
			}
			continue
		}
		h := x.hash(buf[at:])
		if bit := h >> (p.shift & 31); p.filter[bit>>6]&(1<<(bit&63)) != 0 {
			found = p.list(x, h, buf[at:], found)
		}
	}
	return found
}

// list appends which of the patterns of a place and with a hash b begins with.
func (p *Places) list(x *place, hash uint32, b []byte, found []uint32) []uint32 {
	l := hash >> p.fshift
	for _, e := range p.entries[p.first[l]:p.first[l+1]] {
		if e.hash == hash && e.offset == x.offset && p.patterns[e.pattern].at(b) {
			found = append(found, e.pattern)
		}
	}
	return found
}
