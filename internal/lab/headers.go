package lab

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

const (
	ethLen    = 14
	ipv4Len   = 20
	ipv6Len   = 40
	udpLen    = 8
	tcpLen    = 20
	icmpLen   = 8
	vxlanLen  = 8
	vxlanPort = 4789
)

// putEthernet writes an Ethernet header and returns what follows it in b.
func putEthernet(b []byte, dst, src [6]byte, etherType uint16) []byte {
	copy(b, dst[:])
	copy(b[6:], src[:])
	binary.BigEndian.PutUint16(b[12:], etherType)
	return b[ethLen:]
}

// ipHeader is what the lab sets in an IP header of either version.
type ipHeader struct {
	src, dst netip.Addr
	proto    uint8
	ttl      uint8
	id       uint16 // IPv4
}

func (h ipHeader) len() int {
	if h.src.Is4() {
		return ipv4Len
	}
	return ipv6Len
}

func (h ipHeader) etherType() uint16 {
	if h.src.Is4() {
		return unix.ETH_P_IP
	}
	return unix.ETH_P_IPV6
}

// put writes the header for size bytes of payload and returns what follows it in b.
func (h ipHeader) put(b []byte, size int) []byte {
	if h.src.Is4() {
		return h.put4(b, size)
	}
	b[0], b[1], b[2], b[3] = 6<<4, 0, 0, 0
	binary.BigEndian.PutUint16(b[4:], uint16(size))
	b[6], b[7] = h.proto, h.ttl
	src, dst := h.src.As16(), h.dst.As16()
	copy(b[8:], src[:])
	copy(b[24:], dst[:])
	return b[ipv6Len:]
}

func (h ipHeader) put4(b []byte, size int) []byte {
	b[0], b[1] = 4<<4|5, 0
	binary.BigEndian.PutUint16(b[2:], uint16(ipv4Len+size))
	binary.BigEndian.PutUint16(b[4:], h.id)
	binary.BigEndian.PutUint16(b[6:], 0x4000) // do not fragment
	b[8], b[9] = h.ttl, h.proto
	b[10], b[11] = 0, 0
	src, dst := h.src.As4(), h.dst.As4()
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	binary.BigEndian.PutUint16(b[10:], fold(sum(b[:ipv4Len])))
	return b[ipv4Len:]
}

// checksum is that of a transport segment with its pseudo header (RFC 9293 §3.1, RFC 8200 §8.1); its checksum field is 0.
func (h ipHeader) checksum(segment []byte) uint16 {
	src, dst := h.src.AsSlice(), h.dst.AsSlice()
	return fold(sum(src) + sum(dst) + uint64(h.proto) + uint64(len(segment)) + sum(segment))
}

// sum adds b up as 16-bit words (RFC 1071).
func sum(b []byte) (s uint64) {
	for len(b) >= 2 {
		s += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

func fold(s uint64) uint16 {
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return ^uint16(s)
}

// putUDP writes a UDP header without checksum, which IPv4 allows and RFC 8926 recommends for tunnels.
func putUDP(b []byte, sport, dport uint16, size int) []byte {
	binary.BigEndian.PutUint16(b, sport)
	binary.BigEndian.PutUint16(b[2:], dport)
	binary.BigEndian.PutUint16(b[4:], uint16(udpLen+size))
	b[6], b[7] = 0, 0
	return b[udpLen:]
}
