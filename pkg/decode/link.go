package decode

import "encoding/binary"

// Ethernet types (IEEE 802, IANA).
const (
	etherIPv4   = 0x0800
	etherARP    = 0x0806
	etherTEB    = 0x6558 // transparent Ethernet bridging (RFC 1701)
	etherVLAN   = 0x8100
	etherIPv6   = 0x86dd
	etherPPP    = 0x880b
	etherMPLS   = 0x8847
	etherMPLSmc = 0x8848
	etherPPPoED = 0x8863
	etherPPPoES = 0x8864
	etherQinQ   = 0x88a8
	etherERSPAN = 0x88be // ERSPAN I and II over GRE
	etherPBB    = 0x88e7 // IEEE 802.1ah
	etherDCE    = 0x8903
	etherVNTag  = 0x8926
	etherETag   = 0x893f
	etherNSH    = 0x894f
	etherQinQ2  = 0x9100
)

// The BSDs' own numbers for raw IP.
const (
	linkRawBSD     LinkType = 12
	linkRawOpenBSD LinkType = 14
)

func (d *Decoder) ethernet(p *Packet, b []byte) {
	if len(b) < 14 {
		p.fail(EthernetPacketTooSmall)
		return
	}
	copy(p.DstMAC[:], b)
	copy(p.SrcMAC[:], b[6:])
	if !d.network(p, be16(b[12:]), b[14:]) {
		p.Events.Add(EthernetUnknownEtherType)
	}
}

// network reads what an Ethernet type announces, and reports whether it is known.
func (d *Decoder) network(p *Packet, etherType uint16, b []byte) bool {
	p.EtherType = etherType
	if !p.deeper() {
		return true
	}
	switch etherType {
	case etherIPv4:
		d.ipv4(p, b)
	case etherIPv6:
		d.ipv6(p, b)
	case etherVLAN, etherQinQ, etherQinQ2:
		d.vlan(p, b)
	case etherARP:
		p.arp(b)
	case etherMPLS, etherMPLSmc:
		d.mpls(p, b)
	case etherPPPoES:
		d.pppoeSession(p, b)
	case etherPPPoED:
		p.pppoeDiscovery(b)
	case etherTEB:
		d.ethernet(p, b)
	case etherVNTag:
		d.tagged(p, b, 4, VNTagHeaderTooSmall, VNTagUnknownType)
	case etherETag:
		d.tagged(p, b, 6, ETagHeaderTooSmall, ETagUnknownType)
	case etherPBB:
		d.pbb(p, b)
	case etherDCE:
		d.dce(p, b)
	case etherNSH:
		d.nsh(p, b)
	default:
		return false
	}
	return true
}

func (d *Decoder) vlan(p *Packet, b []byte) {
	if len(b) < 4 {
		p.fail(VLANHeaderTooSmall)
		return
	}
	if int(p.VLANs) >= len(p.VLAN) {
		p.fail(VLANTooManyLayers)
		return
	}
	p.VLAN[p.VLANs] = be16(b) & 0x0fff
	p.VLANs++
	if !d.network(p, be16(b[2:]), b[4:]) {
		p.Events.Add(VLANUnknownType)
	}
}

// tagged skips n bytes of tag; the Ethernet type of what follows is behind them.
func (d *Decoder) tagged(p *Packet, b []byte, n int, small, unknown Event) {
	if len(b) < n+2 {
		p.fail(small)
		return
	}
	if !d.network(p, be16(b[n:]), b[n+2:]) {
		p.Events.Add(unknown)
	}
}

// pbb reads a provider backbone bridge's I-tag: 4 bytes, the customer's addresses and Ethernet type.
func (d *Decoder) pbb(p *Packet, b []byte) {
	if len(b) < 18 {
		p.fail(IEEE8021ahHeaderTooSmall)
		return
	}
	if !d.network(p, be16(b[16:]), b[18:]) {
		p.Events.Add(EthernetUnknownEtherType)
	}
}

// dce reads Cisco's Data Center Ethernet: a fabric header in front of the customer's frame.
func (d *Decoder) dce(p *Packet, b []byte) {
	if len(b) < 16 {
		p.fail(DCEPacketTooSmall)
		return
	}
	d.ethernet(p, b[2:])
}

// nsh reads a network service header (RFC 8300).
func (d *Decoder) nsh(p *Packet, b []byte) {
	if len(b) < 8 {
		p.fail(NSHHeaderTooSmall)
		return
	}
	n := int(b[1]&0x3f) * 4
	switch {
	case b[0]>>6 != 0:
		p.Events.Add(NSHUnsupportedVersion)
		return
	case n < 8 || n > len(b) || b[2]&0xf == 1 && n != 24:
		p.fail(NSHBadHeaderLength)
		return
	case b[2]&0xf == 0 || b[2]&0xf == 15:
		p.Events.Add(NSHReservedType)
		return
	case b[2]&0xf > 2:
		p.Events.Add(NSHUnsupportedType)
		return
	}
	switch b[3] {
	case 1:
		d.network(p, etherIPv4, b[n:])
	case 2:
		d.network(p, etherIPv6, b[n:])
	case 3:
		d.network(p, etherTEB, b[n:])
	case 5:
		d.network(p, etherMPLS, b[n:])
	default:
		p.Events.Add(NSHUnknownPayload)
	}
}

