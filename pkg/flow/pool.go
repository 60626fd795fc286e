package flow

import "math/bits"

// Buffers come in powers of two; the smallest holds a few requests, the largest more than the default depth.
const (
	minClass = 9
	maxClass = 23
)

// pool lends byte buffers and counts what is out. It keeps what comes back, so that a tracker in steady state allocates
// nothing; what is lent and what is kept are together no more than max.
type pool struct {
	free [maxClass + 1][][]byte
	out  uint64 // bytes lent
	kept uint64 // bytes in free
	max  uint64
}

// get returns a buffer of length 0 and capacity ≥ n, or nil when the memcap is reached or n is beyond reason.
func (p *pool) get(n int) []byte {
	class := max(minClass, bits.Len(uint(n-1)))
	if class > maxClass || p.out+1<<class > p.max {
		return nil
	}
	if b := p.take(class); b != nil {
		p.out += 1 << class
		return b
	}
	for other := maxClass; other >= minClass && p.out+p.kept+1<<class > p.max; {
		if p.take(other) == nil { // let go what other sizes have kept
			other--
		}
	}
	p.out += 1 << class
	return make([]byte, 0, 1<<class)
}

// take returns a kept buffer of a class, or nil.
func (p *pool) take(class int) []byte {
	n := len(p.free[class])
	if n == 0 {
		return nil
	}
	b := p.free[class][n-1]
	p.free[class][n-1] = nil
	p.free[class] = p.free[class][:n-1]
	p.kept -= 1 << class
	return b
}

// put takes back a buffer that get returned.
func (p *pool) put(b []byte) {
	if cap(b) == 0 {
		return
	}
	class := bits.Len(uint(cap(b) - 1))
	p.out -= 1 << class
	p.kept += 1 << class
	p.free[class] = append(p.free[class], b[:0])
}
