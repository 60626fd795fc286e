package decode

// PPP protocols (IANA) that carry IP, and the range of those that are known but carry none.
const (
	pppIPv4    = 0x0021
	pppVJUncom = 0x002f
	pppIPv6    = 0x0057
)

func (d *Decoder) ppp(p *Packet, b []byte) {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0x03 { // address and control (RFC 1662)
		b = b[2:]
	}
	d.pppProto(p, b)
}

func (d *Decoder) pppProto(p *Packet, b []byte) {
	if len(b) < 1 {
		p.fail(PPPPacketTooSmall)
		return
	}
	proto, b := uint16(b[0]), b[1:]
	if proto&1 == 0 { // not compressed to one byte (RFC 1661 §6.5)
		if len(b) < 1 {
			p.fail(PPPPacketTooSmall)
			return
		}
		proto, b = proto<<8|uint16(b[0]), b[1:]
	}
	if !p.deeper() {
		return
	}
	switch {
	case proto == pppIPv4 && len(b) < 20:
		p.fail(PPPIPv4PacketTooSmall)
	case proto == pppIPv4 && b[0]>>4 == 4:
		d.ipv4(p, b)
	case proto == pppVJUncom && len(b) < 40:
		p.fail(PPPVJUPacketTooSmall)
	case proto == pppVJUncom && b[0]>>4 == 4:
		d.ipv4(p, b)
	case proto == pppIPv6 && len(b) < 40:
		p.fail(PPPIPv6PacketTooSmall)
	case proto == pppIPv6:
		d.ipv6(p, b)
	case proto>>12 == 0x8 || proto>>12 == 0xc: // control protocols: they carry no traffic
	case pppKnown(proto):
		p.Events.Add(PPPUnsupportedProtocol)
	default:
		p.fail(PPPWrongType)
	}
}

// pppKnown reports whether proto is a network protocol that is not inspected.
func pppKnown(proto uint16) bool {
	switch proto {
	case 0x0023, 0x0025, 0x0027, 0x0029, 0x002b, 0x002d, 0x0031, 0x0033, 0x003d, 0x003f, 0x0041, 0x0043, 0x0045, 0x0047, 0x0049, 0x004b, 0x00fb, 0x00fd, 0x0201, 0x0203, 0x0231:
		return true
	}
	return false
}

// pppoeSession reads the session stage (RFC 2516): 6 bytes of header, then PPP without address and control.
func (d *Decoder) pppoeSession(p *Packet, b []byte) {
	if len(b) < 7 {
		p.fail(PPPoEPacketTooSmall)
		return
	}
	if b[1] != 0 {
		p.fail(PPPoEWrongCode)
		return
	}
	b = b[6:min(len(b), 6+max(1, int(be16(b[4:]))))]
	d.pppProto(p, b)
}

// pppoeDiscovery checks the discovery stage's code and tags.
func (p *Packet) pppoeDiscovery(b []byte) {
	if len(b) < 6 {
		p.fail(PPPoEPacketTooSmall)
		return
	}
	switch b[1] {
	case 0x07, 0x09, 0x19, 0x65, 0xa7:
	default:
		p.fail(PPPoEWrongCode)
		return
	}
	n := int(be16(b[4:]))
	b = b[6:]
	if n > len(b) {
		p.Events.Add(PPPoEMalformedTags)
		return
	}
	for b = b[:n]; len(b) > 0; {
		if len(b) < 4 || int(be16(b[2:])) > len(b)-4 {
			p.Events.Add(PPPoEMalformedTags)
			return
		}
		if be16(b) == 0 { // end of list
			return
		}
		b = b[4+int(be16(b[2:])):]
	}
}
