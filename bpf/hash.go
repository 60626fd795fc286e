package bpf

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// The mirror of src/hash.h. Words are addresses' bytes as a little-endian machine loads them.

func mix(h, word uint64) uint64 {
	h = (h ^ word) * 0x9fb21c651e98df25
	return h ^ h>>32
}

func finish(h uint64) uint64 {
	h *= 0xd6e8feb86659fd93
	return h ^ h>>32
}

func word(a *[16]byte, i int) uint64 { return binary.LittleEndian.Uint64(a[8*i:]) }

// NewTuple puts the ends of a conversation in order; swapped reports that src became B. Ports are 0 unless TCP, UDP or SCTP.
func NewTuple(tenant uint64, src, dst [16]byte, sport, dport uint16, proto uint8) (t Tuple, swapped bool) {
	c := bytes.Compare(src[:], dst[:])
	if c > 0 || c == 0 && sport > dport {
		return Tuple{A: dst, B: src, Tenant: tenant, APort: dport, BPort: sport, Proto: proto}, true
	}
	return Tuple{A: src, B: dst, Tenant: tenant, APort: sport, BPort: dport, Proto: proto}, false
}

// Hash is the tuple's keyed hash: low bits choose the bucket, the high 32 are the tag.
func (t *Tuple) Hash(seed uint64) uint64 {
	return t.hash(seed, uint64(t.APort)<<32|uint64(t.BPort)<<16|uint64(t.Proto))
}

func (t *Tuple) hash(seed, ports uint64) uint64 {
	x := mix(mix(seed^t.Tenant, word(&t.A, 0)), word(&t.A, 1))
	y := mix(mix(^seed^ports, word(&t.B, 0)), word(&t.B, 1))
	return finish(mix(x, y))
}

// Shard is the capture ring, of n, that the conversation's packets go to: by tenant and addresses alone, so that fragments, which have no
// ports, and connections that the conversation announces go with it.
func (t *Tuple) Shard(seed uint64, n int) int {
	return int((t.hash(seed, 0) >> 32) * uint64(n) >> 32)
}

// HashAddr is an address's keyed hash, which places it among dests and good.
func HashAddr(seed uint64, addr [16]byte) uint64 {
	return finish(mix(^seed, word(&addr, 0)) ^ mix(seed, word(&addr, 1)))
}

// SourceKey is where a source verdict's cell belongs: its bucket is hash & mask, or one of the Probes-1 after it. plen is
// 128, or 64 for an IPv6 network whose addr ends in zeros.
func SourceKey(seed uint64, addr [16]byte, plen uint8) (hash uint64, tag uint32) {
	switch {
	case is4(&addr):
		return finish(mix(seed, word(&addr, 1))), binary.LittleEndian.Uint32(addr[12:])
	case plen == 64:
		hash = finish(mix(seed, word(&addr, 0)))
	default:
		hash = HashAddr(seed, addr)
	}
	return hash, uint32(hash >> 32)
}

func is4(a *[16]byte) bool { return word(a, 0) == 0 && binary.LittleEndian.Uint32(a[8:]) == 0xffff0000 }

// GoodBits is the entry of good, and the bits in it, that say an address completed a handshake. IPv6 counts by /64.
func GoodBits(seed uint64, addr [16]byte) (i int, mask uint64) {
	if !is4(&addr) {
		clear(addr[8:])
	}
	h := HashAddr(seed, addr)
	return int(h & (GoodWords - 1)), 1<<(h>>32&63) | 1<<(h>>38&63) | 1<<(h>>44&63)
}

// Coarse4 and Coarse6 are the word of Coarse, and the bit in it, for an address's /16 or /32.
func Coarse4(addr [16]byte) (i int, mask uint64) {
	return int(addr[12])<<2 | int(addr[13]>>6), 1 << (addr[13] & 63)
}

// Coarse6 see Coarse4.
func Coarse6(addr [16]byte) (i int, mask uint64) {
	h := binary.LittleEndian.Uint32(addr[:]) * 0x9e3779b1 >> 16
	return int(h >> 6), 1 << (h & 63)
}

// Presence6Cell is the cell of the hashed part of presence6 for addr's /48.
func Presence6Cell(seed uint64, addr [16]byte) int {
	return int(finish(mix(seed, word(&addr, 0)&(1<<48-1))) & (Presence6Words*32 - 1))
}

// Shorter6 is the bit of Control.Shorter6 for an IPv6 address.
func Shorter6(addr [16]byte) uint64 { return 1 << (addr[0] >> 2) }

// Presence4Cell is the cell of presence4 for an IPv4 address's /24.
func Presence4Cell(addr [16]byte) int {
	return int(bits.ReverseBytes32(binary.LittleEndian.Uint32(addr[12:])) >> 8)
}
