package inflate

import (
	"encoding/binary"
	"slices"
)

const (
	maxMatch   = 258
	symbolBits = 48 // at most of one match: two codes of 15 bits with 5 and 13 extra ones
	windowFull = 2 * windowSize
)

// symbols decodes literals and matches until the block ends, input lacks, or a window is full.
func (r *Reader) symbols(s *source) bool {
	for {
		r.run(s)
		if len(r.window) >= windowFull {
			return true
		}
		saved := *s
		sym, ok := r.lit.decode(s)
		if !ok {
			*s = saved
			return s.left() >= maxBits && r.fail()
		}
		switch {
		case sym < 256:
			r.window = append(r.window, byte(sym))
			continue
		case sym == 256:
			r.step = stepBlock
			return true
		case sym > 285:
			return r.fail()
		}
		if !r.match(s, sym-257) {
			*s = saved
			return s.left() >= symbolBits && r.fail()
		}
		if r.copyDist > len(r.window) {
			return r.fail()
		}
		r.window = appendMatch(r.roomy(), r.copyDist, r.copyLen)
	}
}

// run decodes while each symbol's bits are certainly there. It stops before what is left to symbols: the last bytes of the input,
// the block's end, and what is wrong.
func (r *Reader) run(s *source) {
	w := r.roomy()
	for len(w) < windowFull && (s.n >= symbolBits || len(s.data) >= 8) {
		s.fill()
		saved := *s
		sym := r.lit.pop(s)
		if sym < 256 {
			w = append(w, byte(sym))
			if cap(w)-len(w) < roomy {
				r.window = w
				w = r.roomy()
			}
			continue
		}
		i := sym - 257
		if i < 0 || i >= len(lengthBase) {
			*s = saved
			break
		}
		n := int(lengthBase[i]) + int(s.take(uint(lengthExtra[i])))
		d := r.dist.pop(s)
		if d >= len(distBase) {
			*s = saved
			break
		}
		dist := int(distBase[d]) + int(s.take(uint(distExtra[d])))
		if dist > len(w) {
			*s = saved
			break
		}
		r.window = appendMatch(w, dist, n)
		w = r.roomy()
	}
	r.window = w
}

// match reads what follows a length symbol: extra bits, distance symbol, its extra bits.
func (r *Reader) match(s *source, i int) bool {
	if !s.need(uint(lengthExtra[i])) {
		return false
	}
	r.copyLen = int(lengthBase[i]) + int(s.take(uint(lengthExtra[i])))
	d, ok := r.dist.decode(s)
	if !ok || d > 29 || !s.need(uint(distExtra[d])) {
		return false
	}
	r.copyDist = int(distBase[d]) + int(s.take(uint(distExtra[d])))
	return true
}

// roomy is what appendMatch wants behind the window: a match, written in whole words.
const roomy = maxMatch + 8

// roomy returns the window with that much room.
func (r *Reader) roomy() []byte {
	if cap(r.window)-len(r.window) < roomy {
		r.window = slices.Grow(r.window, min(max(len(r.window), 4096), windowSize)+roomy)
	}
	return r.window
}

// appendMatch appends n bytes from dist bytes before the end, which may overlap what is appended. w has room for n+8 bytes.
func appendMatch(w []byte, dist, n int) []byte {
	to := len(w)
	from := to - dist
	w = w[:to+n+8]
	if dist >= 8 {
		for i := 0; i < n; i += 8 {
			binary.LittleEndian.PutUint64(w[to+i:], binary.LittleEndian.Uint64(w[from+i:]))
		}
	} else {
		for i := range n {
			w[to+i] = w[from+i]
		}
	}
	return w[:to+n]
}
