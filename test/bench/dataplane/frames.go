package dataplane

import (
	"encoding/binary"
	"net/netip"
)

// frame4 is a TCP SYN from src to a server.
func frame4(src string) []byte {
	b := []byte{
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00,
		0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 0, 0, 0, 0, 198, 51, 100, 7,
		0x0f, 0xa0, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0,
	}
	copy(b[26:], netip.MustParseAddr(src).AsSlice())
	return b
}

// frame6 is a UDP datagram between two IPv6 hosts.
func frame6() []byte {
	b := make([]byte, 14+40+8+8)
	copy(b, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 16, 17, 64})
	copy(b[22:], netip.MustParseAddr("2001:db8::1").AsSlice())
	copy(b[38:], netip.MustParseAddr("2001:db8::2").AsSlice())
	for i, v := range []uint16{4000, 53, 16} {
		binary.BigEndian.PutUint16(b[54+2*i:], v)
	}
	return b
}
