package reject

import "encoding/binary"

const (
	protoICMP  = 1
	protoTCP   = 6
	protoUDP   = 17
	protoICMP6 = 58

	ip4Len = 20
	ip6Len = 40
	tcpLen = 20
)

// TCP flags.
const (
	fin = 1 << iota
	syn
	rst
	_
	ack
)

// packet is where the parts of an IP packet lie.
type packet struct {
	b     []byte // cut to the length that its header says
	six   bool
	proto uint8
	l4    int // offset of the transport header
}

// parse reads an IP packet's headers. False: it is malformed, a later fragment, or has headers that hide the transport.
func parse(b []byte) (p packet, ok bool) {
	if len(b) < ip4Len {
		return p, false
	}
	switch b[0] >> 4 {
	case 4:
		return parse4(b)
	case 6:
		return parse6(b)
	}
	return p, false
}

func parse4(b []byte) (p packet, ok bool) {
	head, size := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if head < ip4Len || size < head || len(b) < head || binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
		return p, false
	}
	return packet{b: b[:min(size, len(b))], proto: b[9], l4: head}, true
}

func parse6(b []byte) (p packet, ok bool) {
	if len(b) < ip6Len {
		return p, false
	}
	size := ip6Len + int(binary.BigEndian.Uint16(b[4:]))
	p = packet{b: b[:min(size, len(b))], six: true, proto: b[6], l4: ip6Len}
	for range 8 {
		if p.proto != 0 && p.proto != 43 && p.proto != 60 { // hop-by-hop, routing, destination options (RFC 8200)
			return p, p.proto != 44
		}
		if len(p.b) < p.l4+8 {
			return p, false
		}
		p.proto, p.l4 = p.b[p.l4], p.l4+8+8*int(p.b[p.l4+1])
	}
	return p, false
}

// addrs are the packet's source and destination.
func (p *packet) addrs() (src, dst []byte) {
	if p.six {
		return p.b[8:24], p.b[24:40]
	}
	return p.b[12:16], p.b[16:20]
}

// answerable reports whether an error about the packet may be sent at all (RFC 1122 §3.2.2, RFC 4443 §2.4): not about errors, and
// not where one packet would bring many.
func (p *packet) answerable() bool {
	src, dst := p.addrs()
	if many(src) || many(dst) || zero(src) {
		return false
	}
	t := p.b[min(p.l4, len(p.b)):]
	switch p.proto {
	case protoICMP:
		return len(t) >= 8 && (t[0] == 8 || t[0] == 13) // echo, timestamp
	case protoICMP6:
		return len(t) >= 8 && t[0] == 128
	case protoTCP:
		return len(t) >= tcpLen && int(t[12]>>4)*4 >= tcpLen && t[13]&rst == 0
	}
	return len(t) >= 8
}

// many reports whether an address is that of several hosts.
func many(a []byte) bool {
	if len(a) == 16 {
		return a[0] == 0xff
	}
	return a[0] >= 224
}

func zero(a []byte) bool {
	for _, x := range a {
		if x != 0 {
			return false
		}
	}
	return true
}
