package decode

func (d *Decoder) ipv4(p *Packet, b []byte) {
	if len(b) < 20 {
		p.fail(IPv4PacketTooSmall)
		return
	}
	if b[0]>>4 != 4 {
		p.fail(IPv4WrongIPVersion)
		return
	}
	hlen, total := int(b[0]&0xf)*4, int(be16(b[2:]))
	switch {
	case hlen < 20:
		p.fail(IPv4HeaderLengthTooSmall)
		return
	case total < hlen:
		p.fail(IPv4LengthSmallerThanHeaderLength)
		return
	case total > len(b):
		p.Events.Add(IPv4TruncatedPacket)
		if !p.readCut(d) || hlen > len(b) {
			p.Invalid = true
			return
		}
		total = len(b)
		p.cut = true
	}
	p.IPVersion, p.IPOffset = 4, cap(p.Data)-cap(b)
	p.IPHeader, p.IPPayload = b[:hlen:hlen], b[hlen:total:total]
	p.Src, p.Dst = mapped(b[12:]), mapped(b[16:])
	p.TOS, p.TTL, p.Proto = b[1], b[8], b[9]
	p.IPID = uint32(be16(b[4:]))
	off := be16(b[6:])
	p.IPFlags, p.FragOff = uint8(off>>13), off<<3
	p.Fragment = off&0x3fff != 0
	if hlen > 20 {
		p.ipv4Options(b[20:hlen])
	}
	if d.Checksums && fold(sum(0, p.IPHeader)) != 0 {
		p.BadIPChecksum = true
	}
	if !p.Fragment {
		d.transport(p, p.IPPayload)
	}
}

// readCut reports whether a packet that is shorter than its header says shall be read: the capture cut it, not its sender.
func (p *Packet) readCut(d *Decoder) bool { return d.Cut && p.WireLen > len(p.Data) }

func mapped(b []byte) (a Addr) {
	a[10], a[11] = 0xff, 0xff
	copy(a[12:], b[:4])
	return a
}

// transport reads what p.Proto describes. b is the IP payload.
func (d *Decoder) transport(p *Packet, b []byte) {
	switch p.Proto {
	case ProtoTCP:
		d.tcp(p, b)
	case ProtoUDP:
		d.udp(p, b)
	case ProtoICMP:
		if p.IPVersion == 6 {
			p.Events.Add(IPv6ICMPv4)
			return
		}
		d.icmp4(p, b)
	case ProtoICMPv6:
		if p.IPVersion == 4 {
			p.Events.Add(IPv4ICMPv6)
			return
		}
		d.icmp6(p, b)
	case ProtoGRE:
		d.gre(p, b)
	case ProtoSCTP:
		p.sctp(b)
	case ProtoESP:
		if len(b) >= 8 {
			p.L4, p.Payload = b[:8:8], b[8:]
		}
	case ProtoIGMP:
		d.igmp(p, b)
	case ProtoIPIP:
		p.ip4in(b)
	case ProtoIPv6:
		p.ip6in(b)
	default:
		p.Payload = b
		if p.IPVersion == 4 {
			p.Events.Add(IPv4UnknownProtocol)
		} else {
			p.Events.Add(IPv6UnknownNextHeader)
		}
	}
}

// IPv4 option types (IANA).
const (
	optEOL    = 0
	optNOP    = 1
	optRR     = 7
	optQS     = 25
	optTS     = 68
	optSEC    = 130
	optLSRR   = 131
	optESEC   = 133
	optCIPSO  = 134
	optSID    = 136
	optSSRR   = 137
	optRTRALT = 148
)

func (p *Packet) ipv4Options(o []byte) {
	if len(o)%8 != 0 {
		p.Events.Add(IPv4OptionPadRequired)
	}
	var seen [4]uint64
	for len(o) > 0 {
		kind := o[0]
		if kind == optEOL {
			return
		}
		if kind == optNOP {
			o = o[1:]
			continue
		}
		if len(o) < 2 {
			p.Events.Add(IPv4OptionInvalid)
			return
		}
		n := int(o[1])
		if n < 2 || n > len(o) {
			p.badOption()
			return
		}
		if seen[kind>>6]&(1<<(kind&63)) != 0 {
			p.Events.Add(IPv4OptionDuplicate)
		}
		seen[kind>>6] |= 1 << (kind & 63)
		p.ipv4Option(kind, o[:n])
		o = o[n:]
	}
}

// ipv4Option checks one option; o includes type and length.
func (p *Packet) ipv4Option(kind byte, o []byte) {
	n := len(o)
	bad := false
	switch kind {
	case optRR, optLSRR, optSSRR: // type, length, pointer, addresses (RFC 791)
		if n < 3 {
			bad = true
		} else if o[2] < 4 || o[2]%4 != 0 || int(o[2]) > n+1 {
			p.Events.Add(IPv4OptionMalformed)
		}
	case optTS:
		if n < 5 {
			bad = true
		} else if o[2] < 5 || int(o[2]) > n+1 || o[3]&0xf != 0 && o[3]&0xf != 1 && o[3]&0xf != 3 {
			p.Events.Add(IPv4OptionMalformed)
		}
	case optQS:
		bad = n != 8
	case optSEC:
		bad = n != 11 && n < 3
	case optESEC:
		bad = n < 3
	case optSID, optRTRALT:
		bad = n != 4
	case optCIPSO:
		if n < 8 {
			bad = true
		} else {
			p.cipso(o[6:])
		}
	default:
		p.Events.Add(IPv4OptionUnknown)
	}
	if bad {
		p.badOption()
	}
}

// badOption notes an option of a length that cannot be.
func (p *Packet) badOption() {
	p.Events.Add(IPv4OptionInvalidLength)
	p.BadOptions++
}

// cipso checks the tags of a commercial security option (FIPS 188).
func (p *Packet) cipso(tags []byte) {
	for len(tags) > 0 {
		if len(tags) < 2 || int(tags[1]) < 2 || int(tags[1]) > len(tags) {
			p.Events.Add(IPv4OptionMalformed)
			return
		}
		switch tags[0] {
		case 1, 2, 5, 6, 7:
		default:
			p.Events.Add(IPv4OptionMalformed)
			return
		}
		tags = tags[tags[1]:]
	}
}
