package bpf

import (
	"fmt"
	"testing"
	"time"
)

// TestVerifierBudget keeps the program far from the verifier's limit of a million instructions, and loading quick.
func TestVerifierBudget(t *testing.T) {
	const budget = 100_000
	for _, o := range []Options{
		{Mode: ModeHost}, {Mode: ModeGWLB}, {Mode: ModeBridge}, {Mode: ModeMirror},
		{Mode: ModeHost, objects: []object{}}, {Mode: ModeGWLB, objects: []object{}},
		{Mode: ModeHost, old: true}, {Mode: ModeMirror, old: true}, {Mode: ModeHost, Frags: true}, {Mode: ModeMirror, Frags: true},
		{Mode: ModeGWLB, Frags: true}, {Mode: ModeBridge, Frags: true},
	} {
		what := fmt.Sprintf("%v old %v frags %v alone %v", o.Mode, o.old, o.Frags, o.objects != nil)
		if o.Frags && !HaveFrags() {
			t.Logf("%s: needs Linux 5.18", what)
			continue
		}
		info, err := mustLoad(t, o).Program().Info()
		if err != nil {
			t.Fatal(err)
		}
		n, ok := info.VerifiedInstructions()
		if !ok {
			t.Logf("%s: loads; before Linux 5.16 the kernel does not say how many instructions it verified", what)
			continue
		}
		if n > budget {
			t.Errorf("%s: verifier looked at %d instructions, budget %d", what, n, budget)
		}
		t.Logf("%s: %d instructions verified", what, n)
	}
}

const (
	bad4, good4, server4 = "203.0.113.5", "203.0.113.6", "198.51.100.7"
	bad6, good6, server6 = "2001:db8:1::5", "2001:db8:2::6", "2001:db8:3::7"
)

// from is a clean TCP packet from src, IPv4 or IPv6.
func from(src string) []byte {
	if addr(src).Is4() {
		return eth(ethIP4, ip4(src, server4, protoTCP, tcp(4000, 443, "A")))
	}
	return eth(ethIP6, ip6(src, server6, protoTCP, tcp(4000, 443, "A")))
}

