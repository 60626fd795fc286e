package e2e

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/internal/lab/fleet"
	"github.com/weir-ips/weir/internal/sensor/control"
)

// anybody6 is where spoofed IPv6 sources lie.
var anybody6 = netip.MustParsePrefix("2001:db8:bad:1::/64")

// attackOn returns the attack of a vector on an address that a sensor says is on.
func attackOn(s *fleet.Sensor, vector string, dst netip.Addr) (control.Attack, bool) {
	list, err := s.Attacks()
	for _, a := range list {
		if err == nil && a.Vector == vector && a.Dst != nil && *a.Dst == dst {
			return a, true
		}
	}
	return control.Attack{}, false
}

// TestEveryVectorIsHeld sends one attack after the other through the load balancer, and at the proxy, each at an address of its own, and
// wants each to be named and most of it dropped.
func TestEveryVectorIsHeld(t *testing.T) {
	s := newScene(t, "vectors")
	at := func(last byte) netip.AddrPort {
		a := s.Server.Addr.As4()
		a[3] = last
		return netip.AddrPortFrom(netip.AddrFrom4(a), 80)
	}
	at6 := func(last byte) netip.AddrPort {
		a := s.Server.Addr6.As16()
		a[15] = last
		return netip.AddrPortFrom(netip.AddrFrom16(a), 80)
	}
	for _, c := range []struct {
		name, vector string
		sensor       *fleet.Sensor
		flood        lab.Flood
	}{
		{"SYN over IPv6", "syn-flood", s.Inline, lab.Flood{Kind: lab.SYNFlood, Src: anybody6, Dst: at6(20), Rate: 10_000}},
		{"UDP over IPv6", "udp-flood", s.Inline, lab.Flood{Kind: lab.UDPFlood, Src: anybody6, Dst: at6(21), Rate: 25_000, Payload: 64}},
		{"ICMP over IPv6", "icmp-flood", s.Inline, lab.Flood{Kind: lab.ICMPFlood, Src: anybody6, Dst: at6(22), Rate: 10_000, Payload: 64}},
		{"SYN over IPv6 at a host", "syn-flood", s.Host, lab.Flood{Kind: lab.SYNFlood, Src: anybody6, Dst: netip.AddrPortFrom(s.Proxy.Addr6, 80), Rate: 10_000}},
		{"UDP over IPv6 at a host", "udp-flood", s.Host, lab.Flood{Kind: lab.UDPFlood, Src: anybody6, Dst: netip.AddrPortFrom(s.Proxy.Addr6, 9), Rate: 25_000, Payload: 64}},
		{"fragments", "fragment-flood", s.Inline, lab.Flood{Kind: lab.FragmentFlood, Src: anybody, Dst: at(23), Rate: 10_000, Payload: 512}},
		{"fragments at a host", "fragment-flood", s.Host, lab.Flood{Kind: lab.FragmentFlood, Src: anybody, Dst: netip.AddrPortFrom(s.Proxy.Addr, 80), Rate: 10_000, Payload: 512}},
		{"bare SYNs", "syn-flood", s.Inline, lab.Flood{Kind: lab.BareSYNFlood, Src: anybody, Dst: at(25), Rate: 10_000}},
	} {
		before, err := c.sensor.FloodDrops()
		if err != nil {
			t.Fatal(err)
		}
		sent := s.pour(c.flood)
		a, ok := attackOn(c.sensor, c.vector, c.flood.Dst.Addr())
		after, err := c.sensor.FloodDrops()
		if err != nil {
			t.Fatal(err)
		}
		if !ok || len(a.Measures) == 0 || after-before < sent*6/10 {
			t.Errorf("%s: %d of %d dropped; named %v: %+v", c.name, after-before, sent, ok, a)
			continue
		}
		for _, m := range a.Measures {
			t.Logf("%s: %s: %s: %d dropped", c.name, m.Step, m.What, m.Dropped)
		}
	}
	s.settle()
}

