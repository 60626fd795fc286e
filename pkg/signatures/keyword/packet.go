package keyword

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

func isTCP(x *Context) bool { return x.Packet.Proto == protoTCP && x.Packet.L4 != nil }

func isICMP(x *Context) bool {
	return (x.Packet.Proto == decode.ProtoICMP || x.Packet.Proto == decode.ProtoICMPv6) && x.Packet.L4 != nil
}

var ttl = uintField("ttl", "IPv4 time to live or IPv6 hop limit", 255, func(x *Context) (uint64, bool) {
	return uint64(x.Packet.TTL), x.Packet.IPVersion != 0
}, ofPacket)

var id = uintField("id", "IPv4 identification", 65535, func(x *Context) (uint64, bool) {
	return uint64(x.Packet.IPID), x.Packet.IPVersion == 4
}, ofPacket)

var seq = uintField("seq", "TCP sequence number", 1<<32-1, func(x *Context) (uint64, bool) {
	return uint64(x.Packet.Seq), isTCP(x)
}, ofPacket).or("tcp.seq")

var ack = uintField("ack", "TCP acknowledgement number", 1<<32-1, func(x *Context) (uint64, bool) {
	return uint64(x.Packet.Ack), isTCP(x)
}, ofPacket).or("tcp.ack")

var window = uintField("tcp.window", "TCP window", 65535, func(x *Context) (uint64, bool) {
	return uint64(x.Packet.Window), isTCP(x)
}, ofPacket).or("window")

var mss = uintField("tcp.mss", "TCP maximum segment size option", 65535, func(x *Context) (uint64, bool) {
	return uint64(x.Packet.TCPOptions.MSS), isTCP(x) && x.Packet.TCPOptions.Has&decode.HasMSS != 0
}, ofPacket)

var wscale = uintField("tcp.wscale", "TCP window scale option", 255, func(x *Context) (uint64, bool) {
	return uint64(x.Packet.TCPOptions.WindowScale), isTCP(x) && x.Packet.TCPOptions.Has&decode.HasWindowScale != 0
}, ofPacket)

var itype = uintField("itype", "ICMP type", 255, func(x *Context) (uint64, bool) {
	return uint64(x.Packet.ICMPType), isICMP(x)
}, ofPacket)

var icode = uintField("icode", "ICMP code", 255, func(x *Context) (uint64, bool) {
	return uint64(x.Packet.ICMPCode), isICMP(x)
}, ofPacket)

var icmpID = uintField("icmp_id", "ICMP identifier", 65535, func(x *Context) (uint64, bool) {
	return uint64(x.Packet.ICMPID), isICMP(x) && hasEcho(x)
}, ofPacket)

var icmpSeq = uintField("icmp_seq", "ICMP sequence number", 65535, func(x *Context) (uint64, bool) {
	return uint64(x.Packet.ICMPSeq), isICMP(x) && hasEcho(x)
}, ofPacket)

// hasEcho reports whether the ICMP message has identifier and sequence number (RFC 792, RFC 4443 §4).
func hasEcho(x *Context) bool {
	t := x.Packet.ICMPType
	if x.Packet.Proto == decode.ProtoICMPv6 {
		return t == 128 || t == 129
	}
	return t == 0 || t == 8 || t >= 13 && t <= 18
}

var icmpv6MTU = uintField("icmpv6.mtu", "MTU of an ICMPv6 packet-too-big message", 1<<32-1, func(x *Context) (uint64, bool) {
	if x.Packet.Proto != decode.ProtoICMPv6 || x.Packet.ICMPType != 2 || len(x.Packet.L4) < 8 {
		return 0, false
	}
	return uint64(binary.BigEndian.Uint32(x.Packet.L4[4:])), true
}, ofPacket)

var vxlanVNI = uintField("vxlan_vni", "VXLAN network identifier", 1<<24-1, func(x *Context) (uint64, bool) {
	p := x.Packet
	if p.Proto != protoUDP || len(p.Payload) < 8 || p.Tunnel != decode.TunnelVXLAN {
		return 0, false
	}
	return uint64(binary.BigEndian.Uint32(p.Payload[4:]) >> 8), true
}, ofPacket)

var sctpVTag = uintField("sctp.vtag", "SCTP verification tag", 1<<32-1, func(x *Context) (uint64, bool) {
	if x.Packet.Proto != protoSCTP || len(x.Packet.IPPayload) < 12 {
		return 0, false
	}
	return uint64(binary.BigEndian.Uint32(x.Packet.IPPayload[4:])), true
}, ofPacket)

