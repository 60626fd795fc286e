package decode

// ip4in notes an IPv4 packet carried as IP protocol 4 (RFC 2003).
func (p *Packet) ip4in(b []byte) {
	p.Payload = b
	if p.IPVersion == 6 {
		switch {
		case len(b) < 20:
			p.fail(IPv6IPv4InIPv6TooSmall)
			return
		case b[0]>>4 != 4:
			p.fail(IPv6IPv4InIPv6WrongVersion)
			return
		}
	}
	p.carry(TunnelIPIP, LinkIPv4, b)
}

// ip6in notes an IPv6 packet carried as IP protocol 41 (RFC 4213).
func (p *Packet) ip6in(b []byte) {
	p.Payload = b
	if p.IPVersion == 6 {
		switch {
		case len(b) < 40:
			p.fail(IPv6IPv6InIPv6TooSmall)
			return
		case b[0]>>4 != 6:
			p.fail(IPv6IPv6InIPv6WrongVersion)
			return
		}
	}
	p.carry(Tunnel6in4, LinkIPv6, b)
}

// linkOf returns the link type for a tunnel's Ethernet type.
func linkOf(etherType uint16) (LinkType, bool) {
	switch etherType {
	case etherIPv4:
		return LinkIPv4, true
	case etherIPv6:
		return LinkIPv6, true
	case etherTEB:
		return LinkEthernet, true
	}
	return 0, false
}

// vxlan notes what a VXLAN header announces (RFC 7348): 8 bytes, then Ethernet. The reserved bits are ignored on receipt.
func (p *Packet) vxlan(b []byte) {
	if len(b) < 8+14 || b[0]&0x08 == 0 {
		return
	}
	if _, ok := linkOf(be16(b[20:])); !ok && !carriedByVXLAN(be16(b[20:])) {
		p.Events.Add(VXLANUnknownPayloadType)
		return
	}
	p.carry(TunnelVXLAN, LinkEthernet, b[8:])
}

func carriedByVXLAN(etherType uint16) bool {
	switch etherType {
	case etherARP, etherVLAN, etherQinQ, etherQinQ2, etherMPLS, etherMPLSmc, etherPPPoES, etherPPPoED, etherNSH:
		return true
	}
	return false
}

// geneveHeader is the fixed part of a GENEVE header (RFC 8926 §3.4).
const geneveHeader = 8

// geneve notes what a GENEVE header announces. Options of any class and order are stepped over; Inner reads those of
// gateway load balancers.
func (p *Packet) geneve(b []byte) {
	if len(b) < geneveHeader || b[0]>>6 != 0 {
		return
	}
	n := geneveHeader + int(b[0]&0x3f)*4
	if n > len(b) || !geneveOptions(b[geneveHeader:n]) {
		return
	}
	link, ok := linkOf(be16(b[2:]))
	if !ok {
		p.Events.Add(GENEVEUnknownPayloadType)
		return
	}
	p.carry(TunnelGENEVE, link, b[n:])
}

// geneveOptions walks the options and reports whether they are well formed.
func geneveOptions(o []byte) bool {
	for len(o) > 0 {
		if len(o) < 4 {
			return false
		}
		n := 4 + int(o[3]&0x1f)*4
		if n > len(o) {
			return false
		}
		o = o[n:]
	}
	return true
}

// GENEVE option classes of gateway load balancers, which put the endpoint into type 1 and the flow's cookie into type 3.
const (
	classAWS     = 0x0108
	classGCP     = 0x0132
	classTencent = 0x0167
)

// tunnelIDs returns what tells the tunnel's tenants apart, and the load balancer's flow cookie.
func (p *Packet) tunnelIDs() (tenant uint64, cookie uint32) {
	switch p.Tunnel {
	case TunnelVXLAN:
		return uint64(be32(p.Payload[4:]) >> 8), 0
	case TunnelGENEVE:
		b := p.Payload
		tenant = uint64(be32(b[4:]) >> 8)
		o := b[geneveHeader : geneveHeader+int(b[0]&0x3f)*4]
		for len(o) >= 4 {
			n := 4 + int(o[3]&0x1f)*4
			switch class := be16(o); {
			case class != classAWS && class != classGCP && class != classTencent:
			case o[2] == 1 && n >= 12:
				tenant = be64(o[4:])
			case o[2] == 3 && n >= 8:
				cookie = be32(o[4:])
			}
			o = o[n:]
		}
	}
	return tenant, cookie
}

// teredo notes an IPv6 packet in UDP (RFC 4380 §5.1.1), behind optional authentication and origin headers. Whether the
// payload is Teredo at all is only a guess: it must hold a whole IPv6 packet.
func (p *Packet) teredo(b []byte) {
	if len(b) >= 4 && b[0] == 0 && b[1] == 1 { // authentication: client id and value
		n := 4 + int(b[2]) + int(b[3]) + 8 + 1
		if n > len(b) {
			return
		}
		b = b[n:]
	}
	if len(b) >= 8 && b[0] == 0 && b[1] == 0 { // origin
		b = b[8:]
	}
	if len(b) < 40 || b[0]>>4 != 6 || 40+int(be16(b[4:])) > len(b) {
		return
	}
	p.carry(TunnelTeredo, LinkIPv6, b)
}
