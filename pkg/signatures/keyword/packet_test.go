package keyword

import (
	"testing"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
)

var (
	clientAddr = decode.Addr{10: 0xff, 11: 0xff, 12: 10, 15: 1}
	serverAddr = decode.Addr{10: 0xff, 11: 0xff, 12: 10, 15: 2}
)

func ip4(change func(*decode.Packet)) *scene {
	p := decode.Packet{IPVersion: 4, Src: clientAddr, Dst: serverAddr, TTL: 64, IPID: 7, IPHeader: make([]byte, 20), Proto: decode.ProtoTCP,
		SrcPort: 4000, DstPort: 80, L4: make([]byte, 20), Flags: decode.SYN, Seq: 100, Ack: 200, Window: 512}
	if change != nil {
		change(&p)
	}
	return &scene{pkt: p}
}

func icmp(v uint8, kind, code uint8) *scene {
	return ip4(func(p *decode.Packet) {
		p.IPVersion, p.Proto, p.ICMPType, p.ICMPCode, p.ICMPID, p.ICMPSeq = v, decode.ProtoICMP, kind, code, 11, 12
		p.L4 = []byte{kind, code, 0, 0, 0, 0, 5, 220}
		p.IPPayload = p.L4
		if v == 6 {
			p.Proto = decode.ProtoICMPv6
		}
	})
}

func payload(s string) *scene {
	return ip4(func(p *decode.Packet) { p.Payload = []byte(s) })
}

func TestIntegersOfPackets(t *testing.T) {
	plain := ip4(nil)
	tagged := ip4(func(p *decode.Packet) { p.VLAN, p.VLANs = [3]uint16{300, 400}, 2 })
	igmpReport := ip4(func(p *decode.Packet) {
		p.Proto, p.IPPayload = decode.ProtoIGMP, []byte{0x16, 0, 0xe9, 0xff, 0, 0, 0, 0}
	})
	call := ip4(func(p *decode.Packet) {
		p.Payload = []byte{0x80, 0, 0, 40, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0x86, 0xa0, 0, 0, 0, 2, 0, 0, 0, 3}
	})
	for _, c := range []struct {
		keyword, hit, miss, reject, err string
		scene                           *scene
	}{
		{"ttl", "64", ">64", "256", `"256" is not in 0-255`, plain},
		{"id", "7", "!7", "x", `"x" is not a number`, plain},
		{"seq", "100", "101", "-1", `"-1" is not a number`, plain},
		{"ack", "<201", "<200", "4294967296", `"4294967296" is not in 0-4294967295`, plain},
		{"tcp.window", "511<>513", "512-600", "5-4", "range 5-4 is empty: the first number must be the smaller", plain},
		{"tcp.mss", ">=1460", "<1460", "3-4", "range 3-4 is empty: the ends of a range do not belong to it", ip4(func(p *decode.Packet) {
			p.TCPOptions = decode.TCPOptions{MSS: 1460, Has: decode.HasMSS}
		})},
		{"tcp.wscale", "7", "6", "300", `"300" is not in 0-255`, ip4(func(p *decode.Packet) { p.TCPOptions = decode.TCPOptions{WindowScale: 7, Has: decode.HasWindowScale} })},
		{"itype", "8", "<8", "256", `"256" is not in 0-255`, icmp(4, 8, 0)},
		{"icode", "3", "4", "256", `"256" is not in 0-255`, icmp(4, 3, 3)},
		{"icmp_id", "11", "12", "65536", `"65536" is not in 0-65535`, icmp(4, 8, 0)},
		{"icmp_seq", "12", "11", "65536", `"65536" is not in 0-65535`, icmp(4, 8, 0)},
		{"icmpv6.mtu", "1500", "<1500", "x", `"x" is not a number`, icmp(6, 2, 0)},
		{"fragoffset", "2", "3", "8192", `"8192" is not in 0-8191`, ip4(func(p *decode.Packet) { p.FragOff = 16 })},
		{"ip_proto", "tcp", "!6", "256", `"256" is not in 0-255`, plain},
		{"vxlan_vni", "5", "6", "0x1000000", `"0x1000000" is not in 0-16777215`, ip4(func(p *decode.Packet) {
			p.Proto, p.Tunnel, p.Payload = decode.ProtoUDP, decode.TunnelVXLAN, []byte{8, 0, 0, 0, 0, 0, 5, 0}
		})},
		{"sctp.vtag", "9", "8", "x", `"x" is not a number`, ip4(func(p *decode.Packet) {
			p.Proto, p.IPPayload = decode.ProtoSCTP, []byte{0, 1, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0}
		})},
		{"tos", "x8", "!8", "256", `"256" is not in 0-255`, ip4(func(p *decode.Packet) { p.TOS = 8 })},
		{"l3_proto", "ipv4", "ip6", "ipx", `"ipx" is not ipv4, ip4, ipv6 or ip6`, plain},
		{"vlan.id", "300", "<300, -1", "4096", `"4096" is not in 0-4095`, tagged},
		{"vlan.layers", "2", ">2", "4", `"4" is not in 0-3`, tagged},
		{"igmp.type", "0x16", "0x11", "256", `"256" is not in 0-255`, igmpReport},
		{"rpc", "100000, *, 3", "100000, 2, 4", "*, 1", `"*, 1" is not PROGRAM, VERSION, PROCEDURE`, call},
		{"dsize", "3", "!3", "1-2", "range 1-2 is empty: the ends of a range do not belong to it", payload("abc")},
	} {
		try(t, c.keyword, []kase{
			{rule: c.keyword + ":" + c.hit + ";", scene: c.scene, want: hit},
			{rule: c.keyword + ":" + c.miss + ";", scene: c.scene, want: miss},
			{rule: c.keyword + ":" + c.reject + ";", want: reject, err: "30: " + c.keyword + ": " + c.err},
		})
	}
}