var ipProto = Keyword{
	Name: "ip_proto", Family: FamilyPacket, Arg: "[!|<|>]N or name", Doc: "IP protocol",
	setup: func(c *compiler, o *syntax.Option) error {
		t, err := parseCompare(strings.Trim(o.Value, `"`), 255, map[string]uint64{"icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "udp": 17, "ipv6": 41, "gre": 47,
			"esp": 50, "ah": 51, "icmpv6": 58, "ipv6-icmp": 58, "ospf": 89, "pim": 103, "sctp": 132})
		if err != nil {
			return err
		}
		c.ipTests++
		c.test(func(x *Context) bool { return x.Packet.IPVersion != 0 && t.holds(uint64(x.Packet.Proto)) })
		return nil
	},
}

var sameip = Keyword{
	Name: "sameip", Family: FamilyPacket, Doc: "source and destination address are equal",
	setup: func(c *compiler, _ *syntax.Option) error {
		c.props([]prop{ofPacket})
		c.test(func(x *Context) bool { return x.Packet.IPVersion != 0 && x.Packet.Src == x.Packet.Dst })
		return nil
	},
}

var flagLetters = map[byte]uint8{'F': decode.FIN, 'S': decode.SYN, 'R': decode.RST, 'P': decode.PSH, 'A': decode.ACK, 'U': decode.URG,
	'E': decode.ECE, 'C': decode.CWR, '2': decode.ECE, '1': decode.CWR}

var flagsKeyword = Keyword{
	Name: "tcp.flags", Aliases: []string{"flags"}, Family: FamilyPacket, Arg: "[+|*|!]FSRPAUEC[,ignored]",
	Doc: "TCP flags: exactly these, + these and others, * any of these, ! none of these; 0 is no flag",
	setup: func(c *compiler, o *syntax.Option) error {
		if o.Value != "" && o.Value[0] >= '1' && o.Value[0] <= '9' || strings.HasPrefix(o.Value, "&") {
			return c.numericFlags(o.Value)
		}
		want, ignored, _ := strings.Cut(strings.ReplaceAll(o.Value, " ", ""), ",")
		mode, want := modeOf(want)
		mask := ^uint8(0)
		bits, err := parseFlags(want)
		if err != nil {
			return err
		}
		if ignored != "" {
			skip, err := parseFlags(ignored)
			if err != nil {
				return err
			}
			mask &^= skip
		}
		c.props([]prop{ofPacket})
		if (mode == '=' || mode == '+') && bits&mask&decode.SYN != 0 {
			c.sig.Opens = true
		}
		c.test(func(x *Context) bool { return isTCP(x) && flagsHold(mode, x.Packet.Flags&mask, bits) })
		return nil
	},
}

// modeOf takes the sign that says how flags are compared from before or behind their letters; '=' without one.
func modeOf(arg string) (mode byte, letters string) {
	n := len(arg)
	switch {
	case n > 0 && strings.IndexByte("+*!", arg[0]) >= 0:
		return arg[0], arg[1:]
	case n > 1 && strings.IndexByte("+*!", arg[n-1]) >= 0:
		return arg[n-1], arg[:n-1]
	}
	return '=', arg
}

func (c *compiler) numericFlags(arg string) error {
	t, err := parseCompare(arg, 255, nil)
	if err != nil {
		return err
	}
	c.props([]prop{ofPacket})
	c.test(func(x *Context) bool { return isTCP(x) && t.holds(uint64(x.Packet.Flags)) })
	return nil
}

func parseFlags(s string) (bits uint8, err error) {
	if s == "" {
		return 0, errors.New("no flag is given")
	}
	for i := range len(s) {
		f, ok := flagLetters[s[i]&^0x20]
		if s[i] == '1' || s[i] == '2' {
			f, ok = flagLetters[s[i]], true
		}
		if !ok && s[i] != '0' {
			return 0, fmt.Errorf("%q is not one of F S R P A U E C 0", s[i])
		}
		bits |= f
	}
	return bits, nil
}

func flagsHold(mode byte, have, want uint8) bool {
	switch mode {
	case '+':
		return have&want == want
	case '*':
		return have&want != 0
	case '!':
		return have&want == 0
	}
	return have == want
}

