package flow

import (
	"encoding/binary"

	"github.com/weir-ips/weir/pkg/decode"
)

// rewrite puts the stream's bytes into a segment that carries other ones for the same place, so that the receiver sees what
// rules have seen. A segment that cannot be changed, because it is not on the wire as it stands here, is dropped.
func (g *segmentOf) rewrite(seq uint32) {
	p := g.p
	if p.Rebuilt || g.s.Urgent[g.dir] != 0 || len(p.L4) < 20 || len(p.L4)+len(p.Payload) != len(p.IPPayload) {
		g.r.Drop, g.r.DropReason = true, "stream reassembly"
		return
	}
	at := g.snd.offset(seq)
	for i := 0; i < len(p.Payload); {
		off := at + int64(i)
		b := g.snd.blockAt(uint64(max(off, 0)))
		if off < 0 || b == nil || int64(b.start) > off {
			i++
			continue
		}
		i += copy(p.Payload[i:], b.bytes(uint64(off)))
	}
	binary.BigEndian.PutUint16(p.L4[16:], 0)
	binary.BigEndian.PutUint16(p.L4[16:], decode.ChecksumL4(p.Src, p.Dst, decode.ProtoTCP, p.IPPayload))
	g.r.Rewritten = true
	g.t.clearTunnelChecksums(p)
}

// clearTunnelChecksums says in the UDP headers around p that there is no checksum (RFC 768; RFC 6935 for tunnels in IPv6).
func (t *Tracker) clearTunnelChecksums(p *decode.Packet) {
	for _, o := range t.order {
		if o.Depth < p.Depth && o.Proto == decode.ProtoUDP && len(o.L4) == 8 {
			o.L4[6], o.L4[7] = 0, 0
		}
	}
}
