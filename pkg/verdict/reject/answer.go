package reject

import "encoding/binary"

// End is who is told.
type End uint8

// Ends of the conversation, as seen from the packet that is refused.
const (
	Sender   End = iota // in the name of the receiver
	Receiver            // in the name of the sender
)

// MaxLen is the longest answer: what every IPv6 link carries.
const MaxLen = 1280

// Answerable reports whether the IP packet may be answered.
func Answerable(ip []byte) bool {
	p, ok := parse(ip)
	return ok && p.answerable()
}

// Answer appends to b the packet that tells an end of the conversation that packet, an IP packet, was refused; delivered says that
// the receiver got it all the same. False: there is no answer to such a packet, and b is as before.
func Answer(b, ip []byte, end End, delivered bool) ([]byte, bool) {
	p, ok := parse(ip)
	if !ok || !p.answerable() {
		return b, false
	}
	if p.proto == protoTCP {
		return p.reset(b, end, delivered), true
	}
	return p.unreachable(b, end), true
}

// reset appends a TCP reset with the sequence number that the end expects next.
func (p *packet) reset(b []byte, end End, delivered bool) []byte {
	t := p.b[p.l4:]
	seq, acked := binary.BigEndian.Uint32(t[4:]), binary.BigEndian.Uint32(t[8:])
	next := seq + p.length(t)
	var h [tcpLen]byte
	h[12] = tcpLen / 4 << 4
	if end == Sender {
		copy(h[0:], t[2:4])
		copy(h[2:], t[0:2])
		binary.BigEndian.PutUint32(h[4:], acked) // zero without ACK, as it must be
		binary.BigEndian.PutUint32(h[8:], next)
		h[13] = rst | ack
	} else {
		copy(h[0:], t[0:4])
		if delivered {
			seq = next
		}
		binary.BigEndian.PutUint32(h[4:], seq)
		binary.BigEndian.PutUint32(h[8:], acked)
		h[13] = rst | t[13]&ack
	}
	b, l4 := p.header(b, end, protoTCP, tcpLen)
	b = append(b, h[:]...)
	putSum(b[l4+16:], p.pseudo(protoTCP, tcpLen)+sum(b[l4:]))
	return b
}

// length is what the segment adds to the sequence number.
func (p *packet) length(t []byte) uint32 {
	size := int(binary.BigEndian.Uint16(p.b[2:]))
	if p.six {
		size = ip6Len + int(binary.BigEndian.Uint16(p.b[4:]))
	}
	n := uint32(max(size-p.l4-int(t[12]>>4)*4, 0))
	if t[13]&syn != 0 {
		n++
	}
	if t[13]&fin != 0 {
		n++
	}
	return n
}

// unreachable appends an ICMP error. It quotes what the end has sent: to the sender its packet, to the receiver the head of a packet
// of its own in the same conversation, by which its stack finds the socket.
func (p *packet) unreachable(b []byte, end End) []byte {
	start := len(b)
	proto, head, limit := uint8(protoICMP), [8]byte{3, 13}, 576-ip4Len-8 // RFC 1812 §4.3.2.3
	if p.six {
		proto, head, limit = protoICMP6, [8]byte{1, 1}, MaxLen-ip6Len-8
	}
	if end == Receiver {
		limit = min(limit, p.l4+8)
	}
	quote := p.b[:min(limit, len(p.b))]
	b, l4 := p.header(b, end, proto, len(head)+len(quote))
	b = append(append(b, head[:]...), quote...)
	if end == Receiver {
		turn(b[l4+len(head):], p)
	}
	total := sum(b[l4:])
	if p.six {
		total += p.pseudo(proto, len(b)-l4)
	}
	putSum(b[l4+2:], total)
	return b[:max(len(b), start)]
}

// turn makes a packet's head one of the other direction. The checksums stay right.
func turn(b []byte, p *packet) {
	swap := func(at, n int) {
		for i := range n {
			b[at+i], b[at+n+i] = b[at+n+i], b[at+i]
		}
	}
	if p.six {
		swap(8, 16)
	} else {
		swap(12, 4)
	}
	if p.proto == protoUDP || p.proto == 132 {
		swap(p.l4, 2)
	}
}

// header appends an IP header for size bytes to end, and returns the offset of what follows it.
func (p *packet) header(b []byte, end End, proto uint8, size int) ([]byte, int) {
	src, dst := p.addrs()
	if end == Sender {
		src, dst = dst, src
	}
	if p.six {
		h := [8]byte{0x60, 6: proto, 7: 64}
		binary.BigEndian.PutUint16(h[4:], uint16(size))
		b = append(append(append(b, h[:]...), src...), dst...)
		return b, len(b)
	}
	start := len(b)
	h := [12]byte{0x45, 6: 0x40, 8: 64, 9: proto}
	binary.BigEndian.PutUint16(h[2:], uint16(ip4Len+size))
	b = append(append(append(b, h[:]...), src...), dst...)
	putSum(b[start+10:], sum(b[start:]))
	return b, len(b)
}

// pseudo is the sum of the pseudo header, the same for both directions.
func (p *packet) pseudo(proto uint8, size int) uint32 {
	src, dst := p.addrs()
	return sum(src) + sum(dst) + uint32(proto) + uint32(size)
}

// sum adds 16-bit words (RFC 1071); it fits 32 bits for all that fits a packet.
func sum(b []byte) (s uint32) {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func putSum(b []byte, s uint32) {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	binary.BigEndian.PutUint16(b, ^uint16(s))
}
