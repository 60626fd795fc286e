package keyword

import (
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

var tos = Keyword{
	Name: "tos", Family: FamilyPacket, Arg: uintShape, Doc: "IPv4 type of service; xN is hexadecimal",
	setup: func(c *compiler, o *syntax.Option) error {
		arg, negated := strings.CutPrefix(strings.TrimSpace(o.Value), "!")
		if rest, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(arg)), "x"); ok {
			arg = "0x" + rest
		}
		if negated {
			arg = "!" + arg
		}
		t, err := parseCompare(arg, 255, nil)
		if err != nil {
			return err
		}
		c.props([]prop{ofPacket})
		c.test(func(x *Context) bool { return x.Packet.IPVersion == 4 && t.holds(uint64(x.Packet.TOS)) })
		return nil
	},
}

var l3Proto = Keyword{
	Name: "l3_proto", Family: FamilyPacket, Arg: "ipv4|ip4|ipv6|ip6", Doc: "version of IP",
	setup: func(c *compiler, o *syntax.Option) error {
		version, ok := map[string]uint8{"ipv4": 4, "ip4": 4, "ipv6": 6, "ip6": 6}[strings.ToLower(o.Value)]
		if !ok {
			return fmt.Errorf("%q is not ipv4, ip4, ipv6 or ip6", o.Value)
		}
		c.ipTests++
		c.test(func(x *Context) bool { return x.Packet.IPVersion == version })
		return nil
	},
}

const maxVLANs = 3

var vlanID = Keyword{
	Name: "vlan.id", Family: FamilyPacket, Arg: multiShape, Doc: "VLAN identifiers of the packet, the outermost is index 0",
	setup: func(c *compiler, o *syntax.Option) error {
		m, err := parseMulti(o.Value, 4095, nil)
		if err != nil {
			return err
		}
		if m.which == atIndex && (m.index >= maxVLANs || m.index < -maxVLANs) {
			return fmt.Errorf("index %d: a packet has at most %d VLAN tags", m.index, maxVLANs)
		}
		c.props([]prop{ofPacket})
		c.test(func(x *Context) bool {
			return m.holds(int(x.Packet.VLANs), func(i int) uint64 { return uint64(x.Packet.VLAN[i] & 0xfff) })
		})
		return nil
	},
}

var vlanLayers = uintField("vlan.layers", "VLAN tags of the packet", maxVLANs, func(x *Context) (uint64, bool) {
	return uint64(x.Packet.VLANs), true
}, ofPacket)

func igmpMessage(p *decode.Packet) []byte {
	if p.Proto != decode.ProtoIGMP || p.IPVersion != 4 || len(p.IPPayload) < 8 || p.Fragment {
		return nil
	}
	return p.IPPayload
}

var igmpType = uintField("igmp.type", "IGMP message type", 255, func(x *Context) (uint64, bool) {
	if m := igmpMessage(x.Packet); m != nil {
		return uint64(m[0]), true
	}
	return 0, false
}, ofPacket)

var igmpHdr = headerBuffer("igmp.hdr", "IGMP message", igmpMessage)

var nfqSetMark = Keyword{
	Name: "nfq_set_mark", Family: FamilyState, Arg: "MARK/MASK", Doc: "read for Suricata's sake: there is no netfilter queue to mark packets of",
	setup: func(c *compiler, o *syntax.Option) error {
		mark, mask, ok := strings.Cut(o.Value, "/")
		for _, n := range [...]string{mark, mask} {
			if _, err := parseUint(n, 1<<32-1, nil); err != nil || !ok {
				return fmt.Errorf("%q is not MARK/MASK", o.Value)
			}
		}
		c.warn(fmt.Errorf("nfq_set_mark: packets are not marked"))
		return nil
	},
}
