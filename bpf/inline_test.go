package bpf

import (
	"bytes"
	"slices"
	"testing"
)

// swapped is the frame as the load balancer wants it back: outer MAC and IP addresses exchanged, nothing else touched.
func swapped(frame []byte) []byte {
	b := slices.Clone(frame)
	copy(b[0:], frame[6:12])
	copy(b[6:], frame[0:6])
	at, n := 14, 4
	for etherType := frame[12:14]; ; etherType = frame[at-2 : at] {
		switch {
		case bytes.Equal(etherType, []byte{0x81, 0}):
			at += 4
			continue
		case bytes.Equal(etherType, []byte{0x86, 0xdd}):
			at, n = at+8, 16
		default:
			at += 12
		}
		break
	}
	copy(b[at:], frame[at+n:at+2*n])
	copy(b[at+n:], frame[at:at+n])
	return b
}

// TestHairpin checks the bytes that go back, for every way the load balancer's frame can look.
func TestHairpin(parent *testing.T) {
	rs := rigs{}
	in4, in6 := ip4(good4, server4, protoTCP, tcp(4000, 443, "A")), ip6(good6, server6, protoUDP, udp(4000, 53, []byte("query")))
	for name, frame := range map[string][]byte{
		"ipv4":       gwlb(in4),
		"ipv6":       gwlb(in6),
		"vlan":       eth(0x8100, vlan(5, ethIP4, ip4("10.9.0.1", "10.9.0.2", protoUDP, geneve(awsOptions(), ethIP4, in4)))),
		"ipv6 outer": eth(ethIP6, ip6("fd00::1", "fd00::2", protoUDP, geneve(awsOptions(), ethIP6, in6))),
		"not ip":     eth(ethIP4, ip4("10.9.0.1", "10.9.0.2", protoUDP, geneve(nil, 0x6558, eth(0x0806, make([]byte, 28))))),
	} {
		parent.Run(name, func(t *testing.T) {
			r := rs.fresh(parent, t, ModeGWLB)
			got := r.expect(frame, xdpTX, ReasonNone, ReasonNone)
			if want := swapped(frame); !bytes.Equal(got.out, want) {
				t.Errorf("sent back\n%x\nwant\n%x", got.out, want)
			}
		})
	}
}