// TestPayloadOfOtherProtocols: what follows the IP header of a protocol without ports is no payload.
func TestPayloadOfOtherProtocols(t *testing.T) {
	pim := ip4(func(p *decode.Packet) { p.Proto, p.L4, p.Payload = 103, nil, []byte("message") })
	try(t, "dsize", []kase{{rule: "dsize:0;", scene: pim, want: hit}, {rule: "dsize:>0;", scene: pim, want: miss}})
}

// TestPickedUpPacketIsNotEstablished: the packet that a session is picked up at does not belong to an established one.
func TestPickedUpPacketIsNotEstablished(t *testing.T) {
	first := inFlow(func(s *scene) { s.flow.TCP.Midstream = true })
	next := inFlow(func(s *scene) { s.flow.TCP.Midstream, s.result.WasEstablished = true, true })
	try(t, "flow", []kase{
		{rule: "flow:established;", scene: first, want: miss},
		{rule: "flow:not_established;", scene: first, want: hit},
		{rule: "flow:established;", scene: next, want: hit},
		{head: "alert tcp any any -> any any", rule: `flow:established; content:!"x";`, scene: first, want: hit}, // the stream is
	})
}

func TestICMPIdentifierIsOfEchoesAlone(t *testing.T) {
	try(t, "icmp_id", []kase{{rule: "icmp_id:11;", scene: icmp(4, 3, 3), want: miss}, {rule: "icmp_id:11;", scene: icmp(6, 128, 0), want: hit}})
}

