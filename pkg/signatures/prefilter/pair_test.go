package prefilter

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestPair compares with the definition, and the vector kernel with plain Go, in buffers that nearly hold the pattern in many places.
func TestPair(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	random := func(n int, from string) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = from[r.IntN(len(from))]
		}
		return b
	}
	found := 0
	for range 20000 {
		letters := []string{"ab", "aAbB.", "aaaaaaaaab", "@`[{kK"}[r.IntN(4)]
		buf := random(r.IntN(200), letters)
		p := Pattern{random(1+r.IntN(9), letters), r.IntN(2) == 0}
		found += checkPair(t, p, buf)
	}
	if found < 1000 {
		t.Errorf("%d found: the test compares nothing", found)
	}
}

func checkPair(t *testing.T, p Pattern, buf []byte) (found int) {
	b, s := buf, p.Bytes
	if p.NoCase {
		b, s = lowered(buf), lowered(p.Bytes)
	}
	x := NewPair(p)
	last := len(buf) - len(p.Bytes)
	for from := 0; from <= last; from++ {
		at := x.Next(buf, from, last)
		if want := nextPairPortable(&x, buf, from, last); at != want {
			t.Fatalf("pair of %q (nocase %v) in %q from %d: %d, in plain Go %d", p.Bytes, p.NoCase, buf, from, at, want)
		}
		if want := bytes.Index(b[from:], s); want >= 0 && from+want < at {
			t.Fatalf("pair of %q (nocase %v) in %q from %d: %d, but it is at %d", p.Bytes, p.NoCase, buf, from, at, from+want)
		}
		if at == from {
			found++
		}
	}
	return found
}

func FuzzPair(f *testing.F) {
	f.Add([]byte("b"), []byte("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"), false)
	f.Add([]byte("K@"), []byte("kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk`kK@"), true)
	f.Fuzz(func(t *testing.T, p, buf []byte, nocase bool) {
		if len(p) > 0 && len(p) < 256 && len(buf) < 4096 {
			checkPair(t, Pattern{p, nocase}, buf)
		}
	})
}