var fragbits = Keyword{
	Name: "fragbits", Family: FamilyPacket, Arg: "[+|*|!]MDR", Doc: "IPv4 flags: more fragments, don't fragment, reserved",
	setup: func(c *compiler, o *syntax.Option) error {
		mode, arg := modeOf(o.Value)
		var bits uint8
		for i := range len(arg) {
			switch arg[i] {
			case 'M':
				bits |= 1
			case 'D':
				bits |= 2
			case 'R':
				bits |= 4
			default:
				return fmt.Errorf("%q is not one of M D R", arg[i])
			}
		}
		c.props([]prop{ofPacket})
		c.test(func(x *Context) bool { return x.Packet.IPVersion == 4 && flagsHold(mode, x.Packet.IPFlags, bits) })
		return nil
	},
}

var fragoffset = uintField("fragoffset", "IPv4 fragment offset in units of eight bytes", 8191, func(x *Context) (uint64, bool) {
	return uint64(x.Packet.FragOff / 8), x.Packet.IPVersion == 4
}, ofPacket)

// IPv4 option types (RFC 791 §3.1, IANA ip-parameters).
var ipOptions = map[string]uint8{"eol": 0, "nop": 1, "rr": 7, "qs": 25, "ts": 68, "sec": 130, "lsrr": 131, "esec": 133, "cipso": 134, "satid": 136, "ssrr": 137, "rtralt": 148}

var ipopts = Keyword{
	Name: "ipopts", Family: FamilyPacket, Arg: "rr|eol|nop|ts|sec|esec|lsrr|ssrr|satid|cipso|rtralt|qs|any", Doc: "IPv4 option that the packet has",
	setup: func(c *compiler, o *syntax.Option) error {
		want, ok := ipOptions[o.Value]
		if !ok && o.Value != "any" {
			return fmt.Errorf("%q is not an IP option", o.Value)
		}
		every := o.Value == "any"
		c.props([]prop{ofPacket})
		c.test(func(x *Context) bool { return x.Packet.IPVersion == 4 && hasIPOption(x.Packet.IPHeader, want, every) })
		return nil
	},
}

func hasIPOption(header []byte, want uint8, every bool) bool {
	if len(header) <= 20 {
		return false
	}
	for o := header[20:]; len(o) > 0; {
		if every || o[0] == want {
			return true
		}
		switch {
		case o[0] == 0:
			return false
		case o[0] == 1:
			o = o[1:]
		case len(o) < 2 || o[1] < 2 || int(o[1]) > len(o):
			return false
		default:
			o = o[o[1]:]
		}
	}
	return false
}

// addressKeyword is ip.src and ip.dst used as geoip-less filters; the buffer form gives the four or sixteen bytes.
func addressBuffer(name, doc string, get func(*decode.Packet) decode.Addr) Keyword {
	return buffer(&Buffer{Name: name, Packet: func(x *Context) []byte {
		a := get(x.Packet)
		switch x.Packet.IPVersion {
		case 4:
			return x.keep(a[12:])
		case 6:
			return x.keep(a[:])
		}
		return nil
	}}, doc)
}

var ipSrc = addressBuffer("ip.src", "source address, 4 or 16 bytes", func(p *decode.Packet) decode.Addr { return p.Src })

var ipDst = addressBuffer("ip.dst", "destination address, 4 or 16 bytes", func(p *decode.Packet) decode.Addr { return p.Dst })

func headerBuffer(name, doc string, get func(p *decode.Packet) []byte) Keyword {
	return buffer(&Buffer{Name: name, Packet: func(x *Context) []byte { return get(x.Packet) }}, doc)
}

var ipv4Hdr = headerBuffer("ipv4.hdr", "IPv4 header with options", func(p *decode.Packet) []byte {
	if p.IPVersion != 4 {
		return nil
	}
	return p.IPHeader
})

var ipv6Hdr = headerBuffer("ipv6.hdr", "IPv6 header with extension headers", func(p *decode.Packet) []byte {
	if p.IPVersion != 6 {
		return nil
	}
	return p.IPHeader
})

func l4Header(proto uint8) func(p *decode.Packet) []byte {
	return func(p *decode.Packet) []byte {
		if p.Proto != proto {
			return nil
		}
		return p.L4
	}
}

var tcpHdr = headerBuffer("tcp.hdr", "TCP header with options", l4Header(protoTCP))

var udpHdr = headerBuffer("udp.hdr", "UDP header", l4Header(protoUDP))

var icmpv4Hdr = headerBuffer("icmpv4.hdr", "ICMP message", func(p *decode.Packet) []byte {
	if p.Proto != decode.ProtoICMP || p.L4 == nil {
		return nil
	}
	return p.IPPayload
})