func TestFlags(t *testing.T) {
	flags := func(f uint8) *scene { return ip4(func(p *decode.Packet) { p.Flags = f }) }
	try(t, "tcp.flags", []kase{
		{rule: "flags:S;", scene: flags(decode.SYN), want: hit},
		{rule: "flags:S;", scene: flags(decode.SYN | decode.ACK), want: miss},
		{rule: "flags:S+;", scene: flags(decode.SYN | decode.ACK), want: hit},
		{rule: "flags:*SF;", scene: flags(decode.FIN | decode.ACK), want: hit},
		{rule: "flags:!R;", scene: flags(decode.RST), want: miss},
		{rule: "flags:S,CE;", scene: flags(decode.SYN | decode.ECE | decode.CWR), want: hit},
		{rule: "flags:0;", scene: flags(0), want: hit},
		{rule: "tcp.flags:&0x12=0x12;", scene: flags(decode.SYN | decode.ACK), want: hit},
		{rule: "flags:S;", scene: icmp(4, 8, 0), want: miss},
		{rule: "flags:X;", want: reject, err: `30: flags: 'X' is not one of F S R P A U E C 0`},
	})
	fragment := ip4(func(p *decode.Packet) { p.IPFlags = 1 })
	try(t, "fragbits", []kase{
		{rule: "fragbits:M;", scene: fragment, want: hit},
		{rule: "fragbits:M+;", scene: fragment, want: hit},
		{rule: "fragbits:!M;", scene: fragment, want: miss},
		{rule: "fragbits:Q;", want: reject, err: `30: fragbits: 'Q' is not one of M D R`},
	})
}

func TestIPOptions(t *testing.T) {
	rr := ip4(func(p *decode.Packet) { p.IPHeader = append(make([]byte, 20), 1, 7, 3, 4) })
	try(t, "ipopts", []kase{
		{rule: "ipopts:rr;", scene: rr, want: hit},
		{rule: "ipopts:any;", scene: rr, want: hit},
		{rule: "ipopts:lsrr;", scene: rr, want: miss},
		{rule: "ipopts:rr;", scene: ip4(func(p *decode.Packet) { p.IPHeader = append(make([]byte, 20), 68, 0, 7, 7) }), want: miss},
		{rule: "ipopts:xx;", want: reject, err: `30: ipopts: "xx" is not an IP option`},
	})
}

func TestAddresses(t *testing.T) {
	same := ip4(func(p *decode.Packet) { p.Dst = p.Src })
	try(t, "sameip", []kase{{rule: "sameip;", scene: same, want: hit}, {rule: "sameip;", scene: ip4(nil), want: miss}})
	try(t, "ip.src", []kase{{rule: `ip.src; content:"|0a 00 00 01|";`, scene: ip4(nil), want: hit}, {rule: `ip.src; content:"|0a 00 00 02|";`, scene: ip4(nil), want: miss}})
	try(t, "ip.dst", []kase{{rule: `ip.dst; content:"|0a 00 00 02|";`, scene: ip4(nil), want: hit}, {rule: `ip.dst; content:"|0a 00 00 01|";`, scene: ip4(nil), want: miss}})
	try(t, "iprep", []kase{
		{rule: "iprep:src,Bad,>,50;", scene: ip4(nil), want: hit},
		{rule: "iprep:dst,Bad,isset;", scene: ip4(nil), want: miss},
		{rule: "iprep:any,Good,>,1;", want: reject, err: `30: iprep: category "Good" is not in the categories file`},
	})
}

