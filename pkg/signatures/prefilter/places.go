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
	lone     []lonePlace // of few patterns: each is compared there
	places   []place     // of many
	last     int         // offset of the last place
	filter   []uint32    // a bit for each hash, by its top bits: sparse, because a buffer has many places
	shift    uint        // hash >> shift is a bit of the filter
	fshift   uint        // hash >> fshift is a place in first
	first    []uint32    // where the entries with such a hash begin; one more at the end
	entries  []placedEntry
}

// place is where patterns of one length, or of four bytes and more, may stand.
type place struct {
	offset, width int32  // width: bytes that are looked up, at most four
	mask          uint32 // of these bytes in a word
	salt          uint32 // tells the words of places apart
}

// lonePlace is a pattern at a place that few share.
type lonePlace struct {
	offset, width int32
	mask, value   uint32 // of its first bytes in a word, folded
	pattern       uint32
}

// few is how many patterns of a place are compared one by one, which takes less memory than to look them up.
const few = 4

// placedEntry is a pattern at its place. Many begin alike: of one of eight bytes and more the last four are looked at first.
type placedEntry struct {
	hash, pattern uint32
	offset        int32
	tailAt        int32  // of the last four bytes in the pattern; 0 for a shorter one
	tail          uint32 // folded
}

// BuildPlaces makes Places. Patterns get the numbers of their places in the slice; empty ones are never found.
func BuildPlaces(patterns []Placed) *Places {
	p := &Places{patterns: make([]pattern, len(patterns))}
	at := map[[2]int32][]uint32{} // patterns by offset and width
	for i := range patterns {
		p.patterns[i] = newPattern(patterns[i].Pattern)
		p.last = max(p.last, patterns[i].Offset)
		if n := len(patterns[i].Bytes); n > 0 {
			k := [2]int32{int32(patterns[i].Offset), int32(min(n, 4))}
			at[k] = append(at[k], uint32(i))
		}
	}
	for k, ids := range at {
		x := place{offset: k[0], width: k[1], mask: 1<<(8*k[1]) - 1, salt: uint32(k[0]*4+k[1]) * mixHigh}
		if len(ids) > few {
			p.places = append(p.places, x)
		}
		for _, id := range ids {
			if len(ids) > few {
				p.entries = append(p.entries, x.entry(p.patterns[id].bytes, id))
			} else {
				p.lone = append(p.lone, lonePlace{x.offset, x.width, x.mask, (wordAt(p.patterns[id].bytes, 0) | fold32) & x.mask, id})
			}
		}
	}
	slices.SortFunc(p.lone, func(a, b lonePlace) int {
		return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.pattern, b.pattern))
	})
	slices.SortFunc(p.places, func(a, b place) int { return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.width, b.width)) })
	p.index()
	return p
}

// index sorts the entries in by their hashes.
func (p *Places) index() {
	lists := min(bits.Len(uint(len(p.entries)))+1, 16)
	p.shift, p.fshift = uint(32-lists-5), uint(32-lists)
	p.filter, p.first = make([]uint32, 1<<lists), make([]uint32, 1<<lists+1)
	for i := range p.entries {
		h := p.entries[i].hash
		p.filter[h>>p.shift>>5] |= 1 << (h >> p.shift & 31)
		p.first[h>>p.fshift+1]++
	}
	for i := 1; i < len(p.first); i++ {
		p.first[i] += p.first[i-1]
	}
	slices.SortFunc(p.entries, func(a, b placedEntry) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.pattern, b.pattern))
	})
}

// entry describes the pattern with the bytes b at the place.
func (x *place) entry(b []byte, id uint32) placedEntry {
	e := placedEntry{hash: x.hash(wordAt(b, 0)), pattern: id, offset: x.offset}
	if n := len(b); n >= 8 {
		e.tailAt, e.tail = int32(n-4), binary.LittleEndian.Uint32(b[n-4:])|fold32
	}
	return e
}

// hash mixes the first bytes of a word, folded, with where they stand.
func (x *place) hash(word uint32) uint32 {
	word = (word|fold32)&x.mask + x.salt
	word ^= word >> 15
	return word * mixLow
}

// Size returns about how many bytes the places take.
func (p *Places) Size() int {
	n := len(p.patterns)*patternSize + len(p.places)*int(unsafe.Sizeof(place{})) + 4*len(p.filter) + len(p.lone)*int(unsafe.Sizeof(lonePlace{})) + 4*len(p.first) + len(p.entries)*int(unsafe.Sizeof(placedEntry{}))
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
	for i := range p.lone {
		x := &p.lone[i]
		at := int(x.offset) - base
		if at >= len(buf) {
			break // what follows is behind the end too
		}
		if word, ok := placedWord(buf, at, int(x.width)); ok && (word|fold32)&x.mask == x.value && p.patterns[x.pattern].at(buf[at:]) {
			found = append(found, x.pattern)
		}
	}
	for i := range p.places {
		x := &p.places[i]
		at := int(x.offset) - base
		if at >= len(buf) {
			break
		}
		if word, ok := placedWord(buf, at, int(x.width)); ok {
			h := x.hash(word)
			if bit := h >> (p.shift & 31); p.filter[bit>>5]&(1<<(bit&31)) != 0 {
				found = p.list(x, h, buf[at:], found)
			}
		}
	}
	return found
}

// placedWord loads four bytes at a place of width bytes, which must be in buf; behind its end there are zeros.
func placedWord(buf []byte, at, width int) (word uint32, ok bool) {
	if at >= 0 && at+4 <= len(buf) {
		return binary.LittleEndian.Uint32(buf[at:]), true
	}
	if at < 0 || at+width > len(buf) {
		return 0, false
	}
	return wordAt(buf, at), true
}

// list appends which of the patterns of a place and with a hash b begins with.
func (p *Places) list(x *place, hash uint32, b []byte, found []uint32) []uint32 {
	l := hash >> p.fshift
	for i, end := p.first[l], p.first[l+1]; i < end; i++ {
		e := &p.entries[i]
		if e.hash != hash || e.offset != x.offset {
			continue
		}
		if at := int(e.tailAt); at > 0 && (at+4 > len(b) || binary.LittleEndian.Uint32(b[at:])|fold32 != e.tail) {
			continue
		}
		if p.patterns[e.pattern].at(b) {
			found = append(found, e.pattern)
		}
	}
	return found
}
