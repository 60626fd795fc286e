package prefilter

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestKernelsPassTheSame compares what each kernel passes with the portable one, on views that pass much and little, and with
// buffers that end where the memory that may be read ends.
func TestKernelsPassTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var patterns []pattern
	var ids []uint32
	for i, p := range filler(700) {
		p.Bytes = append(p.Bytes, "0123456789ab"...)
		patterns = append(patterns, newPattern(p))
		ids = append(ids, uint32(i))
	}
	rare := newRarity(patterns)
	tiers := []tier{{longGram, longStride, ids}, {middleGram, middleStride, ids[:300]}, {pairedGram, pairedStride, ids[:20]}}
	var want, got Scratch
	for n := range 400 {
		buf := make([]byte, n)
		for i := range buf {
			buf[i] = "0123456789abcdefABCDEF\x80\xff\x00"[r.IntN(25)]
		}
		for _, tr := range tiers {
			if n < tr.gram {
				continue
			}
			g := newGrams(patterns, tr, rare)
			places := 1 + r.IntN((n-tr.gram)/4+1)
			wn := kernel{}.scanGrams(&g.view, buf, places, &want.hits)
			for _, k := range kernels() {
				gn := k.scanGrams(&g.view, buf, places, &got.hits)
				if !slices.Equal(want.hits[:wn], got.hits[:gn]) {
					t.Fatalf("%v: grams of %d at %d places of %q: %v, want %v", k.grams, tr.gram, places, buf, got.hits[:gn], want.hits[:wn])
				}
			}
		}
		if n == 0 {
			continue
		}
		sh := newShorts(patterns, ids[:2+n%40], rare)[0]
		places := 1 + r.IntN(n)
		wn := kernel{}.scanShort(&sh.view, buf, places, &want.hits)
		for _, k := range kernels() {
			gn := k.scanShort(&sh.view, buf, places, &got.hits)
			if !slices.IsSorted(got.hits[:gn]) || !includes(got.hits[:gn], want.hits[:wn]) {
				t.Fatalf("%v: %d places of %q: %v, want %v", k.short, places, buf, got.hits[:gn], want.hits[:wn])
			}
		}
	}
}

func includes(all, some []uint32) bool {
	for _, x := range some {
		if _, ok := slices.BinarySearch(all, x); !ok {
			return false
		}
	}
	return true
}

func TestChoosesAKernel(t *testing.T) {
	g, s := Kernels()
	t.Logf("grams %s, short %s", g, s)
	if k := best(); !k.grams.hasGrams() || !k.short.hasShort() {
		t.Errorf("chose %v and %v, which are not there", g, s)
	}
}

// BenchmarkKernels times the inner loops alone, on random bytes of which little passes.
func BenchmarkKernels(b *testing.B) {
	c := newCalibration()
	for _, size := range []int{64, 1456} {
		for _, i := range available() {
			k := kernel{i, i}
			if i.hasGrams() {
				b.Run(fmt.Sprintf("grams/%d/%v", size, i), func(b *testing.B) {
					b.SetBytes(int64(size))
					for b.Loop() {
						k.scanGrams(&c.grams.view, c.buf[:size], (size-8)/4+1, &c.scratch.hits)
					}
				})
			}
			if i.hasShort() {
				b.Run(fmt.Sprintf("short/%d/%v", size, i), func(b *testing.B) {
					b.SetBytes(int64(size))
					for b.Loop() {
						k.scanShort(&c.short.view, c.buf[:size], size, &c.scratch.hits)
					}
				})
			}
		}
	}
}