func TestHeaderBuffers(t *testing.T) {
	bytes := func(change func(*decode.Packet)) *scene { return ip4(change) }
	for _, c := range []struct {
		keyword string
		scene   *scene
	}{
		{"ipv4.hdr", bytes(func(p *decode.Packet) { p.IPHeader = []byte("..HIT") })},
		{"ipv6.hdr", bytes(func(p *decode.Packet) { p.IPVersion, p.IPHeader = 6, []byte("..HIT") })},
		{"tcp.hdr", bytes(func(p *decode.Packet) { p.L4 = []byte("..HIT") })},
		{"udp.hdr", bytes(func(p *decode.Packet) { p.Proto, p.L4 = decode.ProtoUDP, []byte("..HIT") })},
		{"icmpv4.hdr", bytes(func(p *decode.Packet) { p.Proto, p.L4, p.IPPayload = decode.ProtoICMP, []byte("."), []byte("..HIT") })},
		{"icmpv6.hdr", bytes(func(p *decode.Packet) {
			p.IPVersion, p.Proto, p.L4, p.IPPayload = 6, decode.ProtoICMPv6, []byte("."), []byte("..HIT")
		})},
		{"igmp.hdr", bytes(func(p *decode.Packet) { p.Proto, p.IPPayload = decode.ProtoIGMP, []byte(".....HIT") })},
		{"ether.hdr", bytes(func(p *decode.Packet) { p.Link, p.Data = decode.LinkEthernet, []byte("...........HIT--") })},
		{"sctp.hdr", bytes(func(p *decode.Packet) { p.Proto, p.IPPayload = decode.ProtoSCTP, []byte("......HIT...--") })},
	} {
		try(t, c.keyword, []kase{
			{rule: c.keyword + `; content:"HIT";`, scene: c.scene, want: hit},
			{rule: c.keyword + `; content:"--";`, scene: c.scene, want: miss},
			{rule: c.keyword + `; content:"HIT";`, scene: payload("HIT"), want: miss},
		})
	}
}

func TestChecksums(t *testing.T) {
	of := func(version, proto uint8, bad bool) *scene {
		return ip4(func(p *decode.Packet) {
			p.IPVersion, p.Proto, p.BadIPChecksum, p.BadL4Checksum = version, proto, bad, bad
			p.IPPayload = []byte{0x16, 0, 0xe9, 0xff, 0, 0, 0, 0} // an IGMP message whose checksum is right
			if bad {
				p.IPPayload[2]++
			}
		})
	}
	for name, c := range map[string][2]uint8{"ipv4-csum": {4, 6}, "tcpv4-csum": {4, 6}, "tcpv6-csum": {6, 6}, "udpv4-csum": {4, 17}, "udpv6-csum": {6, 17},
		"icmpv4-csum": {4, 1}, "icmpv6-csum": {6, 58}, "igmp-csum": {4, 2}} {
		try(t, name, []kase{
			{rule: name + ":invalid;", scene: of(c[0], c[1], true), want: hit},
			{rule: name + ":valid;", scene: of(c[0], c[1], false), want: hit},
			{rule: name + ":invalid;", scene: of(c[0], c[1], false), want: miss},
			{rule: name + ":good;", want: reject, err: "30: " + name + `: "good" is not valid or invalid`},
		})
	}
}

func inFlow(change func(*scene)) *scene {
	s := ip4(nil)
	s.flow = &flow.Flow{Packets: [2]uint64{3, 2}, Bytes: [2]uint64{300, 200}, Start: 1e9, App: app.HTTP1, AppDir: [2]app.Proto{app.HTTP1, app.HTTP1}, TCP: &flow.Session{}}
	s.result.Established = true
	s.now = 6e9
	if change != nil {
		change(s)
	}
	return s
}