// arp checks an Ethernet/IPv4 ARP packet (RFC 826).
func (p *Packet) arp(b []byte) {
	switch {
	case len(b) < 8:
		p.fail(ARPPacketTooSmall)
	case be16(b) != 1:
		p.Events.Add(ARPUnsupportedHardware)
	case be16(b[2:]) != etherIPv4:
		p.Events.Add(ARPUnsupportedProtocol)
	case len(b) < 28:
		p.fail(ARPInvalidPacket)
	case b[4] != 6:
		p.Events.Add(ARPInvalidHardwareSize)
	case b[5] != 4:
		p.Events.Add(ARPInvalidProtocolSize)
	case be16(b[6:]) == 0 || be16(b[6:]) > 10:
		p.Events.Add(ARPUnsupportedOpcode)
		p.Payload = b[:28]
	default:
		p.Payload = b[:28]
	}
}

// mpls walks a label stack (RFC 3032) and guesses what is under it, which the stack does not say.
func (d *Decoder) mpls(p *Packet, b []byte) {
	for {
		if len(b) < 4 {
			p.fail(MPLSHeaderTooSmall)
			return
		}
		shim := be32(b)
		b = b[4:]
		if shim&0x100 != 0 {
			d.mplsPayload(p, shim>>12, b)
			return
		}
		if !p.deeper() {
			return
		}
	}
}

func (d *Decoder) mplsPayload(p *Packet, label uint32, b []byte) {
	switch {
	case label == 0:
		d.network(p, etherIPv4, b)
		return
	case label == 1:
		p.Events.Add(MPLSBadLabelRouterAlert)
		return
	case label == 2:
		d.network(p, etherIPv6, b)
		return
	case label == 3:
		p.Events.Add(MPLSBadLabelImplicitNull)
		return
	case label < 16:
		p.Events.Add(MPLSBadLabelReserved)
		return
	case len(b) < 4:
		p.fail(MPLSPacketTooSmall)
		return
	}
	switch b[0] >> 4 {
	case 4:
		d.network(p, etherIPv4, b)
	case 6:
		d.network(p, etherIPv6, b)
	case 0: // a pseudowire's control word (RFC 4385)
		d.network(p, etherTEB, b[4:])
	default:
		p.Events.Add(MPLSUnknownPayloadType)
	}
}

func (d *Decoder) raw(p *Packet, b []byte) {
	switch {
	case len(b) > 0 && b[0]>>4 == 4:
		d.ipv4(p, b)
	case len(b) > 0 && b[0]>>4 == 6:
		d.ipv6(p, b)
	case len(b) == 0 && p.Link == LinkIPv4:
		p.fail(IPv4PacketTooSmall)
	default:
		p.fail(IPRawInvalidIPVersion)
	}
}

// null reads a BSD loopback header: an address family in the writer's byte order, so either.
func (d *Decoder) null(p *Packet, b []byte) {
	if len(b) < 4 {
		p.fail(NullPacketTooSmall)
		return
	}
	family := binary.LittleEndian.Uint32(b)
	if family > 0xffff {
		family = be32(b)
	}
	switch family {
	case 2:
		d.network(p, etherIPv4, b[4:])
	case 10, 24, 28, 30: // AF_INET6 of Linux, NetBSD, FreeBSD, macOS
		d.network(p, etherIPv6, b[4:])
	default:
		p.fail(NullUnsupportedType)
	}
}

func (d *Decoder) chdlc(p *Packet, b []byte) {
	if len(b) < 4 {
		p.fail(CHDLCPacketTooSmall)
		return
	}
	d.network(p, be16(b[2:]), b[4:])
}

func (d *Decoder) sll(p *Packet, b []byte) {
	if len(b) < 16 {
		p.fail(SLLPacketTooSmall)
		return
	}
	if n := be16(b[4:]); n == 6 {
		copy(p.SrcMAC[:], b[6:])
	}
	if !d.network(p, be16(b[14:]), b[16:]) {
		p.Events.Add(EthernetUnknownEtherType)
	}
}

func (d *Decoder) sll2(p *Packet, b []byte) {
	if len(b) < 20 {
		p.fail(SLL2PacketTooSmall)
		return
	}
	if b[11] == 6 {
		copy(p.SrcMAC[:], b[12:])
	}
	if !d.network(p, be16(b), b[20:]) {
		p.Events.Add(EthernetUnknownEtherType)
	}
}
