package inflate

import (
	"encoding/binary"
	"sync"
)

// maxBits is the longest code of DEFLATE.
const maxBits = 15

// source takes bits, least significant first, from bytes.
type source struct {
	data []byte
	bits uint64
	n    uint
}

// need makes at least n ≤ 32 bits available, or returns false.
func (s *source) need(n uint) bool {
	for s.n < n {
		if len(s.data) == 0 {
			return false
		}
		s.bits |= uint64(s.data[0]) << s.n
		s.data = s.data[1:]
		s.n += 8
	}
	return true
}

// fill makes at least 56 bits available where the input has eight bytes.
func (s *source) fill() {
	if s.n >= symbolBits || len(s.data) < 8 {
		return
	}
	s.bits |= binary.LittleEndian.Uint64(s.data) << s.n
	bytes := (63 - s.n) >> 3
	s.data = s.data[bytes:]
	s.n += bytes << 3
	s.bits &= 1<<s.n - 1
}

func (s *source) take(n uint) uint32 {
	v := uint32(s.bits & (1<<n - 1))
	s.bits >>= n
	s.n -= n
	return v
}

// left is how many bits there are.
func (s *source) left() uint { return s.n + uint(len(s.data))*8 }

// align drops the bits up to the next byte.
func (s *source) align() { s.take(s.n & 7) }

// huffman is a canonical code: how many codes of each length, and the symbols in order of their codes.
type huffman struct {
	count  [maxBits + 1]uint16
	symbol [288]uint16
	fast   [512]uint16 // by the next nine bits: symbol<<4 | length, or 0
}

const fastBits = 9

// build makes the code from the symbols' lengths (RFC 1951 §3.2.2). It returns false for an over-subscribed code, or an
// incomplete one of more than one symbol.
func (h *huffman) build(lens []uint8) bool {
	*h = huffman{}
	for _, l := range lens {
		h.count[l]++
	}
	used := len(lens) - int(h.count[0])
	h.count[0] = 0
	left := 1
	var offs, next [maxBits + 2]uint16
	code := uint16(0)
	for l := 1; l <= maxBits; l++ {
		left = left<<1 - int(h.count[l])
		if left < 0 {
			return false
		}
		next[l] = code
		offs[l+1] = offs[l] + h.count[l]
		code = (code + h.count[l]) << 1
	}
	for sym, l := range lens {
		if l == 0 {
			continue
		}
		h.symbol[offs[l]] = uint16(sym)
		offs[l]++
		h.addFast(uint16(sym), next[l], uint(l))
		next[l]++
	}
	return left == 0 || used <= 1
}

func (h *huffman) addFast(sym, code uint16, l uint) {
	if l > fastBits {
		return
	}
	var rev uint16
	for i := range l {
		rev |= code >> i & 1 << (l - 1 - i)
	}
	for i := rev; i < 1<<fastBits; i += 1 << l {
		h.fast[i] = sym<<4 | uint16(l)
	}
}

// decode reads one symbol. It returns false when bits are missing or no symbol has the code.
func (h *huffman) decode(s *source) (int, bool) {
	s.need(fastBits)
	if e := h.fast[s.bits&(1<<fastBits-1)]; e != 0 && uint(e&15) <= s.n {
		s.take(uint(e & 15))
		return int(e >> 4), true
	}
	return h.walk(s)
}

// walk is decode, bit by bit.
func (h *huffman) walk(s *source) (int, bool) {
	code, first, index := 0, 0, 0
	for l := 1; l <= maxBits; l++ {
		if !s.need(1) {
			return 0, false
		}
		code |= int(s.take(1))
		n := int(h.count[l])
		if code-n < first {
			return int(h.symbol[index+code-first]), true
		}
		index += n
		first = (first + n) << 1
		code <<= 1
	}
	return 0, false
}

// pop reads one symbol of a source with maxBits bits or more. noSymbol: none has the code.
func (h *huffman) pop(s *source) int {
	e := h.fast[s.bits&(1<<fastBits-1)]
	if e == 0 {
		return h.long(s)
	}
	s.bits >>= e & 15
	s.n -= uint(e & 15)
	return int(e >> 4)
}

// long is pop for the codes that the table has no room for.
func (h *huffman) long(s *source) int {
	if sym, ok := h.walk(s); ok {
		return sym
	}
	return noSymbol
}

const noSymbol = 1 << 12

// The codes of a fixed block (RFC 1951 §3.2.6).
var fixedCodes = sync.OnceValues(func() (*huffman, *huffman) {
	var lens [288]uint8
	for i := range lens {
		switch {
		case i < 144:
			lens[i] = 8
		case i < 256:
			lens[i] = 9
		case i < 280:
			lens[i] = 7
		default:
			lens[i] = 8
		}
	}
	lit, dist := new(huffman), new(huffman)
	lit.build(lens[:])
	var d [32]uint8
	for i := range d {
		d[i] = 5
	}
	dist.build(d[:])
	return lit, dist
})

// Lengths and distances of matches (RFC 1951 §3.2.5).
var (
	lengthBase  = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase    = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distExtra   = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	codeOrder   = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

// dynamic reads the codes of a dynamic block (RFC 1951 §3.2.7), step by step.
func (r *Reader) dynamic(s *source) bool {
	switch r.step {
	case stepDynamic:
		if !s.need(14) {
			return false
		}
		r.nlit, r.ndist, r.nclen = int(s.take(5))+257, int(s.take(5))+1, int(s.take(4))+4
		if r.nlit > 286 || r.ndist > 30 {
			return r.fail()
		}
		r.lens, r.nlens = [320]uint8{}, 0
		r.step = stepCodeLengths
	case stepCodeLengths:
		for ; r.nlens < r.nclen; r.nlens++ {
			if !s.need(3) {
				return false
			}
			r.lens[codeOrder[r.nlens]] = uint8(s.take(3))
		}
		if !r.codeLen.build(r.lens[:19]) {
			return r.fail()
		}
		r.lens, r.nlens = [320]uint8{}, 0
		r.step = stepLengths
	case stepLengths:
		return r.lengths(s)
	}
	return true
}

func (r *Reader) lengths(s *source) bool {
	total := r.nlit + r.ndist
	for r.nlens < total {
		saved := *s
		if ok, short := r.length(s, total); !ok {
			*s = saved
			if short && s.left() < 2*maxBits {
				return false
			}
			return r.fail()
		}
	}
	if r.lens[256] == 0 || !r.dynLit.build(r.lens[:r.nlit]) || !r.dynDist.build(r.lens[r.nlit:total]) {
		return r.fail()
	}
	r.lit, r.dist = &r.dynLit, &r.dynDist
	r.step = stepSymbols
	return true
}

// length reads one code length or one repetition. short says that bits may be missing.
func (r *Reader) length(s *source, total int) (ok, short bool) {
	sym, ok := r.codeLen.decode(s)
	if !ok {
		return false, true
	}
	if sym < 16 {
		r.lens[r.nlens] = uint8(sym)
		r.nlens++
		return true, false
	}
	repeat := [...]struct{ base, bits uint8 }{{3, 2}, {3, 3}, {11, 7}}[sym-16]
	var value uint8
	if sym == 16 {
		if r.nlens == 0 {
			return false, false
		}
		value = r.lens[r.nlens-1]
	}
	if !s.need(uint(repeat.bits)) {
		return false, true
	}
	n := int(repeat.base) + int(s.take(uint(repeat.bits)))
	if r.nlens+n > total {
		return false, false
	}
	for range n {
		r.lens[r.nlens] = value
		r.nlens++
	}
	return true, false
}
