package decode

// GRE flags (RFC 1701, RFC 2637).
const (
	greChecksum = 0x8000
	greRouting  = 0x4000
	greKey      = 0x2000
	greSequence = 0x1000
	greStrict   = 0x0800
	greRecur    = 0x0700
	greAck      = 0x0080 // version 1
	greFlags0   = 0x00f8
	greFlags1   = 0x0078
)

func (d *Decoder) gre(p *Packet, b []byte) {
	if len(b) < 4 {
		p.fail(GREPacketTooSmall)
		return
	}
	flags, proto := be16(b), be16(b[2:])
	var n int
	var ok bool
	switch flags & 7 {
	case 0:
		n, ok = p.gre0(b, flags)
	case 1:
		n, ok = p.gre1(b, flags, proto)
	default:
		p.fail(GREWrongVersion)
		return
	}
	if !ok {
		return
	}
	p.L4, p.Payload = b[:n:n], b[n:]
	d.grePayload(p, flags, proto, b[n:])
}

// gre0 returns the length of a version 0 header.
func (p *Packet) gre0(b []byte, flags uint16) (int, bool) {
	if flags&greRecur != 0 {
		p.fail(GREV0Recursion)
		return 0, false
	}
	if flags&greFlags0 != 0 {
		p.fail(GREV0Flags)
		return 0, false
	}
	n := 4
	if flags&(greChecksum|greRouting) != 0 {
		n += 4
	}
	if flags&greKey != 0 {
		n += 4
	}
	if flags&greSequence != 0 {
		n += 4
	}
	if n > len(b) {
		p.fail(GREV0HeaderTooBig)
		return 0, false
	}
	for flags&greRouting != 0 { // source route entries, ended by one without address family and length
		if n+4 > len(b) {
			p.fail(GREV0MalformedSREHeader)
			return 0, false
		}
		family, size := be16(b[n:]), int(b[n+3])
		n += 4
		if family == 0 && size == 0 {
			break
		}
		n += size
	}
	if n > len(b) {
		p.fail(GREV0HeaderTooBig)
		return 0, false
	}
	return n, true
}

// gre1 returns the length of a version 1 header (PPTP).
func (p *Packet) gre1(b []byte, flags, proto uint16) (int, bool) {
	for _, c := range [...]struct {
		bad   bool
		event Event
	}{
		{flags&greChecksum != 0, GREV1Checksum},
		{flags&greRouting != 0, GREV1Routing},
		{flags&greStrict != 0, GREV1SSR},
		{flags&greRecur != 0, GREV1Recursion},
		{flags&greFlags1 != 0, GREV1Flags},
		{proto != etherPPP, GREV1WrongProtocol},
		{flags&greKey == 0, GREV1NoKey},
	} {
		if c.bad {
			p.fail(c.event)
			return 0, false
		}
	}
	n := 8
	if flags&greSequence != 0 {
		n += 4
	}
	if flags&greAck != 0 {
		n += 4
	}
	if n > len(b) {
		p.fail(GREV1HeaderTooBig)
		return 0, false
	}
	return n, true
}

func (d *Decoder) grePayload(p *Packet, flags, proto uint16, b []byte) {
	switch proto {
	case etherPPP:
		p.carry(TunnelGRE, LinkPPP, b)
	case etherERSPAN:
		if flags&greSequence == 0 {
			if d.ERSPAN1 {
				p.carry(TunnelERSPAN, LinkEthernet, b)
			}
			return
		}
		p.erspan2(b)
	case etherVLAN:
		p.carry(TunnelGRE, linkVLAN, b)
	case etherARP:
		p.carry(TunnelGRE, linkARP, b)
	default:
		if link, ok := linkOf(proto); ok {
			p.carry(TunnelGRE, link, b)
		}
	}
}

// Not link types of captures: a frame that begins with a VLAN tag, and one that is an ARP packet.
const (
	linkVLAN LinkType = 0xffff
	linkARP  LinkType = 0xfffe
)

// erspan2 reads the 8 bytes of ERSPAN type II: version, VLAN, session, port index.
func (p *Packet) erspan2(b []byte) {
	if len(b) < 8 {
		p.fail(ERSPANHeaderTooSmall)
		return
	}
	if be16(b)>>12 != 1 {
		p.fail(ERSPANUnsupportedVersion)
		return
	}
	if vlan := be16(b) & 0xfff; vlan != 0 {
		if int(p.VLANs) >= len(p.VLAN) {
			p.fail(ERSPANTooManyVLANLayers)
			return
		}
		p.VLAN[p.VLANs] = vlan
		p.VLANs++
	}
	p.carry(TunnelERSPAN, LinkEthernet, b[8:])
}
