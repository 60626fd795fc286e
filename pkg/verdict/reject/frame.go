package reject

import "encoding/binary"

const (
	ethLen     = 14
	udpLen     = 8
	geneveLen  = 8
	genevePort = 6081
)

// Opened is a frame taken apart.
type Opened struct {
	head   []byte // all that precedes the packet
	outer  int    // offset of the outer IP header
	tunnel bool   // the packet is in GENEVE
	IP     []byte // the packet
}

// Open finds the IP packet in an Ethernet frame, with tunnel the one within GENEVE. False: there is none.
func Open(frame []byte, tunnel bool) (o Opened, ok bool) {
	at := ethLen
	for range 2 { // VLAN tags
		if len(frame) >= at && (binary.BigEndian.Uint16(frame[at-2:]) == 0x8100 || binary.BigEndian.Uint16(frame[at-2:]) == 0x88a8) {
			at += 4
		}
	}
	if len(frame) < at+ip4Len {
		return o, false
	}
	if t := binary.BigEndian.Uint16(frame[at-2:]); t != 0x0800 && t != 0x86dd {
		return o, false
	}
	o = Opened{head: frame[:at], outer: at, tunnel: tunnel, IP: frame[at:]}
	if !tunnel {
		return o, true
	}
	p, ok := parse(o.IP)
	if !ok || p.proto != protoUDP || len(p.b) < p.l4+udpLen+geneveLen || binary.BigEndian.Uint16(p.b[p.l4+2:]) != genevePort {
		return o, false
	}
	g := p.b[p.l4+udpLen:]
	size := geneveLen + int(g[0]&63)*4
	if t := binary.BigEndian.Uint16(g[2:]); t != 0x0800 && t != 0x86dd || len(g) <= size {
		return o, false
	}
	at += p.l4 + udpLen + size
	o.head, o.IP = frame[:at], frame[at:]
	return o, true
}

// Frame appends the answer to the packet in the frame, as a frame: with the frame's own tunnel around it, all options and ports
// as they came and the outer addresses exchanged, or without a tunnel addressed to the end's side of the wire. False: as Answer.
func (o *Opened) Frame(b []byte, end End) ([]byte, bool) {
	start := len(b)
	b = append(b, o.head...)
	answered, ok := Answer(b, o.IP, end, false)
	if !ok {
		return b[:start], false
	}
	f := answered[start:]
	if o.tunnel || end == Sender {
		for i := range 6 {
			f[i], f[6+i] = f[6+i], f[i]
		}
	}
	if o.tunnel {
		o.close(f)
	}
	return answered, true
}

// close makes the tunnel's headers right for what they carry now.
func (o *Opened) close(f []byte) {
	ip := f[o.outer:]
	p, _ := parse(ip) // as Open did
	src, dst := p.addrs()
	for i := range src {
		src[i], dst[i] = dst[i], src[i]
	}
	if p.six {
		binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-ip6Len))
	} else {
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
		ip[10], ip[11] = 0, 0
		putSum(ip[10:], sum(ip[:p.l4]))
	}
	udp := ip[p.l4:]
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	binary.BigEndian.PutUint16(udp[6:], 0)
	if p.six { // where 0 is only allowed by agreement (RFC 6935)
		putSum(udp[6:], p.pseudo(protoUDP, len(udp))+sum(udp))
	}
}
