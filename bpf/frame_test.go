package bpf

import (
	"encoding/binary"
	"net/netip"
)

// What tests send: each function prepends its header to what it carries, so a frame reads as it lies on the wire:
// eth(0x0800, ip4("10.0.0.1", "10.0.0.2", protoTCP, tcp(1234, 80, 'S'))).

const (
	protoICMP  = 1
	protoTCP   = 6
	protoUDP   = 17
	protoICMP6 = 58
	ethIP4     = 0x0800
	ethIP6     = 0x86dd
)

func be16(v int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(v)) }
func be32(v int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(v)) }

func join(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func eth(etherType int, payload []byte) []byte {
	b := join([]byte{2, 0, 0, 0, 0, 0xdd}, []byte{2, 0, 0, 0, 0, 0x55}, be16(etherType), payload)
	if len(b) < 60 {
		b = append(b, make([]byte, 60-len(b))...) // Ethernet's minimum, as a NIC pads
	}
	return b
}

// vlan is what follows a type of 0x8100 or 0x88a8.
func vlan(id, etherType int, payload []byte) []byte { return join(be16(id), be16(etherType), payload) }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func ip4(src, dst string, proto int, payload []byte) []byte {
	return ip4frag(src, dst, proto, 0, payload)
}

func ip4frag(src, dst string, proto, frag int, payload []byte) []byte {
	return join([]byte{0x45, 0}, be16(20+len(payload)), be16(7), be16(frag), []byte{64, byte(proto), 0, 0},
		addr(src).AsSlice(), addr(dst).AsSlice(), payload)
}

func ip6(src, dst string, next int, payload []byte) []byte {
	return join([]byte{0x60, 0, 0, 0}, be16(len(payload)), []byte{byte(next), 64}, addr(src).AsSlice(), addr(dst).AsSlice(), payload)
}

// ext6 is an IPv6 extension header of 8 bytes.
func ext6(next int, payload []byte) []byte {
	return join([]byte{byte(next), 0, 1, 4, 0, 0, 0, 0}, payload)
}

func frag6(next, offset int, more bool, payload []byte) []byte {
	field := offset &^ 7
	if more {
		field |= 1
	}
	return join([]byte{byte(next), 0}, be16(field), be32(99), payload)
}

// tcp has the flags named by their first letters.
func tcp(sport, dport int, flags string) []byte {
	var f byte
	for _, c := range flags {
		f |= map[rune]byte{'F': 1, 'S': 2, 'R': 4, 'P': 8, 'A': 16, 'U': 32}[c]
	}
	return join(be16(sport), be16(dport), be32(1), be32(2), []byte{5 << 4, f}, be16(1000), be16(0), be16(0))
}

func udp(sport, dport int, payload []byte) []byte {
	return join(be16(sport), be16(dport), be16(8+len(payload)), be16(0), payload)
}

func icmp(typ, code int) []byte { return []byte{byte(typ), byte(code), 0, 0, 0, 0, 0, 1} }

const endpoint = 0x0123456789abcdef

// awsOptions are the three options a GWLB sends, 32 bytes.
func awsOptions() []byte {
	return join([]byte{1, 8, 1, 2}, binary.BigEndian.AppendUint64(nil, endpoint),
		[]byte{1, 8, 2, 2}, make([]byte, 8), []byte{1, 8, 3, 1}, be32(0x00c0ffee))
}

func geneve(options []byte, etherType int, payload []byte) []byte {
	return udp(40000, 6081, join([]byte{byte(len(options) / 4), 0}, be16(etherType), be32(0), options, payload))
}

func vxlan(vni int, payload []byte) []byte {
	return udp(40000, 4789, join([]byte{8, 0, 0, 0}, be32(vni<<8), payload))
}

// gwlb wraps an IP packet as a Gateway Load Balancer does.
func gwlb(packet []byte) []byte {
	etherType := ethIP4
	if packet[0]>>4 == 6 {
		etherType = ethIP6
	}
	return eth(ethIP4, ip4("10.9.0.1", "10.9.0.2", protoUDP, geneve(awsOptions(), etherType, packet)))
}
