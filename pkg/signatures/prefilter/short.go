package prefilter

import (
	"encoding/binary"
	"math/bits"
)

// shortTable finds patterns of one to four bytes by their first two.
type shortTable struct {
	single *[256][]uint32  // patterns of one byte, by it; nil without
	pairs  [1 << 10]uint64 // a bit for each pair of folded bytes that patterns begin with
	slots  []slot          // open addressing by pair
	shift  uint
	ids    []uint32
}

// slot is one pair with its patterns: ids[from:to].
type slot struct {
	pair     uint16
	from, to uint32
}

func newShortTable(patterns []pattern, ids []uint32) *shortTable {
	if len(ids) == 0 {
		return nil
	}
	t := &shortTable{}
	lists := map[uint16][]uint32{}
	for _, id := range ids {
		p := &patterns[id]
		if len(p.bytes) == 1 {
			if t.single == nil {
				t.single = new([256][]uint32)
			}
			c := p.bytes[0]
			t.single[c] = append(t.single[c], id)
			if p.noCase && 'a' <= c && c <= 'z' {
				t.single[c-32] = append(t.single[c-32], id)
			}
			continue
		}
		k := pair(p.bytes)
		t.pairs[k>>6] |= 1 << (k & 63)
		lists[k] = append(lists[k], id)
	}
	t.fill(lists)
	return t
}

func (t *shortTable) fill(lists map[uint16][]uint32) {
	n := bits.Len(uint(2*len(lists) + 1))
	t.slots, t.shift = make([]slot, 1<<n), uint(32-n)
	for k, l := range lists {
		i := t.place(k)
		t.slots[i] = slot{k, uint32(len(t.ids)), uint32(len(t.ids) + len(l))}
		t.ids = append(t.ids, l...)
	}
}

// place returns where a pair is, or would be.
func (t *shortTable) place(k uint16) uint32 {
	i := uint32(k) * 0x9e3779b1 >> t.shift
	for t.slots[i].to > t.slots[i].from && t.slots[i].pair != k {
		i = (i + 1) & uint32(len(t.slots)-1)
	}
	return i
}

func (t *shortTable) list(k uint16) []uint32 {
	s := t.slots[t.place(k)]
	return t.ids[s.from:s.to]
}

// pair is the first two bytes of b, folded.
func pair(b []byte) uint16 { return binary.LittleEndian.Uint16(b) | 0x2020 }

func (t *shortTable) size() int {
	if t == nil {
		return 0
	}
	return 8<<10 + 12*len(t.slots) + 4*len(t.ids)
}

func (m *Matcher) scanShort(buf []byte, s *Scratch, found []uint32) []uint32 {
	t := m.short
	for at := 0; at+2 <= len(buf); at++ {
		k := pair(buf[at:])
		if t.pairs[k>>6]&(1<<(k&63)) != 0 {
			found = m.verifyShort(t.list(k), buf[at:], s, found)
		}
	}
	if t.single != nil {
		for _, c := range buf {
			if l := t.single[c]; l != nil {
				found = m.verifyShort(l, []byte{c}, s, found)
			}
		}
	}
	return found
}

func (m *Matcher) verifyShort(ids []uint32, b []byte, s *Scratch, found []uint32) []uint32 {
	for _, id := range ids {
		if s.seen[id] != s.epoch && m.patterns[id].at(b) {
			s.seen[id] = s.epoch
			found = append(found, id)
		}
	}
	return found
}
