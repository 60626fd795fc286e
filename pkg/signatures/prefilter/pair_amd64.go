package prefilter

import "golang.org/x/sys/cpu"

// pairStep is how many places the vector kernel looks at in a step.
const pairStep = 32

func nextPair(p *Pair, buf []byte, from, last int) int {
	if steps := (last + 1 - from) / pairStep; steps > 0 && cpu.X86.HasAVX2 {
		n := pairAVX2(p, &buf[from], steps)
		if n < steps*pairStep {
			return from + n
		}
		from += n
	}
	return nextPairPortable(p, buf, from, last)
}

// pairAVX2 looks at steps times 32 places, and returns the first with both bytes, or how many there are.
//
//go:noescape
func pairAVX2(p *Pair, buf *byte, steps int) int