// TestACarpetIsFound spreads packets so thin over a network that no address shows it.
func TestACarpetIsFound(t *testing.T) {
	s := newScene(t, "carpet")
	for _, c := range []struct {
		sensor  *fleet.Sensor
		network netip.Addr
		flood   lab.Flood
	}{
		{s.Inline, netip.MustParseAddr("10.77.1.0"), lab.Flood{Kind: lab.SYNFlood, From: s.Attacker, Src: anybody, Spread: netip.MustParsePrefix("10.77.1.0/24"), Rate: 60_000}},
		{s.Inline, netip.MustParseAddr("fd77:1::"), lab.Flood{Kind: lab.UDPFlood, From: s.Attacker, Src: anybody6, Spread: netip.MustParsePrefix("fd77:1::/120"), Rate: 60_000}},
		// eight of a host's own addresses, each of which gets less than what would be a flood by itself
		{s.Host, netip.MustParseAddr("10.77.2.0"), s.OnWire(s.Proxy, lab.Flood{Kind: lab.SYNFlood, Src: anybody, Spread: netip.MustParsePrefix("10.77.2.128/29"), Rate: 6000})},
		{s.Host, netip.MustParseAddr("fd77:2::"), s.OnWire(s.Proxy, lab.Flood{Kind: lab.SYNFlood, Src: anybody6, Spread: netip.MustParsePrefix("fd77:2::80/125"), Rate: 6000})},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		before, err := c.sensor.FloodDrops()
		if err != nil {
			t.Fatal(err)
		}
		flood := c.flood
		flood.Dst, flood.Payload = netip.AddrPortFrom(flood.Spread.Addr(), 53), 16
		go func() {
			_, err := flood.Run(ctx, 0)
			done <- err
		}()
		var a control.Attack
		took := eventually(t, "the carpet is found", func() bool {
			var ok bool
			a, ok = attackOn(c.sensor, "carpet-bombing", c.network)
			return ok
		})
		t.Logf("%v carpet of %s found after %v: %s", flood.Kind, flood.Spread, took, a.Explanation)
		eventually(t, "it is held", func() bool {
			n, err := c.sensor.FloodDrops()
			return err == nil && n-before > uint64(flood.Rate)/12
		})
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range s.clients { // the load balancer's table is full of the flood's flows, so what it says of them is not judged
		if st := c.Stop(); st.Failed*50 > st.Sent { // the machine may be too busy for one
			t.Errorf("the client lost %d of %d requests: %v", st.Failed, st.Sent, st.LastError)
		}
	}
	s.clients = nil
}

// TestPulsesAreHeld sends pulses with pauses: from the second on they meet what held the first.
func TestPulsesAreHeld(t *testing.T) {
	s := newScene(t, "pulses")
	dst := netip.AddrPortFrom(s.Server.Addr, 80)
	for pulse := range 3 {
		before, err := s.Inline.FloodDrops()
		if err != nil {
			t.Fatal(err)
		}
		sent, err := lab.Flood{Kind: lab.SYNFlood, From: s.Attacker, Src: anybody, Dst: dst, Rate: 20_000}.Run(context.Background(), 500*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond) // what is on its way
		after, err := s.Inline.FloodDrops()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("pulse %d: %d of %d dropped", pulse+1, after-before, sent)
		if pulse > 0 && after-before < sent*8/10 {
			t.Errorf("pulse %d: %d of %d dropped", pulse+1, after-before, sent)
		}
		time.Sleep(2500 * time.Millisecond)
	}
	s.settle()
}

// TestNewClientsAreServedBehindAFingerprint lets the sensor learn what clients look like, and floods with packets that look otherwise: new
// clients are then served without having to repeat themselves.
func TestNewClientsAreServedBehindAFingerprint(t *testing.T) {
	s := newScene(t, "print")
	busy := lab.StartHTTPClient(lab.HTTPClientConfig{NS: s.Client.Namespace, URL: "http://" + s.server.Addr.String() + "/", Rate: 100})
	time.Sleep(5 * time.Second) // clients are seen, and beyond doubt
	s.clients = append(s.clients, busy)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := lab.Flood{Kind: lab.SYNFlood, From: s.Attacker, Src: anybody, Dst: s.server.Addr, Rate: 20_000}.Run(ctx, 0)
		done <- err
	}()
	took := eventually(t, "a fingerprint holds it alone", func() bool {
		a, ok := attackOn(s.Inline, "syn-flood", s.server.Addr.Addr())
		if !ok || len(a.Measures) == 0 {
			return false
		}
		print := false
		for _, m := range a.Measures {
			print = print || m.Step == "fingerprint" && m.Dropped > 20_000
		}
		return print
	})
	a, _ := attackOn(s.Inline, "syn-flood", s.server.Addr.Addr())
	for _, m := range a.Measures {
		t.Logf("after %v: %s: %s (%s): %d dropped", took, m.Step, m.What, m.Why, m.Dropped)
	}
	time.Sleep(time.Second) // the limit is lifted meanwhile
	fresh := lab.StartHTTPClient(lab.HTTPClientConfig{NS: s.Attacker.Namespace, URL: "http://" + s.server.Addr.String() + "/", Rate: 20})
	time.Sleep(2 * time.Second)
	st := fresh.Stop()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if st.Failed > 0 || st.OK < 10 || st.P50 > 900*time.Millisecond {
		t.Errorf("a new client's %d requests: %d failed, p50 %v: %v", st.Sent, st.Failed, st.P50, st.LastError)
	}
	t.Logf("a new client's %d requests: p50 %v, p99 %v", st.Sent, st.P50, st.P99)
	s.settle()
}