// TestFindsThePacket sends a listed source's packet in every wrapping the parser opens, and checks that it is judged.
func TestFindsThePacket(parent *testing.T) {
	rs := rigs{}
	t4 := tcp(4000, 443, "A")
	in4 := ip4(bad4, server4, protoTCP, t4)
	in6 := ip6(bad6, server6, protoTCP, t4)
	v4opts := join( // with 4 bytes of IP options
		[]byte{0x46, 0}, be16(24+len(t4)), in4[4:20], []byte{1, 1, 1, 0}, t4)
	longOptions := join([]byte{1, 0x67, 9, 3}, make([]byte, 12), awsOptions())
	inVXLAN := func(packet []byte) []byte {
		return eth(ethIP4, ip4("10.9.0.1", "10.9.0.2", protoUDP, vxlan(7, packet)))
	}
	for _, c := range []struct {
		name  string
		mode  Mode
		frame []byte
	}{
		{"ipv4", ModeHost, eth(ethIP4, in4)},
		{"ipv6", ModeHost, eth(ethIP6, in6)},
		{"ipv4 options", ModeHost, eth(ethIP4, v4opts)},
		{"vlan", ModeHost, eth(0x8100, vlan(5, ethIP4, in4))},
		{"qinq", ModeHost, eth(0x88a8, vlan(5, 0x8100, vlan(6, ethIP6, in6)))},
		{"ipv6 one extension", ModeHost, eth(ethIP6, ip6(bad6, server6, 0, ext6(protoTCP, t4)))},
		{"ipv6 six extensions", ModeHost, eth(ethIP6, ip6(bad6, server6, 0,
			ext6(60, ext6(43, ext6(60, ext6(60, ext6(60, ext6(protoTCP, t4))))))))},
		{"ipv6 authentication header", ModeHost, eth(ethIP6, ip6(bad6, server6, 51,
			join([]byte{protoTCP, 4}, make([]byte, 22), t4)))},
		{"ipv4 first fragment", ModeHost, eth(ethIP4, ip4frag(bad4, server4, protoTCP, 0x2000, t4))},
		{"ipv4 later fragment", ModeHost, eth(ethIP4, ip4frag(bad4, server4, protoTCP, 100, t4))},
		{"ipv6 first fragment", ModeHost, eth(ethIP6, ip6(bad6, server6, 44, frag6(protoTCP, 0, true, t4)))},
		{"ipv6 later fragment", ModeHost, eth(ethIP6, ip6(bad6, server6, 44, frag6(protoTCP, 800, false, t4)))},
		{"geneve ipv4", ModeGWLB, gwlb(in4)},
		{"geneve ipv6", ModeGWLB, gwlb(in6)},
		{"geneve no options", ModeGWLB, eth(ethIP4, ip4("10.9.0.1", "10.9.0.2", protoUDP, geneve(nil, ethIP4, in4)))},
		{"geneve strange options first", ModeGWLB,
			eth(ethIP4, ip4("10.9.0.1", "10.9.0.2", protoUDP, geneve(longOptions, ethIP4, in4)))},
		{"geneve ethernet inside", ModeGWLB,
			eth(ethIP4, ip4("10.9.0.1", "10.9.0.2", protoUDP, geneve(nil, 0x6558, eth(0x8100, vlan(9, ethIP4, in4)))))},
		{"geneve in ipv6, vlan", ModeGWLB,
			eth(0x8100, vlan(3, ethIP6, ip6("fd00::1", "fd00::2", protoUDP, geneve(awsOptions(), ethIP4, in4))))},
	} {
		parent.Run(c.name, func(t *testing.T) {
			r := rs.fresh(parent, t, c.mode)
			clean := r.send(c.frame)
			if len(clean.drops) > 0 || clean.paths[PathOther] > 0 {
				t.Errorf("nothing listed, yet drops %v paths %v", clean.drops, clean.paths)
			}
			r.source(bad4, Verdict{Action: actDrop})
			r.source(bad6, Verdict{Action: actDrop})
			r.expect(c.frame, xdpDrop, ReasonSource, ReasonNone)
		})
	}
	for name, frame := range map[string][]byte{
		"vxlan":           inVXLAN(eth(ethIP4, in4)),
		"vxlan vlan ipv6": inVXLAN(eth(0x8100, vlan(2, ethIP6, in6))),
		"vxlan in geneve": gwlb(ip4("10.8.0.1", "10.8.0.2", protoUDP, vxlan(7, eth(ethIP4, in4)))),
		"geneve":          gwlb(in6),
	} {
		parent.Run("mirror "+name, func(t *testing.T) {
			r := rs.fresh(parent, t, ModeMirror)
			r.source(bad4, Verdict{Action: actDrop})
			r.source(bad6, Verdict{Action: actDrop})
			got := r.expect(frame, xdpDrop, ReasonNone, ReasonSource)
			if got.paths[PathConsumed] != 1 {
				t.Errorf("paths %v, want the copy consumed", got.paths)
			}
		})
	}
}

// TestOther checks that what is not for the sensor is left to the stack untouched.
func TestOther(parent *testing.T) {
	rs := rigs{}
	arp := eth(0x0806, make([]byte, 28))
	health := eth(ethIP4, ip4(bad4, server4, protoTCP, tcp(4000, 80, "S")))
	outerFragment := eth(ethIP4, ip4frag("10.9.0.1", "10.9.0.2", protoUDP, 0x2000, geneve(awsOptions(), ethIP4, ip4(bad4, server4, protoTCP, tcp(1, 2, "A")))))
	cut := gwlb(ip4(bad4, server4, protoTCP, tcp(1, 2, "A")))[:50]
	for _, c := range []struct {
		name  string
		mode  Mode
		frame []byte
	}{
		{"host arp", ModeHost, arp},
		{"host cut ethernet", ModeHost, arp[:14]},
		{"gwlb arp", ModeGWLB, arp},
		{"gwlb health check", ModeGWLB, health},
		{"gwlb outer fragment", ModeGWLB, outerFragment},
		{"gwlb tunnel cut short", ModeGWLB, cut},
		{"gwlb vxlan", ModeGWLB, eth(ethIP4, ip4("10.9.0.1", "10.9.0.2", protoUDP, vxlan(7, health)))},
		{"mirror ssh", ModeMirror, eth(ethIP4, ip4(good4, server4, protoTCP, tcp(4000, 22, "S")))},
	} {
		parent.Run(c.name, func(t *testing.T) {
			r := rs.fresh(parent, t, c.mode)
			r.source(bad4, Verdict{Action: actDrop})
			got := r.expect(c.frame, xdpPass, ReasonNone, ReasonNone)
			if got.paths[PathOther] != 1 || string(got.out) != string(c.frame) {
				t.Errorf("paths %v, out %x", got.paths, got.out)
			}
		})
	}
}

