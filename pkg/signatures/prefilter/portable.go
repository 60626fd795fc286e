package prefilter

import (
	"encoding/binary"
	"unsafe"
)

// gramsFrom is the gram kernel in plain Go. It looks at places from..places-1, four bytes apart, and writes those that pass
// behind the n hits there are. It defines what other kernels must find; they may pass more at the last places of a buffer.
func gramsFrom(v *gramView, buf []byte, from, places int, hits *[hitsMax + slack]uint32, n int) int {
	shift, low, high := v.shift&31, v.low, v.high
	filter := unsafe.Slice(v.filter, 1<<(32-shift))
	at := 4 * from
	for end := min(4*places, len(buf)-7); at < end; at += 4 {
		gram := binary.LittleEndian.Uint64(buf[at:]) | fold64
		h := uint32(gram)&low*mixLow + uint32(gram>>32)&high*mixHigh
		if w := filter[h>>shift]; w>>(h&31)&(w>>(h>>5&31))&1 != 0 {
			hits[n] = uint32(at)
			n++
		}
	}
	for ; at < 4*places; at += 4 {
		h := v.hash(gramAt(buf, at))
		if b := filterBits(h); filter[h>>shift]&b == b {
			hits[n] = uint32(at)
			n++
		}
	}
	return n
}

// shortFrom is the byte table kernel in plain Go: it looks at places from..places-1, as gramsFrom. A word holds for each
// bucket and place of the four whether a byte until here did not fit; it moves on by one place with each byte.
func shortFrom(v *shortView, buf []byte, from, places int, hits *[hitsMax + slack]uint32, n int) int {
	state := uint32(1<<32 - 1)
	at := from - 3
	for _, c := range buf[from:min(places+3, len(buf))] {
		state = state<<8 | v.words[c]
		if state < 0xff<<24 {
			hits[n&(hitsMax-1)] = uint32(at)
			n++
		}
		at++
	}
	for ; at < places; at++ { // as if zeros followed
		state = state<<8 | v.words[0]
		if state < 0xff<<24 && at >= from {
			hits[n&(hitsMax-1)] = uint32(at)
			n++
		}
	}
	return n
}
