package decode

import "slices"

func (d *Decoder) udp(p *Packet, b []byte) {
	if len(b) < 8 {
		p.fail(UDPHeaderLengthTooSmall)
		return
	}
	n := int(be16(b[4:]))
	switch {
	case n < 8:
		p.fail(UDPLengthInvalid)
		return
	case n > len(b) && !p.cut:
		p.fail(UDPPacketTooSmall)
		return
	case n != len(b) && !p.cut: // bytes behind the datagram; what the header covers is read
		p.Events.Add(UDPLengthInvalid)
	}
	b = b[:min(n, len(b))]
	p.L4, p.Payload = b[:8:8], b[8:]
	p.SrcPort, p.DstPort = be16(b), be16(b[2:])
	if be16(b[6:]) != 0 || p.IPVersion == 6 {
		d.checkL4(p, b)
	}
	d.udpTunnel(p)
}

func (d *Decoder) udpTunnel(p *Packet) {
	switch {
	case slices.Contains(d.GENEVE, p.DstPort):
		p.geneve(p.Payload)
	case slices.Contains(d.VXLAN, p.DstPort):
		p.vxlan(p.Payload)
	case slices.Contains(d.Teredo, p.DstPort) || slices.Contains(d.Teredo, p.SrcPort):
		p.teredo(p.Payload)
	}
}

// sctp reads the common header and checks the chunks (RFC 9260).
func (p *Packet) sctp(b []byte) {
	if len(b) < 12 {
		p.fail(SCTPPacketTooSmall)
		return
	}
	p.L4, p.Payload = b[:12:12], b[12:]
	p.SrcPort, p.DstPort = be16(b), be16(b[2:])
	p.sctpChunks(be32(b[4:]), b[12:])
}

// SCTP chunk types that are checked, and how many chunks one packet reasonably has.
const (
	chunkData     = 0
	chunkInit     = 1
	maxChunks     = 32
	maxDataChunks = 16
)

func (p *Packet) sctpChunks(vtag uint32, b []byte) {
	chunks, data := 0, 0
	for len(b) > 0 {
		if len(b) < 4 {
			p.Events.Add(SCTPChunkTooSmall)
			return
		}
		n := int(be16(b[2:]))
		if n < 4 || n > len(b) {
			p.Events.Add(SCTPChunkLengthInvalid)
			return
		}
		if chunks++; chunks > maxChunks {
			p.Events.Add(SCTPTooManyChunks)
			return
		}
		last := (n+3)&^3 >= len(b)
		switch b[0] {
		case chunkInit:
			if chunks > 1 || !last {
				p.Events.Add(SCTPInitChunkBundled)
			}
			if vtag != 0 {
				p.Events.Add(SCTPInitWithNonZeroVTag)
			}
		case chunkData:
			if vtag == 0 {
				p.Events.Add(SCTPDataWithZeroVTag)
			}
			if data++; data > maxDataChunks {
				p.Events.Add(SCTPTooManyDataChunks)
				return
			}
		}
		b = b[min(len(b), (n+3)&^3):]
	}
}
