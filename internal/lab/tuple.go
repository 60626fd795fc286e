package lab

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// tuple identifies one direction of a flow as a load balancer does. Ports are 0 for what has none: other protocols, fragments.
type tuple struct {
	src, dst     [16]byte // IPv4 in the first four bytes
	sport, dport uint16
	proto        uint8
	version      uint8
}

// canonical is the same for both directions.
func (t tuple) canonical() tuple {
	c := bytes.Compare(t.src[:], t.dst[:])
	if c > 0 || c == 0 && t.sport > t.dport {
		t.src, t.dst, t.sport, t.dport = t.dst, t.src, t.dport, t.sport
	}
	return t
}

// parseIP reads the tuple of an IP packet. first: a TCP segment with SYN and no ACK. ok is false for what is no whole IP header.
func parseIP(p []byte) (t tuple, first, ok bool) {
	switch {
	case len(p) >= ipv4Len && p[0]>>4 == 4:
		return parseIPv4(p)
	case len(p) >= ipv6Len && p[0]>>4 == 6:
		return parseIPv6(p)
	}
	return t, false, false
}

func parseIPv4(p []byte) (t tuple, first, ok bool) {
	header := int(p[0]&0xf) * 4
	if header < ipv4Len || header > len(p) {
		return t, false, false
	}
	t.version, t.proto = 4, p[9]
	copy(t.src[:], p[12:16])
	copy(t.dst[:], p[16:20])
	if binary.BigEndian.Uint16(p[6:])&0x3fff == 0 { // not a fragment
		first = t.ports(p[header:])
	}
	return t, first, true
}

func parseIPv6(p []byte) (t tuple, first, ok bool) {
	t.version = 6
	copy(t.src[:], p[8:24])
	copy(t.dst[:], p[24:40])
	t.proto = p[6]
	rest := p[ipv6Len:]
	for range 8 {
		switch t.proto {
		case unix.IPPROTO_HOPOPTS, unix.IPPROTO_ROUTING, unix.IPPROTO_DSTOPTS:
			if len(rest) < 8 || len(rest) < 8+int(rest[1])*8 {
				return t, false, false
			}
			t.proto, rest = rest[0], rest[8+int(rest[1])*8:]
			continue
		case unix.IPPROTO_FRAGMENT:
			return t, false, true
		}
		break
	}
	return t, t.ports(rest), true
}

// ports reads the ports of TCP and UDP, and reports whether the segment asks for a connection.
func (t *tuple) ports(l4 []byte) (first bool) {
	if t.proto != unix.IPPROTO_TCP && t.proto != unix.IPPROTO_UDP || len(l4) < 4 {
		return false
	}
	t.sport, t.dport = binary.BigEndian.Uint16(l4), binary.BigEndian.Uint16(l4[2:])
	return t.proto == unix.IPPROTO_TCP && len(l4) >= tcpLen && l4[13]&0x12 == 0x02
}

// quotedBy is the packet that an ICMP error is about (RFC 792, RFC 4443), nil when p is none. Appliances in the field return such
// with the cookie of the flow that they are about.
func quotedBy(p []byte) []byte {
	switch {
	case len(p) > ipv4Len && p[0]>>4 == 4 && p[9] == unix.IPPROTO_ICMP:
		header := int(p[0]&0xf) * 4
		if header+icmpLen < len(p) && (p[header] == 3 || p[header] == 11 || p[header] == 12) {
			return p[header+icmpLen:]
		}
	case len(p) > ipv6Len+icmpLen && p[0]>>4 == 6 && p[6] == unix.IPPROTO_ICMPV6 && p[ipv6Len] < 128:
		return p[ipv6Len+icmpLen:]
	}
	return nil
}

// private reports whether the packet belongs to the link: link-local, multicast, loopback. A load balancer never sees those.
func (t tuple) private() bool {
	if t.version == 4 {
		return t.dst[0] >= 224 || t.dst[0] == 127 || t.dst[0] == 169 && t.dst[1] == 254
	}
	local := func(a [16]byte) bool { return a[0] == 0xfe && a[1]&0xc0 == 0x80 || a[0] == 0xff || a == [16]byte{} }
	return local(t.src) || local(t.dst)
}
