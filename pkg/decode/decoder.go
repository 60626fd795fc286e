package decode

// Decoder reads frames. It holds settings only, so that one may serve any number of goroutines.
type Decoder struct {
	// Checksums makes Decode compute IPv4, TCP, UDP, ICMP and IGMP checksums and set BadIPChecksum and BadL4Checksum.
	Checksums bool
	// Cut reads frames that the capture cut short (Frame.WireLen > len(Data)) as far as they go: Traffic Mirroring
	// truncates. Without it such an IP packet is invalid, as in Suricata. Checksums of cut packets are not computed.
	Cut bool
	// GENEVE, VXLAN and Teredo are the UDP ports whose payload is opened as that tunnel; empty means none. GENEVE and
	// VXLAN are told by the destination port, Teredo by either.
	GENEVE, VXLAN, Teredo []uint16
	// ERSPAN1 reads GRE protocol 0x88be without sequence number as ERSPAN type I.
	ERSPAN1 bool
}

// Default returns a Decoder with Suricata's defaults: checksums, GENEVE on 6081, VXLAN on 4789, Teredo on 3544.
func Default() *Decoder {
	return &Decoder{Checksums: true, GENEVE: []uint16{6081}, VXLAN: []uint16{4789}, Teredo: []uint16{3544}, ERSPAN1: true}
}

// MaxDepth is how many tunnels deep it makes sense to look.
const MaxDepth = 8

// maxLayers bounds the headers read of one frame, tunnels apart.
const maxLayers = 16

// Decode reads f into p, overwriting every field. It never fails: what is wrong becomes an event in p.Events.
func (d *Decoder) Decode(p *Packet, f Frame) {
	*p = Packet{Frame: f}
	d.link(p, f.Link, f.Data)
}

func (d *Decoder) link(p *Packet, link LinkType, b []byte) {
	switch link {
	case LinkEthernet:
		d.ethernet(p, b)
	case LinkNull:
		d.null(p, b)
	case LinkPPP:
		d.ppp(p, b)
	case LinkRaw, linkRawBSD, linkRawOpenBSD, LinkIPv4, LinkIPv6:
		d.raw(p, b)
	case linkVLAN:
		d.vlan(p, b)
	case linkARP:
		d.network(p, etherARP, b)
	case LinkCHDLC:
		d.chdlc(p, b)
	case LinkSLL:
		d.sll(p, b)
	case LinkSLL2:
		d.sll2(p, b)
	default:
		p.Invalid = true
	}
}

// fail records an event that ends decoding.
func (p *Packet) fail(e Event) {
	p.Events.Add(e)
	p.Invalid = true
}

// deeper counts a header and reports whether another may be read.
func (p *Packet) deeper() bool {
	p.Layers++
	if p.Layers > maxLayers {
		p.fail(TooManyLayers)
		return false
	}
	return true
}

// Inner reads the packet that outer carries into inner, and reports whether there is one. The caller loops, with a bound
// (MaxDepth), because tunnels nest: GENEVE around VXLAN is what Traffic Mirroring through a Gateway Load Balancer sends.
func (d *Decoder) Inner(outer, inner *Packet) bool {
	if outer.Tunnel == NoTunnel || outer.InnerFrame == nil {
		return false
	}
	f := outer.Frame
	f.Data, f.Link = outer.InnerFrame, outer.InnerLink
	f.WireLen = len(f.Data)
	if cut := outer.WireLen - len(outer.Data); cut > 0 {
		f.WireLen += cut
	}
	*inner = Packet{Frame: f, Tenant: outer.Tenant, Cookie: outer.Cookie, Depth: outer.Depth + 1, Source: tunnelSource[outer.Tunnel]}
	if outer.Tunnel == TunnelIPIP || outer.Tunnel == Tunnel6in4 {
		inner.Source = SourceIPv4
		if outer.IPVersion == 6 {
			inner.Source = SourceIPv6
		}
	}
	tenant, cookie := outer.tunnelIDs()
	if inner.Tenant == 0 {
		inner.Tenant = tenant
	}
	if inner.Cookie == 0 {
		inner.Cookie = cookie
	}
	if outer.Tunnel == TunnelERSPAN {
		inner.VLAN, inner.VLANs = outer.VLAN, outer.VLANs
	}
	d.link(inner, f.Link, f.Data)
	return true
}

// tunnelSource is the source of what a tunnel carries; that of IP in IP is named after the outer version.
var tunnelSource = [...]Source{
	TunnelGENEVE: SourceGENEVE, TunnelVXLAN: SourceVXLAN, TunnelGRE: SourceGRE, TunnelERSPAN: SourceGRE,
	TunnelIPIP: SourceIPv4, Tunnel6in4: SourceIPv6, TunnelTeredo: SourceTeredo,
}

// carry says that p holds a tunnel with an inner frame.
func (p *Packet) carry(t Tunnel, link LinkType, b []byte) {
	p.Tunnel, p.InnerLink, p.InnerFrame = t, link, b
}

func be16(b []byte) uint16 { return uint16(b[1]) | uint16(b[0])<<8 }
func be32(b []byte) uint32 {
	return uint32(b[3]) | uint32(b[2])<<8 | uint32(b[1])<<16 | uint32(b[0])<<24
}
func be64(b []byte) uint64 { return uint64(be32(b))<<32 | uint64(be32(b[4:])) }
