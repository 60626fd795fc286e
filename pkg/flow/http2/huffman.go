package http2

import "sync"

// codeLengths are the lengths of the symbols' codes (RFC 7541 appendix B). The code is canonical: codes of one length
// follow one another in the order of their symbols, so that the lengths say everything. The end mark has 30 bits.
var codeLengths = [256]uint8{
	13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
	28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
	6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
	5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
	13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
	7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
	15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
	6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
	20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
	24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
	22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
	21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
	26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
	19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
	20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
	26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
}

const maxCode = 30

// canonical decodes by length: the first code of each length, how many there are, and their symbols.
type canonical struct {
	first  [maxCode + 1]uint32
	count  [maxCode + 1]int
	symbol [maxCode + 1][]byte
}

var code = sync.OnceValue(func() *canonical {
	c := &canonical{}
	for sym, n := range codeLengths {
		c.symbol[n] = append(c.symbol[n], byte(sym))
		c.count[n]++
	}
	next := uint32(0)
	for n := 1; n <= maxCode; n++ {
		next <<= 1
		c.first[n] = next
		next += uint32(c.count[n])
	}
	return c
})

// unhuffman decodes a string. The padding must be shorter than a byte and all ones.
func unhuffman(b []byte) ([]byte, error) {
	c := code()
	out := make([]byte, 0, len(b)*8/5)
	v, n := uint32(0), 0
	for _, x := range b {
		for bit := 7; bit >= 0; bit-- {
			v = v<<1 | uint32(x>>bit&1)
			if n++; n > maxCode {
				return nil, errHeader
			}
			if i := v - c.first[n]; v >= c.first[n] && i < uint32(c.count[n]) {
				out = append(out, c.symbol[n][i])
				v, n = 0, 0
			}
		}
	}
	if n > 7 || v != 1<<n-1 {
		return nil, errHeader
	}
	return out, nil
}
