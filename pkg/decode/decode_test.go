package decode_test

import (
	"encoding/hex"
	"testing"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/decode/packettest"
)

func frame(link decode.LinkType, b []byte) decode.Frame {
	return decode.Frame{Data: b, WireLen: len(b), Link: link}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTCP(t *testing.T) {
	b := packettest.IP4("1.2.3.4", "5.6.7.8").TTL(3).TCP(1234, 80, "SA").Seq(7, 9).Window(512).
		TCPOptions(2, 4, 5, 180, 3, 3, 7, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2).Payload("hello").VLAN(5).VLAN(6)
	p := b.Packet(42)
	if p.Invalid || p.Events.Any() || p.BadIPChecksum || p.BadL4Checksum {
		t.Fatalf("invalid %v, events %v, checksums %v %v", p.Invalid, p.Events, p.BadIPChecksum, p.BadL4Checksum)
	}
	if p.VLANs != 2 || p.VLAN != [3]uint16{5, 6} || p.EtherType != 0x0800 || p.IPOffset != 22 {
		t.Errorf("vlan %v %d, type %#x, ip at %d", p.VLAN, p.VLANs, p.EtherType, p.IPOffset)
	}
	if p.Src.IP().String() != "1.2.3.4" || p.Dst.IP().String() != "5.6.7.8" || p.TTL != 3 || p.SrcPort != 1234 || p.DstPort != 80 {
		t.Errorf("%v:%d > %v:%d ttl %d", p.Src.IP(), p.SrcPort, p.Dst.IP(), p.DstPort, p.TTL)
	}
	if p.Seq != 7 || p.Ack != 9 || p.Window != 512 || p.Flags != decode.SYN|decode.ACK || string(p.Payload) != "hello" {
		t.Errorf("seq %d ack %d win %d flags %x payload %q", p.Seq, p.Ack, p.Window, p.Flags, p.Payload)
	}
	want := decode.TCPOptions{MSS: 1460, WindowScale: 7, TSVal: 1, TSEcr: 2,
		Has: decode.HasMSS | decode.HasWindowScale | decode.HasSACKPermitted | decode.HasTimestamps}
	if p.TCPOptions != want {
		t.Errorf("options %+v, want %+v", p.TCPOptions, want)
	}
	if q := b.Clone().BadChecksum().Packet(0); !q.BadL4Checksum || q.BadIPChecksum {
		t.Error("a bad TCP checksum was not noticed")
	}
	if q := b.Clone().BadIPChecksum().Packet(0); q.BadL4Checksum || !q.BadIPChecksum {
		t.Error("a bad IP checksum was not noticed")
	}
}

func TestIPv6Extensions(t *testing.T) {
	p := packettest.IP6("fd00::1", "fd00::2").Extension(0, 5, 2, 0, 0).Extension(60, 1, 2, 0, 0).UDP(53, 53).Payload("x").Packet(0)
	if p.Invalid || p.IPVersion != 6 || p.Proto != decode.ProtoUDP || p.SrcPort != 53 || string(p.Payload) != "x" || p.BadL4Checksum {
		t.Fatalf("%+v", p)
	}
	if len(p.IPHeader) != 56 {
		t.Errorf("header is %d bytes, want 40 and two extensions of 8", len(p.IPHeader))
	}
	if !p.Events.Has(decode.IPv6DestOptsOnlyPadding) || p.Events.Has(decode.IPv6HopOptsOnlyPadding) {
		t.Error("padding in destination options was not told from a router alert")
	}
}

func TestFragmentHeaders(t *testing.T) {
	for _, ip := range [][2]string{{"1.2.3.4", "5.6.7.8"}, {"fd00::1", "fd00::2"}} {
		p := packettest.IP(ip[0], ip[1]).Proto(17).ID(77).Fragment(16, true).Payload("12345678").Packet(0)
		if !p.Fragment || p.FragOff != 16 || p.IPFlags&1 != 1 || p.IPID != 77 || p.L4 != nil || string(p.IPPayload) != "12345678" {
			t.Errorf("%s: fragment %v offset %d flags %d id %d payload %q", ip[0], p.Fragment, p.FragOff, p.IPFlags, p.IPID, p.IPPayload)
		}
		head := p.AppendUnfragmented(nil)
		decode.SetIPLength(head[p.IPOffset:])
		var q decode.Packet
		decode.Default().Decode(&q, frame(decode.LinkEthernet, head))
		if q.Fragment || q.Proto != 17 || q.Src != p.Src || q.BadIPChecksum {
			t.Errorf("%s: without fragment fields: %+v", ip[0], q)
		}
	}
}

// TestEvents holds frames that are wrong in one way against the event that says so.
func TestEvents(t *testing.T) {
	ip4 := packettest.IP4("1.2.3.4", "5.6.7.8")
	ip6 := packettest.IP6("fd00::1", "fd00::2")
	set := func(b []byte, at int, v byte) []byte { b[at] = v; return b }
	for _, tt := range []struct {
		name    string
		link    decode.LinkType
		data    []byte
		invalid bool
	}{
		{"ethernet.pkt_too_small", decode.LinkEthernet, make([]byte, 13), true},
		{"ethernet.unknown_ethertype", decode.LinkEthernet, set(make([]byte, 60), 12, 0x12), false},
		{"ipv4.pkt_too_small", decode.LinkIPv4, ip4.Clone().Raw()[:19], true},
		{"ipv4.hlen_too_small", decode.LinkRaw, set(ip4.Clone().Raw(), 0, 0x44), true},
		{"ipv4.iplen_smaller_than_hlen", decode.LinkRaw, set(ip4.Clone().Raw(), 3, 19), true},
		{"ipv4.trunc_pkt", decode.LinkRaw, set(ip4.Clone().Raw(), 3, 21), true},
		{"ipv4.opt_invalid_len", decode.LinkRaw, ip4.Clone().Options(7, 1, 0, 0).Raw(), false},
		{"ipv4.opt_pad_required", decode.LinkRaw, ip4.Clone().Options(148, 4, 0, 0).Raw(), false},
		{"ipv4.opt_unknown", decode.LinkRaw, ip4.Clone().Options(200, 4, 0, 0).Raw(), false},
		{"ipv4.opt_duplicate", decode.LinkRaw, ip4.Clone().Options(148, 4, 0, 0, 148, 4, 0, 0).Raw(), false},
		{"ipv4.unknown_protocol", decode.LinkRaw, ip4.Clone().Proto(250).Payload("x").Raw(), false},
		{"ipv4.icmpv6", decode.LinkRaw, ip4.Clone().Proto(58).Payload("12345678").Raw(), false},
		{"ipv6.pkt_too_small", decode.LinkRaw, ip6.Clone().Raw()[:39], true},
		{"ipv6.trunc_pkt", decode.LinkRaw, set(ip6.Clone().Raw(), 5, 1), true},
		{"ipv6.rh_type_0", decode.LinkRaw, ip6.Clone().Extension(43, 0, 0).UDP(1, 2).Raw(), false},
		{"ipv6.exthdr_dupl_rh", decode.LinkRaw, ip6.Clone().Extension(43, 2, 0).Extension(43, 2, 0).UDP(1, 2).Raw(), false},
		{"ipv6.exthdr_dupl_hh", decode.LinkRaw, ip6.Clone().Extension(0, 5, 2).Extension(0, 5, 2).UDP(1, 2).Raw(), false},
		{"ipv6.exthdr_useless_fh", decode.LinkRaw, ip6.Clone().Fragment(0, false).UDP(1, 2).Raw(), false},
		{"ipv6.zero_len_padn", decode.LinkRaw, ip6.Clone().Extension(0, 1, 0).UDP(1, 2).Raw(), false},
		{"ipv6.unknown_next_header", decode.LinkRaw, ip6.Clone().Proto(250).Payload("x").Raw(), false},
		{"ipv6.data_after_none_header", decode.LinkRaw, ip6.Clone().Proto(59).Payload("x").Raw(), false},
		{"ipv6.icmpv4", decode.LinkRaw, ip6.Clone().Proto(1).Payload("12345678").Raw(), false},
		{"tcp.pkt_too_small", decode.LinkRaw, ip4.Clone().Proto(6).Payload("1234567890123456789").Raw(), true},
		{"tcp.hlen_too_small", decode.LinkRaw, set(ip4.Clone().TCP(1, 2, "S").Raw(), 32, 0x40), true},
		{"tcp.invalid_optlen", decode.LinkRaw, set(ip4.Clone().TCP(1, 2, "S").Raw(), 32, 0xf0), true},
		{"tcp.opt_invalid_len", decode.LinkRaw, ip4.Clone().TCP(1, 2, "S").TCPOptions(2, 3, 0).Raw(), false},
		{"tcp.opt_duplicate", decode.LinkRaw, ip4.Clone().TCP(1, 2, "S").TCPOptions(4, 2, 4, 2).Raw(), false},
		{"udp.hlen_too_small", decode.LinkRaw, ip4.Clone().Proto(17).Payload("1234567").Raw(), true},
		{"udp.pkt_too_small", decode.LinkRaw, set(ip4.Clone().UDP(1, 2).Raw(), 25, 9), true},
		{"udp.len_invalid", decode.LinkRaw, set(ip4.Clone().UDP(1, 2).Payload("ab").Raw(), 25, 9), false},
		{"icmpv4.pkt_too_small", decode.LinkRaw, ip4.Clone().Proto(1).Payload("1234567").Raw(), true},
		{"icmpv4.unknown_type", decode.LinkRaw, ip4.Clone().ICMP(99, 0, 0, 0).Raw(), false},
		{"icmpv4.unknown_code", decode.LinkRaw, ip4.Clone().ICMP(8, 1, 0, 0).Raw(), false},
		{"icmpv4.ipv4_trunc_pkt", decode.LinkRaw, ip4.Clone().ICMP(3, 1, 0, 0).Payload("x").Raw(), false},
		{"icmpv4.ipv4_unknown_ver", decode.LinkRaw, ip4.Clone().ICMP(3, 1, 0, 0).Bytes(make([]byte, 28)).Raw(), false},
		{"icmpv6.unassigned_type", decode.LinkRaw, ip6.Clone().ICMP(99, 0, 0, 0).Raw(), false},
		{"icmpv6.mld_message_with_invalid_hl", decode.LinkRaw, ip6.Clone().ICMP(130, 0, 0, 0).Raw(), false},
		{"sctp.pkt_too_small", decode.LinkRaw, ip4.Clone().Proto(132).Payload("12345678901").Raw(), true},
		{"sctp.chunk_len_invalid", decode.LinkRaw, ip4.Clone().Proto(132).Bytes(make([]byte, 16)).Raw(), false},
		{"gre.pkt_too_small", decode.LinkRaw, ip4.Clone().Proto(47).Payload("123").Raw(), true},
		{"gre.wrong_version", decode.LinkRaw, ip4.Clone().Proto(47).Bytes([]byte{0, 3, 8, 0}).Raw(), true},
		{"gre.version1_no_key", decode.LinkRaw, ip4.Clone().Proto(47).Bytes([]byte{0, 1, 0x88, 0x0b}).Raw(), true},
		{"erspan.header_too_small", decode.LinkRaw, ip4.Clone().Proto(47).Bytes([]byte{0x10, 0, 0x88, 0xbe, 0, 0, 0, 1}).Raw(), true},
		{"vlan.header_too_small", decode.LinkEthernet, append(make([]byte, 12), 0x81, 0), true},
		{"vlan.too_many_layers", decode.LinkEthernet, append(make([]byte, 12), unhex(t, "810000018100000281000003810000040800")...), true},
		{"vlan.unknown_type", decode.LinkEthernet, append(make([]byte, 12), unhex(t, "810000011234")...), false},
		{"mpls.bad_label_implicit_null", decode.LinkEthernet, append(make([]byte, 12), unhex(t, "8847000031ff45000000")...), false},
		{"pppoe.wrong_code", decode.LinkEthernet, append(make([]byte, 12), unhex(t, "886411010000000000000021")...), true},
		{"ppp.wrong_type", decode.LinkPPP, unhex(t, "ff03123500"), true},
		{"ppp.unsup_proto", decode.LinkPPP, unhex(t, "ff03002b00"), false},
		{"ltnull.unsupported_type", decode.LinkNull, unhex(t, "6300000045"), true},
		{"chdlc.pkt_too_small", decode.LinkCHDLC, unhex(t, "0f0008"), true},
		{"sll.pkt_too_small", decode.LinkSLL, make([]byte, 15), true},
		{"ipraw.invalid_ip_version", decode.LinkRaw, []byte{0x50}, true},
		{"igmp.pkt_too_small", decode.LinkRaw, ip4.Clone().Proto(2).Payload("1").Raw(), true},
		{"arp.unsupported_opcode", decode.LinkEthernet, append(make([]byte, 12), unhex(t, "08060001080006040063"+"00000000000000000000000000000000000000000000")...), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, ok := decode.EventByName(tt.name)
			if !ok || e.String() != tt.name {
				t.Fatalf("no event of this name")
			}
			var p decode.Packet
			decode.Default().Decode(&p, frame(tt.link, tt.data))
			if !p.Events.Has(e) || p.Invalid != tt.invalid {
				var got []string
				for e := range p.Events.All() {
					got = append(got, e.String())
				}
				t.Errorf("events %v, invalid %v, want %v", got, p.Invalid, tt.invalid)
			}
		})
	}
}

