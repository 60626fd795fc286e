package prefilter

import (
	"encoding/binary"
	"unsafe"
)

// pattern is a pattern ready to compare. fold has the bit that distinguishes the cases for each letter, and nothing for other
// bytes; it is nil when case matters. bytes is lower case when it is not.
type pattern struct {
	bytes []byte
	fold  []byte
}

const patternSize = int(unsafe.Sizeof(pattern{}))

func newPattern(p Pattern) pattern {
	if !p.NoCase {
		return pattern{bytes: p.Bytes}
	}
	// one piece of memory for both
	both := make([]byte, 2*len(p.Bytes))
	q := pattern{bytes: both[:len(p.Bytes):len(p.Bytes)], fold: both[len(p.Bytes):]}
	letters := false
	for i, c := range p.Bytes {
		if l := c | 0x20; 'a' <= l && l <= 'z' {
			c, q.fold[i], letters = l, 0x20, true
		}
		q.bytes[i] = c
	}
	if !letters {
		q.fold = nil
	}
	return q
}

// at reports whether b begins with the pattern.
func (p *pattern) at(b []byte) bool {
	n := len(p.bytes)
	if len(b) < n {
		return false
	}
	if p.fold == nil {
		return string(b[:n]) == string(p.bytes)
	}
	return equalFolded(b[:n], p.bytes, p.fold)
}

func equalFolded(b, want, fold []byte) bool {
	n := len(b)
	want, fold = want[:n], fold[:n]
	i := 0
	for ; i+8 <= n; i += 8 {
		if binary.LittleEndian.Uint64(b[i:])|binary.LittleEndian.Uint64(fold[i:]) != binary.LittleEndian.Uint64(want[i:]) {
			return false
		}
	}
	for ; i < n; i++ {
		if b[i]|fold[i] != want[i] {
			return false
		}
	}
	return true
}

// window returns up to four bytes of the pattern from at, as value and mask of a little-endian word: a buffer's word w fits
// if w&mask == value.
func (p *pattern) window(at int) (value, mask uint32) {
	for k := range min(4, len(p.bytes)-at) {
		m := byte(0xff)
		if p.fold != nil {
			m &^= p.fold[at+k]
		}
		value |= uint32(p.bytes[at+k]&m) << (8 * k)
		mask |= uint32(m) << (8 * k)
	}
	return value, mask
}