// TestVerdicts checks which verdict decides. Each case starts from empty maps.
func TestVerdicts(parent *testing.T) {
	rs := rigs{}
	flow4 := func(r *rig, f Flow) { r.flow(0, bad4+":4000", server4+":443", protoTCP, f) }
	for _, c := range []struct {
		name   string
		setup  func(r *rig)
		frame  []byte
		action uint32
		drop   Reason
		would  Reason
	}{
		{"nothing listed", func(r *rig) {}, from(bad4), xdpPass, 0, 0},
		{"source", func(r *rig) { r.source(bad4, Verdict{Action: actDrop}) }, from(bad4), xdpDrop, ReasonSource, 0},
		{"neighbour of source", func(r *rig) { r.source(bad4, Verdict{Action: actDrop}) }, from(good4), xdpPass, 0, 0},
		{"source ipv6", func(r *rig) { r.source(bad6, Verdict{Action: actDrop}) }, from(bad6), xdpDrop, ReasonSource, 0},
		{"source /64", func(r *rig) { r.source("2001:db8:1::/64", Verdict{Action: actDrop}) }, from("2001:db8:1::1234"), xdpDrop, ReasonSource, 0},
		{"beside the /64", func(r *rig) { r.source("2001:db8:1::/64", Verdict{Action: actDrop}) }, from("2001:db8:1:1::1"), xdpPass, 0, 0},
		{"/128 allowed in a dropped /64", func(r *rig) {
			r.source("2001:db8:1::/64", Verdict{Action: actDrop})
			r.source(bad6, Verdict{Action: actPass})
		}, from(bad6), xdpPass, 0, 0},
		{"prefix", func(r *rig) { r.prefix("203.0.112.0/20", Verdict{Action: actDrop}) }, from(bad4), xdpDrop, ReasonPrefix, 0},
		{"outside prefix", func(r *rig) { r.prefix("203.0.112.0/25", Verdict{Action: actDrop}) }, from(bad4), xdpPass, 0, 0},
		{"prefix ipv6", func(r *rig) { r.prefix("2001:db8::/32", Verdict{Action: actDrop}) }, from(bad6), xdpDrop, ReasonPrefix, 0},
		{"flow", func(r *rig) { flow4(r, Flow{Action: actDrop}) }, from(bad4), xdpDrop, ReasonFlow, 0},
		{"flow, other direction", func(r *rig) { flow4(r, Flow{Action: actDrop}) },
			eth(ethIP4, ip4(server4, bad4, protoTCP, tcp(443, 4000, "A"))), xdpDrop, ReasonFlow, 0},
		{"flow, other port", func(r *rig) { r.flow(0, bad4+":4001", server4+":443", protoTCP, Flow{Action: actDrop}) }, from(bad4), xdpPass, 0, 0},
		{"flow, other tenant", func(r *rig) { r.flow(9, bad4+":4000", server4+":443", protoTCP, Flow{Action: actDrop}) }, from(bad4), xdpPass, 0, 0},
		{"flow dropped, first fragment", func(r *rig) { flow4(r, Flow{Action: actDrop}) },
			eth(ethIP4, ip4frag(bad4, server4, protoTCP, 0x2000, tcp(4000, 443, "A"))), xdpDrop, ReasonFlow, 0},

		{"expired source", func(r *rig) { r.source(bad4, Verdict{Action: actDrop, Expires: r.tick() - 1}) }, from(bad4), xdpPass, 0, 0},
		{"expired prefix", func(r *rig) { r.prefix("203.0.112.0/20", Verdict{Action: actDrop, Expires: r.tick() - 1}) }, from(bad4), xdpPass, 0, 0},
		{"expired flow", func(r *rig) { flow4(r, Flow{Action: actDrop, Expires: r.tick() - 1}) }, from(bad4), xdpPass, 0, 0},
		{"expired allow uncovers drop", func(r *rig) {
			r.prefix("203.0.112.0/20", Verdict{Action: actDrop})
			r.source(bad4, Verdict{Action: actPass, Rank: 4, Expires: r.tick() - 1})
		}, from(bad4), xdpDrop, ReasonPrefix, 0},

		{"narrowed to port", func(r *rig) { r.source(bad4, Verdict{Action: actDrop, Port: 443}) }, from(bad4), xdpDrop, ReasonSource, 0},
		{"narrowed to other port", func(r *rig) { r.source(bad4, Verdict{Action: actDrop, Port: 80}) }, from(bad4), xdpPass, 0, 0},
		{"narrowed to other protocol", func(r *rig) { r.source(bad4, Verdict{Action: actDrop, Proto: protoUDP}) }, from(bad4), xdpPass, 0, 0},
		{"narrowed to destination", func(r *rig) {
			r.source(bad4, Verdict{Action: actDrop, Target: r.aim("198.51.100.0/24")})
		}, from(bad4), xdpDrop, ReasonSource, 0},
		{"narrowed to other destination", func(r *rig) {
			r.source(bad4, Verdict{Action: actDrop, Target: r.aim("198.51.101.0/24")})
		}, from(bad4), xdpPass, 0, 0},
		{"second of a chain", func(r *rig) {
			second := r.add(Verdict{Action: actDrop, Port: 443}, bad4)
			r.source(bad4, Verdict{Action: actDrop, Port: 80, Next: second})
		}, from(bad4), xdpDrop, ReasonSource, 0},

		{"higher rank wins: prefix allow over source drop", func(r *rig) {
			r.source(bad4, Verdict{Action: actDrop, Rank: 3})
			r.prefix("203.0.112.0/20", Verdict{Action: actPass, Rank: 4})
		}, from(bad4), xdpPass, 0, 0},
		{"higher rank wins: source allow over flow drop", func(r *rig) {
			flow4(r, Flow{Action: actDrop, Rank: 2})
			r.source(bad4, Verdict{Action: actPass, Rank: 4})
		}, from(bad4), xdpPass, 0, 0},
		{"same rank: flow over source", func(r *rig) {
			flow4(r, Flow{Action: actBypass})
			r.source(bad4, Verdict{Action: actDrop})
		}, from(bad4), xdpPass, 0, 0},
		{"same rank: source over prefix", func(r *rig) {
			r.prefix("203.0.112.0/20", Verdict{Action: actPass})
			r.source(bad4, Verdict{Action: actDrop})
		}, from(bad4), xdpDrop, ReasonSource, 0},
		{"wider prefix of higher rank, by chain", func(r *rig) {
			wide := r.add(Verdict{Action: actPass, Rank: 4}, "203.0.0.0/16")
			r.prefix("203.0.112.0/20", Verdict{Action: actDrop, Rank: 1, Next: wide})
		}, from(bad4), xdpPass, 0, 0},
		{"observing verdict counts only", func(r *rig) { r.source(bad4, Verdict{Action: actObserve}) }, from(bad4), xdpPass, 0, ReasonSource},
		{"observing flow counts only", func(r *rig) { flow4(r, Flow{Action: actObserve}) }, from(bad4), xdpPass, 0, ReasonFlow},

		{"new connection on a bypassed flow", func(r *rig) {
			flow4(r, Flow{Action: actBypass})
			r.source(bad4, Verdict{Action: actDrop})
		}, eth(ethIP4, ip4(bad4, server4, protoTCP, tcp(4000, 443, "S"))), xdpDrop, ReasonSource, 0},
		{"fragment of a bypassed flow", func(r *rig) {
			flow4(r, Flow{Action: actBypass})
			r.source(bad4, Verdict{Action: actDrop})
		}, eth(ethIP4, ip4frag(bad4, server4, protoTCP, 0x2000, tcp(4000, 443, "A"))), xdpDrop, ReasonSource, 0},

		{"other generation", func(r *rig) {
			r.source(bad4, Verdict{Action: actDrop})
			r.t.Control.Generation = 1
		}, from(bad4), xdpPass, 0, 0},

		{"guard over source", func(r *rig) { r.source(bad4, Verdict{Action: actDrop, Rank: 3}); r.guard(bad4) }, from(bad4), xdpPass, 0, 0},
		{"guard over prefix", func(r *rig) {
			r.prefix("203.0.112.0/20", Verdict{Action: actDrop, Rank: 3})
			r.guard("203.0.113.0/24")
		}, from(bad4), xdpPass, 0, 0},
		{"guard over flow", func(r *rig) { flow4(r, Flow{Action: actDrop}); r.guard(bad4) }, from(bad4), xdpPass, 0, 0},
		{"guard over malformed", func(r *rig) { r.guard(bad4) },
			eth(ethIP4, ip4(bad4, server4, protoTCP, tcp(4000, 443, ""))), xdpPass, 0, 0},
		{"guard ipv6", func(r *rig) { r.source(bad6, Verdict{Action: actDrop}); r.guard("2001:db8::/32") }, from(bad6), xdpPass, 0, 0},
		{"guard for another", func(r *rig) { r.source(bad4, Verdict{Action: actDrop}); r.guard(good4) }, from(bad4), xdpDrop, ReasonSource, 0},

		{"observe mode", func(r *rig) { r.source(bad4, Verdict{Action: actDrop}); r.t.Control.Observe = 1 }, from(bad4), xdpPass, 0, ReasonSource},
		{"kill switch", func(r *rig) { r.source(bad4, Verdict{Action: actDrop}); r.t.Control.Kill = 1 }, from(bad4), xdpPass, 0, 0},
	} {
		parent.Run(c.name, func(t *testing.T) {
			r := rs.fresh(parent, t, ModeHost)
			c.setup(r)
			r.expect(c.frame, c.action, c.drop, c.would)
		})
	}
}

