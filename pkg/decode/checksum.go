package decode

import (
	"encoding/binary"
	"math/bits"
)

// sum adds b to an unfolded Internet checksum (RFC 1071), eight bytes at a time in the machine's favourite order: the
// one's complement sum does not depend on byte order until it is folded.
func sum(acc uint64, b []byte) uint64 {
	var carry uint64
	for len(b) >= 32 {
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b[8:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b[16:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b[24:]), carry)
		b = b[32:]
	}
	for len(b) >= 8 {
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b), carry)
		b = b[8:]
	}
	var tail [8]byte
	copy(tail[:], b)
	acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(tail[:]), carry)
	acc, carry = bits.Add64(acc, carry, 0)
	return acc + carry
}

// fold ends a sum: the checksum field's value, or 0 when the field was part of what was added and right.
func fold(acc uint64) uint16 {
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	return bits.ReverseBytes16(^uint16(acc))
}

// Checksum returns the Internet checksum of b, as it stands in a header whose checksum field is zero.
func Checksum(b []byte) uint16 { return fold(sum(0, b)) }

// ChecksumL4 returns the checksum of a TCP, UDP or ICMPv6 segment with its pseudo header, as it stands in a header whose
// checksum field is zero; with the field in place, 0 means right.
func ChecksumL4(src, dst Addr, proto uint8, segment []byte) uint16 {
	var pseudo [8]byte
	binary.BigEndian.PutUint32(pseudo[:], uint32(len(segment)))
	pseudo[7] = proto
	acc := sum(0, pseudo[:])
	if src.Is4() {
		acc = sum(sum(acc, src[12:]), dst[12:])
	} else {
		acc = sum(sum(acc, src[:]), dst[:])
	}
	return fold(sum(acc, segment))
}