// TestOneSensorsFloodArmsEverySensor floods an address behind the load balancer: the sensor on the proxy, which sees nothing of it, is armed too.
func TestOneSensorsFloodArmsEverySensor(t *testing.T) {
	s := newScene(t, "fleetflood")
	dst := s.server.Addr
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := lab.Flood{Kind: lab.SYNFlood, From: s.Attacker, Src: anybody, Dst: dst, Rate: 10_000}.Run(ctx, 0)
		done <- err
	}()
	eventually(t, "the sensor in the way finds it", func() bool { _, ok := attackOn(s.Inline, "syn-flood", dst.Addr()); return ok })
	var a control.Attack
	took := eventually(t, "the other is armed", func() bool {
		var ok bool
		a, ok = attackOn(s.Host, "syn-flood", dst.Addr())
		return ok && len(a.Measures) > 0
	})
	t.Logf("armed on the other sensor %v after it was found: %s", took, a.Method)
	if got := s.started(s.Host); len(got) != 0 {
		t.Errorf("the sensor that sees nothing of it tells of %v", got)
	}
	time.Sleep(time.Second) // clients go on meanwhile
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.settle()
}

// TestAnHTTPFloodsSourceIsLimited has one client ask far too fast: its address is proved, so it is limited, and nobody else.
func TestAnHTTPFloodsSourceIsLimited(t *testing.T) {
	s := newSceneWith(t, fleet.Options{Name: "httpflood", Requests: 100})
	flood := lab.StartHTTPClient(lab.HTTPClientConfig{NS: s.Attacker.Namespace, URL: "http://" + s.server.Addr.String() + "/", Rate: 400})
	var a control.Attack
	took := eventually(t, "the source is limited", func() bool {
		var ok bool
		a, ok = attackOn(s.Inline, "http-flood", s.server.Addr.Addr())
		return ok && len(a.Measures) > 0
	})
	flood.Stop()
	if a.Src == nil || *a.Src != s.Attacker.Addr || a.Measures[0].Step != "source limit" {
		t.Errorf("%+v", a)
	}
	list, err := s.Inline.Verdicts()
	if err != nil || len(list) != 1 || list[0].Match.Src.Addr() != s.Attacker.Addr || list[0].Match.Dst.Addr() != s.server.Addr.Addr() {
		t.Errorf("verdicts %+v (%v)", list, err)
	}
	t.Logf("limited after %v: %s", took, a.Explanation)
	s.settle()
}

// TestAResolversAnswersPassDuringAmplification has the victim ask a resolver all along while others' answers flood it from the same port: only
// those that it did not ask for are dropped, and none of its other UDP.
func TestAResolversAnswersPassDuringAmplification(t *testing.T) {
	s := newScene(t, "resolver")
	resolver := s.answerUDP(s.Client, 53)
	other := s.answerUDP(s.Client, 7000)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := lab.Flood{Kind: lab.UDPFlood, From: s.Attacker, Src: anybody, SrcPort: 53, Dst: netip.AddrPortFrom(s.server.Addr.Addr(), 4444), Rate: 6000, Payload: 1200}.Run(ctx, 0)
		done <- err
	}()
	var a control.Attack
	eventually(t, "the amplification is held", func() bool {
		var ok bool
		a, ok = attackOn(s.Inline, "udp-amplification", s.server.Addr.Addr())
		return ok && len(a.Measures) > 0 && a.Measures[0].Dropped > 1000
	})
	for name, to := range map[string]netip.AddrPort{"the resolver": resolver, "another service": other} {
		if asked, answered := s.askUDP(s.Server, to, 200); answered < asked*99/100 {
			t.Errorf("%s: %d of %d questions answered", name, answered, asked)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, m := range a.Measures {
		if m.Step == "rate limit" {
			t.Errorf("all UDP is limited: %+v", m)
		}
		t.Logf("%s: %s: %d dropped", m.Step, m.What, m.Dropped)
	}
	s.settle()
}

// answerUDP answers each datagram to a host's port with the same.
func (s *scene) answerUDP(h *lab.Host, port uint16) netip.AddrPort {
	s.t.Helper()
	at := netip.AddrPortFrom(h.Addr, port)
	conn := s.openUDP(h, at.String())
	go func() {
		var b [1500]byte
		for {
			n, from, err := conn.ReadFrom(b[:])
			if err != nil {
				return
			}
			conn.WriteTo(b[:n], from) // who gets no answer counts it
		}
	}()
	return at
}

func (s *scene) openUDP(h *lab.Host, at string) (conn net.PacketConn) {
	s.t.Helper()
	err := h.Run(func() (err error) {
		conn, err = net.ListenPacket("udp", at)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

// askUDP asks one question after the other, five milliseconds apart, and returns how many were answered.
func (s *scene) askUDP(h *lab.Host, to netip.AddrPort, n int) (asked, answered int) {
	s.t.Helper()
	conn := s.openUDP(h, netip.AddrPortFrom(h.Addr, 0).String())
	for range n {
		if _, err := conn.WriteTo([]byte("what is the address of shop.example?"), net.UDPAddrFromAddrPort(to)); err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	conn.SetReadDeadline(time.Now().Add(time.Second))
	var b [1500]byte
	for answered < n {
		if _, _, err := conn.ReadFrom(b[:]); err != nil {
			break
		}
		answered++
	}
	return n, answered
}
