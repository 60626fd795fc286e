package flow

import "math/bits"

// Buffers come in powers of two; the smallest holds a few requests, the largest more than the default depth.
const (
	minClass = 9
	maxClass = 23
)

// pool lends byte buffers and counts what is out. It keeps what comes back, so that a tracker in steady state allocates
// nothing; what is kept is bounded by what was once out, which the memcap bounds.
type pool struct {
	free [maxClass + 1][][]byte
	out  uint64 // bytes lent
	max  uint64 // bytes that may be lent
}

// get returns a buffer of length 0 and capacity ≥ n, or nil when the memcap is reached or n is beyond reason.
func (p *pool) get(n int) []byte {
	class := max(minClass, bits.Len(uint(n-1)))
	if class > maxClass || p.out+1<<class > p.max {
		return nil
	}
	p.out += 1 << class
	if l := p.free[class]; len(l) > 0 {
		b := l[len(l)-1]
		p.free[class] = l[:len(l)-1]
		return b
	}
	return make([]byte, 0, 1<<class)
}

// put takes back a buffer that get returned.
func (p *pool) put(b []byte) {
	if cap(b) == 0 {
		return
	}
	class := bits.Len(uint(cap(b) - 1))
	p.out -= 1 << class
	p.free[class] = append(p.free[class], b[:0])
}
