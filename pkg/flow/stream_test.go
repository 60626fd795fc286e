package flow

import (
	"testing"
)

// naive is the model that stream.insert is held against: one value and one owner list a byte.
type naive struct {
	style OverlapStyle
	bytes map[uint64]byte
	segs  []segment
	base  uint64
}

func (n *naive) insert(limit uint64, at int64, data []byte) {
	start, end := at, at+int64(len(data))
	if start < int64(n.base) {
		start = int64(n.base)
	}
	end = min(end, int64(limit))
	if start >= end {
		return
	}
	fresh := segment{uint64(start), uint64(end)}
	for o := fresh.start; o < fresh.end; o++ {
		_, have := n.bytes[o]
		wins := !have
		for _, old := range n.segs {
			if old.start <= o && o < old.end && n.style.segment(old.start, old.end, fresh.start, fresh.end) {
				wins = true
			}
		}
		if wins {
			n.bytes[o] = data[int64(o)-at]
		}
	}
	n.segs = append(n.segs, fresh)
}

func (n *naive) slide(to uint64) {
	n.base = max(n.base, to)
	for o := range n.bytes {
		if o < n.base {
			delete(n.bytes, o)
		}
	}
}

// FuzzReassemble inserts segments in any order and overlap and compares every byte with the model.
func FuzzReassemble(f *testing.F) {
	f.Add(uint8(BSD), []byte{0, 10, 5, 10, 20, 4, 0, 30, 255, 8})
	f.Add(uint8(Linux), []byte{10, 10, 0, 40, 20, 4, 255, 15, 3, 9})
	f.Add(uint8(LastWins), []byte{8, 8, 8, 8, 0, 32, 255, 4})
	f.Add(uint8(Solaris), []byte{8, 8, 4, 8, 6, 32, 255, 4})
	f.Fuzz(func(t *testing.T, style uint8, ops []byte) {
		p := pool{max: 1 << 20}
		s := stream{style: OverlapStyle(style % uint8(LastWins+1))}
		m := naive{style: s.style, bytes: map[uint64]byte{}}
		const limit = 600
		fill := byte(0)
		for i := 0; i+1 < len(ops) && i < 200; i += 2 {
			if ops[i] == 255 {
				to := min(s.base+uint64(ops[i+1]), limit)
				s.slide(&p, to)
				m.slide(to)
				continue
			}
			data := make([]byte, int(ops[i+1]))
			for j := range data {
				fill++
				data[j] = fill
			}
			at := int64(ops[i])*2 - 20
			s.insert(&p, OverlapStyle.segment, limit, 10000, at, data)
			m.insert(limit, at, data)
			compare(t, &s, &m)
		}
		s.release(&p)
		if p.out != 0 {
			t.Fatalf("%d bytes not given back", p.out)
		}
	})
}

func compare(t *testing.T, s *stream, m *naive) {
	t.Helper()
	n := 0
	for i := range s.blocks {
		b := &s.blocks[i]
		if i > 0 && s.blocks[i-1].end() >= b.start {
			t.Fatalf("blocks %d and %d touch", i-1, i)
		}
		for o := max(b.start, s.base); o < b.end(); o++ {
			want, ok := m.bytes[o]
			if !ok || want != b.data[o-b.start] {
				t.Fatalf("style %d: byte %d is %d, want %d (%v)", s.style, o, b.data[o-b.start], want, ok)
			}
			n++
		}
	}
	if n != len(m.bytes) {
		t.Fatalf("%d bytes, want %d", n, len(m.bytes))
	}
}

// TestOverlapStyles holds each style against what its receiver keeps of an overlap: o for the older bytes, n for the newer.
func TestOverlapStyles(t *testing.T) {
	cases := []struct {
		name   string
		os, ns int64
		ol, nl int
	}{
		{"new begins before", 4, 0, 8, 8},
		{"same", 4, 4, 8, 8},
		{"new begins same, ends after", 4, 4, 8, 12},
		{"new begins after", 4, 8, 8, 8},
		{"new covers", 4, 0, 4, 12},
		{"new within", 4, 6, 8, 2},
	}
	want := map[OverlapStyle]string{ // newer byte wins in the case of the same place
		BSD: "nooono", Linux: "nonono", BSDRight: "onnnon", Solaris: "nonono", FirstWins: "oooooo", LastWins: "nnnnnn",
	}
	for style, w := range want {
		for i, c := range cases {
			p := pool{max: 1 << 20}
			s := stream{style: style}
			s.insert(&p, OverlapStyle.segment, 1000, 100, c.os, fillWith('o', c.ol))
			in := s.insert(&p, OverlapStyle.segment, 1000, 100, c.ns, fillWith('n', c.nl))
			at := uint64(max(c.os, c.ns))
			b := s.blockAt(at)
			if got := b.bytes(at)[0]; got != w[i] || !in.overlap || !in.different {
				t.Errorf("style %d, %s: kept %c, want %c (overlap %v, different %v)", style, c.name, got, w[i], in.overlap, in.different)
			}
		}
	}
}

func fillWith(b byte, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = b
	}
	return out
}

func TestPoolMemcap(t *testing.T) {
	p := pool{max: 1024}
	a, b := p.get(512), p.get(512)
	if a == nil || b == nil {
		t.Fatal("the pool refused what it has")
	}
	if p.get(1) != nil {
		t.Error("the pool lent more than its memcap")
	}
	p.put(a)
	if p.get(512) == nil {
		t.Error("the pool refused what it got back")
	}
	p.put(b)
	p.put(a)
	if c := p.get(1024); c == nil || p.out+p.kept > p.max {
		t.Errorf("other sizes: %d lent, %d kept, %d allowed", p.out, p.kept, p.max)
	}
}
