package flow

import "github.com/weir-ips/weir/pkg/decode"

// maxPackets is how many packets one frame can hold: tunnels and datagrams put together.
const maxPackets = decode.MaxDepth + maxRebuilt + 1

// Unpack decodes a frame, opens its tunnels, and puts fragments together. It returns the packets in order of inspection:
// innermost first. They are valid until the next call.
func (t *Tracker) Unpack(f decode.Frame) []*decode.Packet {
	t.tick(f.Time)
	t.frags.rebuilt = 0
	t.dec.Decode(&t.layers[0], f)
	t.stats.Decoder.frame(&t.layers[0])
	n := 0
	for n+1 < maxPackets && t.unwrap(&t.layers[n], &t.layers[n+1]) {
		n++
	}
	t.order = t.order[:0]
	for ; n >= 0; n-- {
		t.stats.Decoder.packet(&t.layers[n])
		t.order = append(t.order, &t.layers[n])
	}
	return t.order
}

// unwrap reads what p carries into inner: a tunnel's packet, or the datagram that p completes.
func (t *Tracker) unwrap(p, inner *decode.Packet) bool {
	if !p.Fragment {
		return p.Depth < decode.MaxDepth && t.dec.Inner(p, inner)
	}
	if p.Invalid {
		return false
	}
	s := &t.stats.Defrag
	if p.IPVersion == 4 {
		s.IPv4Fragments++
	} else {
		s.IPv6Fragments++
	}
	data, ok := t.frags.add(p, s)
	if !ok {
		return false
	}
	f := p.Frame
	f.Data, f.WireLen = data, len(data)
	t.dec.Decode(inner, f)
	inner.Tenant, inner.Cookie, inner.Depth = p.Tenant, p.Cookie, p.Depth
	inner.VLAN, inner.VLANs = p.VLAN, p.VLANs
	inner.Source, inner.Rebuilt = decode.SourceDefrag, true
	return true
}