var icmpv6Hdr = headerBuffer("icmpv6.hdr", "ICMPv6 message", func(p *decode.Packet) []byte {
	if p.Proto != decode.ProtoICMPv6 || p.L4 == nil {
		return nil
	}
	return p.IPPayload
})

var etherHdr = headerBuffer("ether.hdr", "Ethernet header", func(p *decode.Packet) []byte {
	if p.Link != decode.LinkEthernet || len(p.Data) < 14 {
		return nil
	}
	return p.Data[:14]
})

var sctpHdr = headerBuffer("sctp.hdr", "SCTP common header", func(p *decode.Packet) []byte {
	if p.Proto != protoSCTP || len(p.IPPayload) < 12 {
		return nil
	}
	return p.IPPayload[:12]
})

func checksum(name, doc string, fits func(*decode.Packet) bool, bad func(*decode.Packet) bool) Keyword {
	return Keyword{Name: name, Family: FamilyPacket, Arg: "valid|invalid", Doc: doc, setup: func(c *compiler, o *syntax.Option) error {
		arg := strings.Trim(o.Value, `"`)
		if arg != "valid" && arg != "invalid" {
			return fmt.Errorf("%q is not valid or invalid", o.Value)
		}
		invalid := arg == "invalid"
		c.props([]prop{ofPacket})
		c.test(func(x *Context) bool { return fits(x.Packet) && bad(x.Packet) == invalid })
		return nil
	}}
}

func l4Checksum(name string, version, proto uint8) Keyword {
	return checksum(name, "whether the checksum is right", func(p *decode.Packet) bool {
		return p.Proto == proto && p.IPVersion == version && p.L4 != nil && !p.Fragment
	}, func(p *decode.Packet) bool { return p.BadL4Checksum })
}

var (
	ipv4Csum   = checksum("ipv4-csum", "whether the IPv4 header's checksum is right", func(p *decode.Packet) bool { return p.IPVersion == 4 }, func(p *decode.Packet) bool { return p.BadIPChecksum })
	tcpv4Csum  = l4Checksum("tcpv4-csum", 4, protoTCP)
	tcpv6Csum  = l4Checksum("tcpv6-csum", 6, protoTCP)
	udpv4Csum  = l4Checksum("udpv4-csum", 4, protoUDP)
	udpv6Csum  = l4Checksum("udpv6-csum", 6, protoUDP)
	icmpv4Csum = l4Checksum("icmpv4-csum", 4, decode.ProtoICMP)
	icmpv6Csum = l4Checksum("icmpv6-csum", 6, decode.ProtoICMPv6)
	igmpCsum   = checksum("igmp-csum", "whether the IGMP message's checksum is right", func(p *decode.Packet) bool { return p.Proto == 2 && len(p.IPPayload) >= 8 },
		func(p *decode.Packet) bool { return sum16(p.IPPayload) != 0xffff })
)

// sum16 is the ones' complement sum of b (RFC 1071); 0xffff when b holds a right checksum.
func sum16(b []byte) uint16 {
	var s uint32
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

var streamSize = Keyword{
	Name: "stream_size", Family: FamilyPacket, Arg: "server|client|both|either, OP, N", Doc: "how far the sequence numbers of a side have come",
	setup: func(c *compiler, o *syntax.Option) error {
		w := words(o.Value)
		if len(w) < 3 {
			return fmt.Errorf("%q is not server|client|both|either, OP, N", o.Value)
		}
		op := w[1]
		if op == "=" {
			op = ""
		} else if op == "!=" {
			op = "!"
		}
		t, err := parseCompare(op+w[2], 1<<32-1, nil)
		if err != nil {
			return err
		}
		client := func(s *flow.Session) bool { return t.holds(uint64(s.Size(app.ToServer))) }
		server := func(s *flow.Session) bool { return t.holds(uint64(s.Size(app.ToClient))) }
		var holds func(*flow.Session) bool
		switch w[0] {
		case "client":
			holds = client
		case "server":
			holds = server
		case "both":
			holds = func(s *flow.Session) bool { return client(s) && server(s) }
		case "either":
			holds = func(s *flow.Session) bool { return client(s) || server(s) }
		default:
			return fmt.Errorf("%q is not server, client, both or either", w[0])
		}
		c.stateTests++
		c.test(func(x *Context) bool { return x.Flow != nil && x.Flow.TCP != nil && holds(x.Flow.TCP) })
		return nil
	},
}
