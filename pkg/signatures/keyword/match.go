package keyword

import "github.com/weir-ips/weir/pkg/flow/app"

// Header reports whether addresses, ports and protocol fit the packet in the direction under inspection.
func (s *Signature) Header(c *Context) bool {
	if !s.L4.Has(c.Packet.Proto, c.Packet.IPVersion) {
		return false
	}
	return s.addresses(c, c.src, c.dst, c.srcPort, c.dstPort) || s.BothWays && s.addresses(c, c.dst, c.src, c.dstPort, c.srcPort)
}

func (s *Signature) addresses(c *Context, src, dst U128, srcPort, dstPort uint16) bool {
	if c.Packet.IPVersion == 0 {
		return s.Src.Any && s.Dst.Any
	}
	if !s.SrcPorts.Any || !s.DstPorts.Any {
		if !hasPorts(c.Packet.Proto) || !s.SrcPorts.Has(srcPort) || !s.DstPorts.Has(dstPort) {
			return false
		}
	}
	return s.Src.Has(src) && s.Dst.Has(dst)
}

// Between reports whether the packet goes from src to dst, in the direction under inspection; nil stands for every address.
func (c *Context) Between(src, dst *AddrSet) bool {
	return (src == nil || src.Has(c.src)) && (dst == nil || dst.Has(c.dst))
}

func hasPorts(proto uint8) bool { return proto == protoTCP || proto == protoUDP || proto == protoSCTP }

// Tests reports whether all tests of packet, flow and state hold.
func (s *Signature) Tests(c *Context) bool {
	c.current = s
	if !c.spend(workRule) {
		return false
	}
	for _, t := range s.tests {
		if !t(c) {
			return false
		}
	}
	for _, g := range s.Packets {
		if !c.packetGroup(g) {
			return false
		}
	}
	return true
}

func (c *Context) packetGroup(g *Group) bool {
	data := g.Buffer.Packet(c)
	if data == nil {
		return g.Absent != mustExist
	}
	if g.Absent == mustNotExist {
		return false
	}
	for _, t := range g.Transforms {
		data = t.apply(c, data)
	}
	return c.inspect(g.Items, data, 0, true)
}

// MatchPayload reports whether the payload items hold in data, whose first byte has the stream offset base.
func (s *Signature) MatchPayload(c *Context, data []byte, base int, inStream bool) bool {
	c.InStream = inStream
	return c.inspect(s.Payload, data, base, true)
}

// Outcome says how far a group of a transaction has come.
type Outcome uint8

// Outcomes of Group.Match.
const (
	Later Outcome = iota // not there yet, or not matched so far and still growing
	Matched
	Never // final, and does not match
)

// Match looks for the group's items in any instance of its buffer. final says that the source does not change any more.
//
// Of files, those are looked at that c.FirstFile counts from on.
func (g *Group) Match(c *Context, s *Source, tx app.Tx, final bool) Outcome {
	found := false
	for i := 0; ; i++ {
		b, ok := c.Fetch(g, s, tx, i)
		if !ok || !c.spend(workInstance) {
			break
		}
		if b.Wait {
			return Later
		}
		if b.File != nil && i < c.FirstFile {
			continue
		}
		found = true
		c.file = b.File
		if g.Absent != mustNotExist && c.inspect(g.Items, b.Data, b.Base, !b.More) {
			if b.File != nil {
				c.Matched = b.File
			}
			return Matched
		}
	}
	switch {
	case !found && g.Absent != mustExist && final:
		return Matched
	case final:
		return Never
	}
	return Later
}

// Apply carries out what a complete match does: flowbits and other state.
func (s *Signature) Apply(c *Context) {
	for _, e := range s.effects {
		e(c)
	}
}
