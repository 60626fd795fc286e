package prefilter

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// placed is the definition: which patterns stand at their places.
func placed(patterns []Placed, buf []byte, base int) (ids []uint32) {
	for i, p := range patterns {
		at := p.Offset - base
		if len(p.Bytes) == 0 || at < 0 || at > len(buf) {
			continue
		}
		b, s := buf[at:], p.Bytes
		if p.NoCase {
			b, s = lowered(b), lowered(s)
		}
		if bytes.HasPrefix(b, s) {
			ids = append(ids, uint32(i))
		}
	}
	return ids
}

func TestPlaces(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = "abAB\x00 @`"[r.IntN(8)]
		}
		return b
	}
	seen := 0
	for range 300 {
		buf := random(r.IntN(40))
		var patterns []Placed
		for range 1 + r.IntN(200) {
			p := Placed{Pattern{random(r.IntN(7)), r.IntN(2) == 0}, r.IntN(50)}
			if at := p.Offset; at < len(buf) && r.IntN(2) == 0 {
				p.Bytes = buf[at:min(at+1+r.IntN(12), len(buf))]
			}
			patterns = append(patterns, p)
		}
		x := BuildPlaces(patterns)
		for _, base := range []int{0, 1, 7} {
			part := buf[min(base, len(buf)):]
			got := x.Find(part, base, nil)
			slices.Sort(got)
			want := placed(patterns, part, base)
			if !slices.Equal(got, want) {
				t.Fatalf("in %q from %d found %v, want %v of %v", part, base, got, want, patterns)
			}
			seen += len(got)
		}
	}
	if seen < 1000 {
		t.Errorf("only %d found in all: the test compares nothing", seen)
	}
}

func FuzzPlaces(f *testing.F) {
	f.Add([]byte("\x03abc\x85Hello"), []byte("abcdHELLO"), 0)
	f.Add([]byte("\x01a\x02ab\x04abcd"), []byte("abcd"), 1)
	f.Fuzz(func(t *testing.T, set, buf []byte, base int) {
		base = int(uint16(base))
		var patterns []Placed
		for len(set) > 1 && len(patterns) < 64 {
			n := min(int(set[0]&0x1f), len(set)-2)
			patterns = append(patterns, Placed{Pattern{set[2 : 2+n], set[0]&0x80 != 0}, int(set[1])})
			set = set[2+n:]
		}
		got := BuildPlaces(patterns).Find(buf, base, nil)
		slices.Sort(got)
		if want := placed(patterns, buf, base); !slices.Equal(got, want) {
			t.Fatalf("in %q from %d found %v, want %v of %v", buf, base, got, want, patterns)
		}
	})
}