func TestFlow(t *testing.T) {
	there := inFlow(nil)
	back := inFlow(func(s *scene) { s.dir = app.ToClient })
	begun := inFlow(func(s *scene) { s.result.Established = false })
	rebuilt := inFlow(func(s *scene) { s.pkt.Rebuilt = true })
	try(t, "flow", []kase{
		{rule: "flow:to_server,established;", scene: there, want: hit},
		{rule: "flow:from_client;", scene: back, want: miss},
		{rule: "flow:from_server, established;", scene: back, want: hit},
		{rule: "flow:established;", scene: begun, want: miss},
		{rule: "flow:not_established;", scene: begun, want: hit},
		{rule: "flow:stateless;", scene: ip4(nil), want: miss},
		{rule: "flow:only_frag;", scene: rebuilt, want: hit},
		{rule: "flow:no_frag;", scene: rebuilt, want: miss},
		{rule: "flow:sideways;", want: reject, err: `30: flow: "sideways" is not one of to_server, to_client, from_server, from_client, established, not_established, stateless, no_stream, only_stream, no_frag, only_frag`},
		{rule: "flow:to_server,to_client;", want: reject, err: "30: flow: the rule already asks for the other direction"},
		{rule: "flow:established,not_established;", want: reject, err: "30: flow: established and not_established exclude each other"},
		{rule: "flow:no_stream,only_stream;", want: reject, err: "30: flow: no_stream and only_stream exclude each other"},
	})
	for _, c := range [][4]string{
		{"flow.age", "5", "6", "x"}, {"flow.pkts", "toserver,3", "toclient,3", "both"}, {"flow.bytes", "either,>250", "toclient,>250", "both"},
		{"flow.pkts_toserver", "3", "2", "x"}, {"flow.pkts_toclient", "2", "3", "x"}, {"flow.bytes_toserver", "300", "<300", "x"}, {"flow.bytes_toclient", "200", "<200", "x"},
	} {
		err := `"x" is not a number`
		if c[3] == "both" {
			err = `"both" is not toserver|toclient|either, N`
		}
		try(t, c[0], []kase{{rule: c[0] + ":" + c[1] + ";", scene: there, want: hit}, {rule: c[0] + ":" + c[2] + ";", scene: there, want: miss},
			{rule: c[0] + ":" + c[3] + ";", want: reject, err: "30: " + c[0] + ": " + err}})
	}
	try(t, "stream_size", []kase{
		{rule: "stream_size:both,=,0;", scene: there, want: hit},
		{rule: "stream_size:either,>,0;", scene: there, want: miss},
		{rule: "stream_size:all,>,0;", want: reject, err: `30: stream_size: "all" is not server, client, both or either`},
	})
	unknown := inFlow(func(s *scene) { s.flow.App, s.flow.AppDir = app.Unknown, [2]app.Proto{} })
	try(t, "app-layer-protocol", []kase{
		{rule: "app-layer-protocol:http;", scene: there, want: hit},
		{rule: "app-layer-protocol:!http;", scene: there, want: miss},
		{rule: "app-layer-protocol:!tls;", scene: there, want: hit},
		{rule: "app-layer-protocol:!tls;", scene: unknown, want: miss},
		{rule: "app-layer-protocol:unknown;", scene: unknown, want: hit},
		{rule: "app-layer-protocol:http1,to_client;", scene: there, want: hit},
		{rule: "app-layer-protocol:gopher;", want: reject, err: `30: app-layer-protocol: protocol "gopher" is not known`},
	})
}

func TestEvents(t *testing.T) {
	bad := ip4(func(p *decode.Packet) { p.Events.Add(decode.IPv4TruncatedPacket) })
	try(t, "decode-event", []kase{
		{rule: "decode-event:ipv4.trunc_pkt;", scene: bad, want: hit},
		{rule: "decode-event:ipv4.hlen_too_small;", scene: bad, want: miss},
		{rule: "decode-event:ipv4.nothing;", want: reject, err: `30: decode-event: "ipv4.nothing" is not a decoder event`},
	})
	odd := inFlow(func(s *scene) { s.result.Stream.Add(flow.StreamHandshakeSynFlood) })
	try(t, "stream-event", []kase{
		{rule: "stream-event:3whs_syn_flood;", scene: odd, want: hit},
		{rule: "stream-event:fin_out_of_window;", scene: odd, want: miss},
		{rule: "stream-event:nothing;", want: reject, err: `30: stream-event: "nothing" is not a stream event`},
	})
	wrong := inFlow(func(s *scene) { s.flow.AppEvents.Add(flow.AppMismatchBothDirections) })
	try(t, "app-layer-event", []kase{
		{rule: "app-layer-event:applayer_mismatch_protocol_both_directions;", scene: wrong, want: hit},
		{rule: "app-layer-event:applayer_no_tls_after_starttls;", scene: wrong, want: miss},
		{rule: "app-layer-event:gopher.odd;", want: reject, err: `30: app-layer-event: "gopher.odd" is not protocol.event`},
	})
}
