package prefilter

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"unsafe"
)

// short finds patterns by up to four of their bytes, each looked up in a table of the buckets (of eight) that may have it there.
type short struct {
	view    shortView
	shift   uint     // hash of two bytes >> shift is a place in first
	first   []uint32 // where the entries that may begin with such bytes begin; one more at the end
	entries []shortEntry
	reach   [256]uint16 // of patterns that are looked for by one byte alone: how far they extend from it at most; 0 without such
}

// shortView is what kernels see of short. Its layout is known to the assembly.
type shortView struct {
	bytes   [4][256]uint8   // buckets that may have a byte in a place
	nibbles [4][2][16]uint8 // the same by low and high half of the byte: more pass
	words   [256]uint32     // bytes, the four places side by side, bits inverted; the first place is the lowest byte
}

// shortEntry is one pattern: w&mask == value of the buffer's word w where it may be.
type shortEntry struct {
	value, mask uint32
	pattern     uint32
	near        uint32 // four other bytes of the pattern, folded
	offset      uint16 // of the word in the pattern
	delta       int16  // of near, from the word
	size        uint16 // of a pattern that is no more than the word; 0 for longer ones
	reach       uint16 // of the pattern from the word, to the farther side
}

const ones32 = 0x01010101

// Tables are shared by about shortShare patterns, until there are shortSets of them: measured.
const (
	shortShare = 96
	shortSets  = 8
)

// newShorts spreads patterns over as many tables as pay.
func newShorts(patterns []pattern, ids []uint32, r *rarity) (all []*short) {
	entries := make([]shortEntry, len(ids))
	for i, id := range ids {
		entries[i] = newShortEntry(&patterns[id], id, r)
	}
	if len(entries) == 0 {
		return nil
	}
	sets := min(max((len(entries)+shortShare/2)/shortShare, 1), shortSets)
	buckets := spread(entries, sets*8)
	for set := range slices.Chunk(buckets, 8) {
		all = append(all, newShort(set))
	}
	return all
}

func newShortEntry(p *pattern, id uint32, r *rarity) shortEntry {
	n := min(4, len(p.bytes))
	at := r.window(p.bytes, n, n)
	e := shortEntry{pattern: id, offset: uint16(at), reach: uint16(min(max(at, len(p.bytes)-at), 1<<16-1))}
	e.value, e.mask = p.window(at)
	if len(p.bytes) <= 4 {
		e.size = uint16(len(p.bytes))
		return e
	}
	near := min(at+4, len(p.bytes)-4)
	if behind := len(p.bytes) - at - 4; behind < 4 && at > behind {
		near = max(at-4, 0)
	}
	e.near, e.delta = binary.LittleEndian.Uint32(p.bytes[near:])|fold32, int16(near-at)
	return e
}

func newShort(buckets [][]shortEntry) *short {
	t := &short{}
	for k, entries := range buckets {
		for i := range entries {
			t.view.add(&entries[i], 1<<k)
			t.extend(&entries[i])
		}
	}
	for c := range 256 {
		for k := range 4 {
			t.view.words[c] |= uint32(^t.view.bytes[k][c]) << (8 * k)
		}
	}
	t.index(slices.Concat(buckets...))
	return t
}

// extend notes how far the pattern of an entry extends whose bytes may all be the same.
func (t *short) extend(e *shortEntry) {
	first, either := byte(e.value), ^byte(e.mask)
	for _, c := range [...]byte{first, first | either} {
		if e.value == uint32(c)*ones32&e.mask {
			t.reach[c] = max(t.reach[c], e.reach)
		}
	}
}

// index sorts the entries in by the hashes of their first two bytes, into many more lists than there are entries.
func (t *short) index(entries []shortEntry) {
	lists := min(max(bits.Len(uint(len(entries)))+2, 4), 11)
	t.shift = uint(32 - lists)
	slices.SortStableFunc(entries, func(a, b shortEntry) int { return cmp.Compare(t.list(a.value), t.list(b.value)) })
	t.first = make([]uint32, 1<<lists+1)
	for i := range entries {
		t.first[t.list(entries[i].value)+1]++
	}
	for i := 1; i < len(t.first); i++ {
		t.first[i] += t.first[i-1]
	}
	t.entries = entries
}

// list returns the list for a word, by its first two bytes, folded.
func (t *short) list(w uint32) uint32 { return (w&0xffff | 0x2020) * mixLow >> (t.shift & 31) }

// add marks the bytes of e in the tables.
func (v *shortView) add(e *shortEntry, bucket uint8) {
	for k := range 4 {
		value, mask := byte(e.value>>(8*k)), byte(e.mask>>(8*k))
		for c := range 256 {
			if byte(c)&mask != value {
				continue
			}
			v.bytes[k][c] |= bucket
			v.nibbles[k][0][c&15] |= bucket
			v.nibbles[k][1][c>>4] |= bucket
		}
	}
}

func (t *short) size() int {
	return int(unsafe.Sizeof(*t)) + 4*len(t.first) + int(unsafe.Sizeof(shortEntry{}))*len(t.entries)
}

func (m *Matcher) scanShort(t *short, buf []byte, s *Scratch) {
	for at := 0; at < len(buf); at += hitsMax {
		n := m.kernel.scanShort(&t.view, buf[at:], min(len(buf)-at, hitsMax), &s.hits)
		m.verifyShorts(t, buf, at, s.hits[:n], s)
	}
}

func (m *Matcher) verifyShorts(t *short, buf []byte, base int, hits []uint32, s *Scratch) {
	skip := 0
	for _, hit := range hits {
		at := base + int(hit)
		if at < skip {
			continue
		}
		if at+4 > len(buf) {
			m.verifyShort(t, buf, at, s)
			continue
		}
		// Most of what passes by chance has an empty list.
		w := binary.LittleEndian.Uint32(buf[at:])
		if l := t.list(w); t.first[l] != t.first[l+1] {
			if !s.every && w == bits.RotateLeft32(w, 8) {
				skip = skipRun(buf, at, max(int(t.reach[byte(w)]), 4))
			}
			m.verifyList(t, l, w, buf, at, s)
		}
	}
}

// verifyShort compares the patterns whose bytes may stand at buf[at:].
func (m *Matcher) verifyShort(t *short, buf []byte, at int, s *Scratch) {
	w := wordAt(buf, at)
	m.verifyList(t, t.list(w), w, buf, at, s)
}

// verifyList compares the patterns of a list, which begin as the word w at buf[at:].
func (m *Matcher) verifyList(t *short, l, w uint32, buf []byte, at int, s *Scratch) {
	for i, end := t.first[l], t.first[l+1]; i < end; i++ {
		e := &t.entries[i]
		if w&e.mask != e.value || s.done(e.pattern) {
			continue
		}
		if e.size > 0 {
			if at+int(e.size) <= len(buf) {
				s.hit(e.pattern, at+int(e.size))
			}
			continue
		}
		near := at + int(e.delta)
		if uint(near) >= uint(len(buf)) || len(buf)-near < 4 || binary.LittleEndian.Uint32(buf[near:])|fold32 != e.near {
			continue
		}
		if from := at - int(e.offset); from >= 0 && m.patterns[e.pattern].at(buf[from:]) {
			s.hit(e.pattern, from+len(m.patterns[e.pattern].bytes))
		}
	}
}

// wordAt loads four bytes, zeros behind the end.
func wordAt(b []byte, at int) uint32 {
	if at+4 <= len(b) {
		return binary.LittleEndian.Uint32(b[at:])
	}
	var w [4]byte
	copy(w[:], b[at:])
	return binary.LittleEndian.Uint32(w[:])
}
