package prefilter

import (
	"sync"
	"time"
)

// isa is a set of instructions that kernels are written for.
type isa uint8

const (
	portable isa = iota
	scalar       // amd64 without vectors
	avx2
	avx512 // F, BW, VL and VBMI
	neon
	numISAs
)

func (i isa) String() string {
	return [numISAs]string{"portable", "scalar", "avx2", "avx512", "neon"}[i]
}

// kernel says what the two inner loops run on.
//
// The gram kernel takes a view, the buffer from the first place on, and how many places (at most hitsMax, four bytes apart, each
// with a whole gram in the buffer). The short kernel's places are one byte apart. Both write the offsets of the places that
// pass into hits, ascending, and return how many.
type kernel struct{ grams, short isa }

// Kernels names the instruction sets that were chosen for this machine, for grams and for short patterns.
func Kernels() (grams, short string) {
	k := best()
	return k.grams.String(), k.short.String()
}

// best is the kernel for this machine: measured once, because features alone do not tell (gathers are slow on some).
var best = sync.OnceValue(func() kernel {
	c := newCalibration()
	var k kernel
	for _, i := range available() {
		if i.hasGrams() {
			k.grams = c.faster(k.grams, i, c.timeGrams)
		}
		if i.hasShort() {
			k.short = c.faster(k.short, i, c.timeShort)
		}
	}
	return k
})

// sizes are those of the buffers that kernels are timed on: most that are inspected are small.
var sizes = [...]int{20, 50, 64, 90, 150, 300, 1460}

// calibration is a small piece of work to time kernels with.
type calibration struct {
	grams   *grams
	short   *short
	buf     []byte
	scratch Scratch
}

func newCalibration() *calibration {
	c := &calibration{buf: make([]byte, 1460)}
	var all []pattern
	var ids []uint32
	x := uint32(1)
	next := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			x = x*1664525 + 1013904223
			b[i] = byte(x >> 24)
		}
		return b
	}
	for i := range 512 {
		all = append(all, newPattern(Pattern{Bytes: next(12)}))
		ids = append(ids, uint32(i))
	}
	copy(c.buf, next(len(c.buf)))
	r := newRarity(all)
	c.grams = newGrams(all, tier{longGram, longStride, ids}, r)
	c.short = newShorts(all, ids[:32], r)[0]
	return c
}

// faster returns which of two takes less time; b, the one with more to offer, must lose clearly.
func (c *calibration) faster(a, b isa, took func(isa) time.Duration) isa {
	if took(b) < took(a)*105/100 {
		return b
	}
	return a
}

func (c *calibration) timeGrams(i isa) time.Duration {
	k := kernel{grams: i}
	return shortest(func() {
		for _, n := range sizes {
			k.scanGrams(&c.grams.view, c.buf[:n], (n-8)/4+1, &c.scratch.hits)
		}
	})
}

func (c *calibration) timeShort(i isa) time.Duration {
	k := kernel{short: i}
	return shortest(func() {
		for _, n := range sizes {
			k.scanShort(&c.short.view, c.buf[:n], n, &c.scratch.hits)
		}
	})
}

func shortest(f func()) time.Duration {
	best := time.Hour
	for range 8 {
		begin := time.Now()
		for range 4 {
			f()
		}
		best = min(best, time.Since(begin))
	}
	return best
}
