//go:build !amd64

package prefilter

func nextPair(p *Pair, buf []byte, from, last int) int { return nextPairPortable(p, buf, from, last) }