func TestTunnels(t *testing.T) {
	inner := packettest.IP4("10.0.0.1", "10.0.0.2").TCP(1, 80, "S")
	inner6 := packettest.IP6("fd00::1", "fd00::2").UDP(1, 53).Payload("q")
	outer := func() *packettest.Builder { return packettest.IP4("1.1.1.1", "2.2.2.2") }
	aws := packettest.AWS(0xabcdef0123456789, 0, 0xc00c1e)
	reversed := []packettest.Option{{Class: 0xffff, Type: 0x80}, aws[2], {Class: 0x0102, Type: 1, Value: make([]byte, 8)}, aws[0]}
	for _, tt := range []struct {
		name   string
		data   []byte
		source decode.Source
		tenant uint64
		cookie uint32
		depth  uint8
		vlan   uint16
	}{
		{"geneve", packettest.GENEVE("1.1.1.1", "2.2.2.2", aws, inner.Raw()), decode.SourceGENEVE, 0xabcdef0123456789, 0xc00c1e, 1, 0},
		{"geneve, options in any order", packettest.GENEVE("1.1.1.1", "2.2.2.2", reversed, inner.Raw()), decode.SourceGENEVE, 0xabcdef0123456789, 0xc00c1e, 1, 0},
		{"geneve, tencent", packettest.GENEVE("1.1.1.1", "2.2.2.2", []packettest.Option{{Class: 0x0167, Type: 1, Value: []byte{0, 0, 0, 0, 0, 0, 0, 9}}}, inner.Raw()), decode.SourceGENEVE, 9, 0, 1, 0},
		{"geneve, ethernet and vni", outer().UDP(9, 6081).Bytes(packettest.GENEVEHeader(77, nil, inner.Clone().VLAN(3).Ethernet())).Ethernet(), decode.SourceGENEVE, 77, 0, 1, 3},
		{"vxlan", outer().UDP(9, 4789).Bytes(append([]byte{8, 0, 0, 0, 0, 1, 2, 0}, inner.Ethernet()...)).Ethernet(), decode.SourceVXLAN, 0x102, 0, 1, 0},
		{"mirror through a gateway load balancer", packettest.GENEVE("1.1.1.1", "2.2.2.2", aws, packettest.VXLAN("3.3.3.3", "4.4.4.4", 5, inner.Ethernet())), decode.SourceVXLAN, 0xabcdef0123456789, 0xc00c1e, 2, 0},
		{"gre", outer().Header(47, 0, 0, 8, 0).Bytes(inner.Raw()).Ethernet(), decode.SourceGRE, 0, 0, 1, 0},
		{"gre with checksum, key and sequence", outer().Header(47, 0xb0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2).Bytes(inner.Raw()).Ethernet(), decode.SourceGRE, 0, 0, 1, 0},
		{"gre bridging", outer().Header(47, 0, 0, 0x65, 0x58).Bytes(inner.Ethernet()).Ethernet(), decode.SourceGRE, 0, 0, 1, 0},
		{"pptp", outer().Header(47, 0x30, 1, 0x88, 0x0b, 0, 0, 0, 1, 0, 0, 0, 2).Bytes(append([]byte{0xff, 3, 0, 0x21}, inner.Raw()...)).Ethernet(), decode.SourceGRE, 0, 0, 1, 0},
		{"erspan 1", outer().Header(47, 0, 0, 0x88, 0xbe).Bytes(inner.Ethernet()).Ethernet(), decode.SourceGRE, 0, 0, 1, 0},
		{"erspan 2", outer().Header(47, 0x10, 0, 0x88, 0xbe, 0, 0, 0, 1).Bytes(append([]byte{0x10, 9, 0, 0, 0, 0, 0, 0}, inner.Ethernet()...)).Ethernet(), decode.SourceGRE, 0, 0, 1, 9},
		{"ipip", outer().Proto(4).Bytes(inner.Raw()).Ethernet(), decode.SourceIPv4, 0, 0, 1, 0},
		{"4in6", packettest.IP6("fd01::1", "fd01::2").Proto(4).Bytes(inner.Raw()).Ethernet(), decode.SourceIPv6, 0, 0, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := decode.Default()
			var layers [decode.MaxDepth + 1]decode.Packet
			d.Decode(&layers[0], frame(decode.LinkEthernet, tt.data))
			n := 0
			for n < decode.MaxDepth && d.Inner(&layers[n], &layers[n+1]) {
				n++
			}
			p := &layers[n]
			if p.DstPort != 80 || p.Src.IP().String() != "10.0.0.1" || p.BadL4Checksum || p.Invalid {
				t.Fatalf("innermost at depth %d: %+v", n, p)
			}
			if p.Source != tt.source || p.Tenant != tt.tenant || p.Cookie != tt.cookie || p.Depth != tt.depth || p.VLAN[0] != tt.vlan {
				t.Errorf("source %v tenant %#x cookie %#x depth %d vlan %d", p.Source, p.Tenant, p.Cookie, p.Depth, p.VLAN[0])
			}
		})
	}
	t.Run("teredo and 6in4", func(t *testing.T) {
		d := decode.Default()
		for _, data := range [][]byte{
			outer().UDP(3544, 9999).Bytes(append([]byte{0, 0, 1, 2, 3, 4, 5, 6}, inner6.Raw()...)).Ethernet(),
			outer().Proto(41).Bytes(inner6.Raw()).Ethernet(),
		} {
			var p, q decode.Packet
			d.Decode(&p, frame(decode.LinkEthernet, data))
			if !d.Inner(&p, &q) || q.IPVersion != 6 || q.DstPort != 53 || string(q.Payload) != "q" {
				t.Errorf("tunnel %v: %+v", p.Tunnel, q)
			}
		}
	})
}