// TestHits checks that the verdict that decides counts, and only it.
func TestHits(t *testing.T) {
	r := newRig(t, ModeHost)
	winner := r.source(bad4, Verdict{Action: actDrop, Rank: 3})
	loser := r.prefix("203.0.112.0/20", Verdict{Action: actDrop, Rank: 1})
	flow := r.flow(0, good4+":4000", server4+":443", protoTCP, Flow{Action: actDrop, Rank: 1})
	frame := from(bad4)
	for range 3 {
		r.send(frame)
	}
	if winner.Packets != 3 || winner.Bytes != 3*uint64(len(frame)) || loser.Packets != 0 {
		t.Errorf("winner %d packets %d bytes, loser %d packets", winner.Packets, winner.Bytes, loser.Packets)
	}
	r.send(eth(ethIP4, ip4(server4, good4, protoTCP, tcp(443, 4000, "A"))))
	if flow.Packets != [2]uint64{1, 0} || flow.Last == 0 { // 198.51.100.7 sorts first: it is end A
		t.Errorf("flow packets %v, want one from the server", flow.Packets)
	}
}

// TestRateLimit sends more than the budget within one window of about a second.
func TestRateLimit(t *testing.T) {
	r := newRig(t, ModeHost)
	r.source(bad4, Verdict{Action: actRateLimit, Budget: 3})
	for r.tick()&15 > 8 { // not across the window's end
		time.Sleep(20 * time.Millisecond)
	}
	for i := range 6 {
		if i < 3 {
			r.expect(from(bad4), xdpPass, ReasonNone, ReasonNone)
		} else {
			r.expect(from(bad4), xdpDrop, ReasonRate, ReasonNone)
		}
	}
	r.expect(from(good4), xdpPass, ReasonNone, ReasonNone)
	for start := r.tick() >> RateWindow; r.tick()>>RateWindow == start; {
		time.Sleep(20 * time.Millisecond)
	}
	r.expect(from(bad4), xdpPass, ReasonNone, ReasonNone)
}