// TestInline checks who decides about a packet in gwlb mode: a verdict, the inspector, or the policy for its absence.
func TestInline(parent *testing.T) {
	rs := rigs{}
	frame := gwlb(ip4(bad4, server4, protoTCP, tcp(4000, 443, "A")))
	tenantFlow := func(r *rig, action uint8) {
		r.flow(endpoint, bad4+":4000", server4+":443", protoTCP, Flow{Action: action})
	}
	inspector := func(r *rig) {
		r.t.Credits[0].Granted = 1
		r.Cleanup(r.socket())
	}
	dead := func(r *rig, f OnFailure) {
		r.t.Control.Failure, r.t.Control.Lease, r.t.Control.Heartbeat = uint32(f), 10, r.tick()-11
	}
	for _, c := range []struct {
		name   string
		setup  func(r *rig)
		action uint32
		drop   Reason
		would  Reason
		path   Path
	}{
		{"inspector", inspector, xdpRedirect, 0, 0, PathInspect},
		{"dropped flow", func(r *rig) { inspector(r); tenantFlow(r, actDrop) }, xdpDrop, ReasonFlow, 0, PathPackets},
		{"passed flow", func(r *rig) { inspector(r); tenantFlow(r, actPass) }, xdpTX, 0, 0, PathHairpin},
		{"bypassed flow", func(r *rig) { inspector(r); tenantFlow(r, actBypass) }, xdpTX, 0, 0, PathHairpin},
		{"passed source is inspected", func(r *rig) { inspector(r); r.source(bad4, Verdict{Action: actPass}) }, xdpRedirect, 0, 0, PathInspect},
		{"bypassed source", func(r *rig) { inspector(r); r.source(bad4, Verdict{Action: actBypass}) }, xdpTX, 0, 0, PathHairpin},
		{"dropped source in observe mode", func(r *rig) {
			inspector(r)
			r.source(bad4, Verdict{Action: actDrop})
			r.t.Control.Observe = 1
		}, xdpRedirect, 0, ReasonSource, PathInspect},

		{"no socket, open", func(r *rig) { r.t.Control.Failure = uint32(FailOpen) }, xdpTX, 0, 0, PathNoSocket},
		{"no socket, closed", func(r *rig) { r.t.Control.Failure = uint32(FailClosed) }, xdpDrop, ReasonClosed, 0, PathPackets},
		{"socket closed", func(r *rig) {
			r.t.Credits[0].Granted = 1
			r.socket()()
		}, xdpTX, 0, 0, PathNoSocket},
		{"no credit, open", func(r *rig) { inspector(r); r.t.Credits[0].Used = 1 }, xdpTX, 0, 0, PathCreditOpen},
		{"no credit, closed", func(r *rig) {
			inspector(r)
			r.t.Credits[0].Used = 1
			r.t.Control.Failure = uint32(FailClosed)
		}, xdpDrop, ReasonBacklog, 0, PathPackets},
		{"no credit, closed, observing", func(r *rig) {
			inspector(r)
			r.t.Credits[0].Used = 1
			r.t.Control.Failure, r.t.Control.Observe = uint32(FailClosed), 1
		}, xdpTX, 0, ReasonBacklog, PathCreditOpen},

		{"too long, open", func(r *rig) { inspector(r); r.t.Credits[0].Most = uint32(len(frame)) - 1 }, xdpTX, 0, 0, PathOversizeOpen},
		{"too long, closed", func(r *rig) {
			inspector(r)
			r.t.Credits[0].Most = uint32(len(frame)) - 1
			r.t.Control.Failure = uint32(FailClosed)
		}, xdpDrop, ReasonOversize, 0, PathPackets},
		{"too long, passed flow", func(r *rig) { inspector(r); r.t.Credits[0].Most = 1; tenantFlow(r, actPass) }, xdpTX, 0, 0, PathHairpin},

		{"dead, open", func(r *rig) { inspector(r); dead(r, FailOpen) }, xdpTX, 0, 0, PathLeaseOpen},
		{"dead, closed", func(r *rig) { inspector(r); dead(r, FailClosed) }, xdpDrop, ReasonClosed, 0, PathPackets},
		{"dead, closed, passed flow", func(r *rig) { dead(r, FailClosed); tenantFlow(r, actPass) }, xdpTX, 0, 0, PathHairpin},
		{"dead, static, dropped source", func(r *rig) {
			dead(r, FailStatic)
			r.source(bad4, Verdict{Action: actDrop})
		}, xdpDrop, ReasonSource, 0, PathPackets},
		{"dead, open, dropped source within the hold", func(r *rig) {
			dead(r, FailOpen)
			r.t.Control.Hold = 100
			r.source(bad4, Verdict{Action: actDrop})
		}, xdpDrop, ReasonSource, 0, PathPackets},
		{"dead, open, dropped source after the hold", func(r *rig) {
			dead(r, FailOpen)
			r.t.Control.Hold = 10
			r.source(bad4, Verdict{Action: actDrop})
		}, xdpTX, 0, 0, PathLeaseOpen},
		{"alive", func(r *rig) {
			inspector(r)
			dead(r, FailOpen)
			r.t.Control.Heartbeat = r.tick() + 1 // clocks are read apart: a heartbeat may come from the next tick
		}, xdpRedirect, 0, 0, PathInspect},

		{"kill switch", func(r *rig) {
			inspector(r)
			r.source(bad4, Verdict{Action: actDrop})
			r.t.Control.Kill, r.t.Control.Failure = 1, uint32(FailClosed)
		}, xdpTX, 0, 0, PathKilled},
	} {
		parent.Run(c.name, func(t *testing.T) {
			r := rs.fresh(parent, t, ModeGWLB)
			c.setup(r)
			got := r.expect(frame, c.action, c.drop, c.would)
			if got.paths[c.path] == 0 {
				t.Errorf("paths %v, want %v", got.paths, c.path)
			}
			if c.action == xdpTX && !bytes.Equal(got.out, swapped(frame)) {
				t.Errorf("sent back %x", got.out)
			}
		})
	}
}

