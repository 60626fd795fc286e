package decode

func (d *Decoder) icmp4(p *Packet, b []byte) {
	if len(b) < 8 {
		p.fail(ICMPv4PacketTooSmall)
		return
	}
	p.icmpHeader(b)
	if d.Checksums && !p.cut {
		p.BadL4Checksum = fold(sum(0, b)) != 0
	}
	maxCode, known := icmp4Codes(p.ICMPType)
	switch {
	case !known:
		p.Events.Add(ICMPv4UnknownType)
		return
	case p.ICMPCode > maxCode && !(p.ICMPType == 9 && p.ICMPCode == 16):
		p.Events.Add(ICMPv4UnknownCode)
		return
	}
	if IsICMPError(p.IPVersion, p.ICMPType) {
		switch e := b[8:]; {
		case len(e) < 20:
			p.Events.Add(ICMPv4IPv4TruncatedPacket)
		case e[0]>>4 != 4:
			p.Events.Add(ICMPv4IPv4UnknownVersion)
		}
	}
}

func (p *Packet) icmpHeader(b []byte) {
	p.L4, p.Payload = b[:8:8], b[8:]
	p.ICMPType, p.ICMPCode = b[0], b[1]
	p.ICMPID, p.ICMPSeq = be16(b[4:]), be16(b[6:])
}

// IsICMPError reports whether an ICMP (ipVersion 4) or ICMPv6 type reports an error about the packet it quotes.
func IsICMPError(ipVersion, icmpType uint8) bool {
	if ipVersion == 6 {
		return icmpType >= 1 && icmpType <= 4
	}
	switch icmpType {
	case 3, 4, 5, 11, 12:
		return true
	}
	return false
}

// icmp4Codes returns the highest code of an ICMP type (IANA).
func icmp4Codes(t uint8) (code uint8, known bool) {
	switch t {
	case 0, 4, 8, 9, 10, 13, 14, 15, 16, 17, 18:
		return 0, true
	case 3:
		return 15, true
	case 5:
		return 3, true
	case 11:
		return 1, true
	case 12:
		return 2, true
	}
	return 0, false
}

func (d *Decoder) icmp6(p *Packet, b []byte) {
	if len(b) < 8 {
		p.fail(ICMPv6PacketTooSmall)
		return
	}
	p.icmpHeader(b)
	d.checkL4(p, b)
	p.icmp6Type()
	if IsICMPError(6, p.ICMPType) {
		switch e := b[8:]; {
		case len(e) < 40:
			p.Events.Add(ICMPv6IPv6TruncatedPacket)
		case e[0]>>4 != 6:
			p.Events.Add(ICMPv6IPv6UnknownVersion)
		}
	}
}

// icmp6Type checks type and code (IANA), and that multicast listener messages come from the link (RFC 2710 §3).
func (p *Packet) icmp6Type() {
	var maxCode uint8
	switch t := p.ICMPType; {
	case t == 1:
		maxCode = 6
	case t == 3:
		maxCode = 1
	case t == 4:
		maxCode = 2
	case t == 2, t == 128, t == 129, t >= 133 && t <= 137, t >= 144 && t <= 147:
	case t >= 130 && t <= 132, t == 143:
		if p.TTL != 1 {
			p.Events.Add(ICMPv6MLDMessageWithInvalidHopLimit)
		}
	case t >= 138 && t <= 142, t >= 148 && t <= 153:
		maxCode = 255
	case t == 100, t == 101, t == 200, t == 201:
		p.Events.Add(ICMPv6ExperimentationType)
		return
	case t > 4 && t < 127, t >= 160 && t < 255:
		p.Events.Add(ICMPv6UnassignedType)
		return
	default:
		p.Events.Add(ICMPv6UnknownType)
		return
	}
	if p.ICMPCode > maxCode {
		p.Events.Add(ICMPv6UnknownCode)
	}
}

// igmp checks length and form of an IGMP message (RFC 1112, RFC 2236, RFC 3376).
func (d *Decoder) igmp(p *Packet, b []byte) {
	if len(b) < 8 {
		p.fail(IGMPPacketTooSmall)
		return
	}
	p.L4, p.Payload = b[:8:8], b[8:]
	if d.Checksums && !p.cut {
		p.BadL4Checksum = fold(sum(0, b)) != 0
	}
	switch {
	case b[0] == 0x11 && len(b) > 8 && len(b) < 12:
		p.Events.Add(IGMPV3PacketTooSmall)
	case b[0] == 0x11 && len(b) >= 12 && len(b) < 12+4*int(be16(b[10:])):
		p.Events.Add(IGMPMalformed)
	case b[0] == 0x22:
		p.igmpReport(b)
	}
}

// igmpReport walks the group records of a version 3 report.
func (p *Packet) igmpReport(b []byte) {
	r := b[8:]
	for n := be16(b[6:]); n > 0; n-- {
		if len(r) < 8 || len(r) < 8+4*int(be16(r[2:]))+4*int(r[1]) {
			p.Events.Add(IGMPMalformed)
			return
		}
		r = r[8+4*int(be16(r[2:]))+4*int(r[1]):]
	}
}
