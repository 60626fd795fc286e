package prefilter

import (
	"cmp"
	"encoding/binary"
	"slices"
	"unsafe"
)

// short finds patterns by up to four of their bytes, each looked up in a table of the buckets (of eight) that may have it there.
type short struct {
	view    shortView
	first   [257]uint16 // of a byte: where the entries that may begin with it begin
	entries []shortEntry
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
	offset      uint32 // of the word in the pattern
}

func newShort(patterns []pattern, ids []uint32, r *rarity) *short {
	if len(ids) == 0 {
		return nil
	}
	entries := make([]shortEntry, len(ids))
	for i, id := range ids {
		p := &patterns[id]
		at := r.window(p.bytes, min(4, len(p.bytes)))
		value, mask := p.window(at)
		entries[i] = shortEntry{value, mask, id, uint32(at)}
	}
	// Neighbours share a bucket, so that its bytes differ little.
	slices.SortFunc(entries, func(a, b shortEntry) int {
		return cmp.Or(cmp.Compare(swapped(a.value), swapped(b.value)), cmp.Compare(a.pattern, b.pattern))
	})
	t := &short{}
	for i := range entries {
		t.view.add(&entries[i], 1<<(i*8/len(entries)))
	}
	for c := range 256 {
		for k := range 4 {
			t.view.words[c] |= uint32(^t.view.bytes[k][c]) << (8 * k)
		}
		t.first[c] = uint16(len(t.entries))
		for _, e := range entries {
			if uint32(c)&e.mask&0xff == e.value&0xff {
				t.entries = append(t.entries, e)
			}
		}
	}
	t.first[256] = uint16(len(t.entries))
	return t
}

func swapped(v uint32) uint32 { return v<<24 | v<<8&0xff0000 | v>>8&0xff00 | v>>24 }

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
	if t == nil {
		return 0
	}
	return int(unsafe.Sizeof(*t)) + int(unsafe.Sizeof(shortEntry{}))*len(t.entries)
}

func (m *Matcher) scanShort(buf []byte, s *Scratch) {
	for at := 0; at < len(buf); at += hitsMax {
		n := m.kernel.scanShort(&m.short.view, buf[at:], min(len(buf)-at, hitsMax), &s.hits)
		m.verifyShorts(buf, at, s.hits[:n], s)
	}
}

func (m *Matcher) verifyShorts(buf []byte, base int, hits []uint32, s *Scratch) {
	for _, hit := range hits {
		m.verifyShort(buf, base+int(hit), s)
	}
}

// verifyShort compares the patterns whose bytes may stand at buf[at:].
func (m *Matcher) verifyShort(buf []byte, at int, s *Scratch) {
	t := m.short
	w := wordAt(buf, at)
	for i, end := t.first[w&0xff], t.first[w&0xff+1]; i < end; i++ {
		e := &t.entries[i]
		if w&e.mask != e.value || s.done(e.pattern) {
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