// TestCreditIsSpent checks that each redirected frame costs one.
func TestCreditIsSpent(t *testing.T) {
	r := newRig(t, ModeGWLB)
	t.Cleanup(r.socket())
	r.t.Credits[0].Granted = 2
	frame := gwlb(ip4(good4, server4, protoTCP, tcp(4000, 443, "A")))
	for i, want := range []uint32{xdpRedirect, xdpRedirect, xdpTX} {
		if got := r.send(frame); got.action != want {
			t.Errorf("frame %d: action %d, want %d", i, got.action, want)
		}
	}
	if r.t.Credits[0].Used != 2 {
		t.Errorf("used %d, want 2", r.t.Credits[0].Used)
	}
}

// TestJumboInline judges frames of several buffers: what a buffer's share costs, what goes back untouched, what verdicts and samples see.
func TestJumboInline(t *testing.T) {
	if !HaveFrags() {
		t.Skip("needs Linux 5.18, which has XDP for frames of several buffers")
	}
	for _, mode := range []Mode{ModeGWLB, ModeBridge} {
		t.Run(mode.String(), func(t *testing.T) {
			s := mustLoad(t, Options{Mode: mode, Sources: 1 << 12, Flows: 1 << 10, Destinations: 64, Frags: true})
			jumboInline(t, &rig{TB: t, Sensor: s, t: s.Tables()}, mode)
		})
	}
}

func jumboInline(t *testing.T, r *rig, mode Mode) {
	t.Cleanup(r.socket())
	credit := &r.t.Credits[0]
	credit.Most = 16 * credit.Room
	big := func(src string, size int) []byte {
		inner := ip4(src, server4, protoUDP, udp(4000, 53, bytes.Repeat([]byte{0xa5}, size)))
		if mode == ModeBridge {
			return eth(ethIP4, inner)
		}
		return gwlb(inner)
	}
	head := len(big(good4, 100)) - 100 // a short frame is padded
	for _, c := range []struct{ size, buffers int }{{200, 1}, {3840, 1}, {3841, 2}, {7680, 2}, {7681, 3}, {8582, 3}} {
		frame := big(good4, c.size-head)
		credit.Granted, credit.Used = uint64(c.buffers), 0
		if r.expect(frame, xdpRedirect, ReasonNone, ReasonNone); credit.Used != uint64(c.buffers) {
			t.Errorf("%d bytes cost %d buffers, want %d", len(frame), credit.Used, c.buffers)
		}
		credit.Granted, credit.Used, r.t.Control.Failure = uint64(c.buffers), 1, uint32(FailClosed)
		if r.expect(frame, xdpDrop, ReasonBacklog, ReasonNone); credit.Used != 1 {
			t.Errorf("%d bytes that found no room cost %d buffers", len(frame), credit.Used-1)
		}
	}
	long := big(bad4, 8500-28)
	credit.Granted, credit.Used, credit.Most = 100, 0, credit.Room
	r.expect(long, xdpDrop, ReasonOversize, ReasonNone)
	r.source(bad4, Verdict{Action: actDrop})
	r.expect(long, xdpDrop, ReasonSource, ReasonNone)
	if mode == ModeGWLB {
		r.flow(endpoint, good4+":4000", server4+":53", protoUDP, Flow{Action: actPass})
		long = big(good4, 8500-28)
		if got := r.expect(long, xdpTX, ReasonNone, ReasonNone); !bytes.Equal(got.out, swapped(long)) {
			t.Error("a decided flow's frame came back otherwise than it went")
		}
	}
}