func TestCut(t *testing.T) {
	b := packettest.IP4("1.2.3.4", "5.6.7.8").TCP(1, 80, "A").Payload("0123456789").Ethernet()
	f := frame(decode.LinkEthernet, b[:len(b)-4])
	f.WireLen = len(b)
	var p decode.Packet
	d := decode.Default()
	if d.Decode(&p, f); !p.Invalid || p.IPVersion != 0 {
		t.Error("a cut packet was read though nobody asked for it")
	}
	d.Cut = true
	if d.Decode(&p, f); p.Invalid || string(p.Payload) != "012345" || p.BadL4Checksum {
		t.Errorf("cut packet: %+v", p)
	}
	f.WireLen = len(f.Data) // the sender lied, the capture did not cut
	if d.Decode(&p, f); !p.Invalid {
		t.Error("a packet shorter than it says was read")
	}
}

func TestNoAllocations(t *testing.T) {
	frames := [][]byte{
		packettest.IP4("1.2.3.4", "5.6.7.8").TCP(1, 80, "SA").TCPOptions(2, 4, 5, 180).Payload("x").Ethernet(),
		packettest.GENEVE("1.1.1.1", "2.2.2.2", packettest.AWS(1, 2, 3), packettest.IP6("fd00::1", "fd00::2").UDP(1, 2).Raw()),
		packettest.IP4("1.2.3.4", "5.6.7.8").Options(7, 3, 99, 0).ICMP(99, 1, 2, 3).Ethernet(),
		{1, 2, 3},
	}
	d := decode.Default()
	var p, q decode.Packet
	if n := testing.AllocsPerRun(100, func() {
		for _, f := range frames {
			d.Decode(&p, frame(decode.LinkEthernet, f))
			d.Inner(&p, &q)
		}
	}); n != 0 {
		t.Errorf("%v allocations a run, want none", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	d := decode.Decoder{}
	tcp := frame(decode.LinkEthernet, packettest.IP4("1.2.3.4", "5.6.7.8").TCP(1, 80, "A").Payload("GET / HTTP/1.1\r\n").Ethernet())
	geneve := frame(decode.LinkEthernet, packettest.GENEVE("1.1.1.1", "2.2.2.2", packettest.AWS(1, 2, 3), packettest.IP4("1.2.3.4", "5.6.7.8").TCP(1, 80, "A").Raw()))
	var p, q decode.Packet
	b.Run("tcp", func(b *testing.B) {
		for b.Loop() {
			d.Decode(&p, tcp)
		}
	})
	d.GENEVE = []uint16{6081}
	b.Run("geneve", func(b *testing.B) {
		for b.Loop() {
			d.Decode(&p, geneve)
			d.Inner(&p, &q)
		}
	})
}
