package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// echo is the smallest appliance: it swaps the outer addresses of GENEVE frames and sends them back, after alter had a look. alter
// returns false to drop the frame.
type echo struct {
	s     *frameSocket
	done  chan error
	seen  atomic.Uint64
	alter atomic.Pointer[func(frame []byte) bool]
}

func startEcho(t testing.TB, h *Host) *echo {
	t.Helper()
	s, err := openFrames(h.Namespace, "eth0", unix.ETH_P_IP)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.incomingOnly(); err != nil {
		t.Fatal(err)
	}
	sink, err := h.swallow(netip.AddrPortFrom(h.Addr, genevePort))
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{s: s, done: make(chan error, 1)}
	go e.loop()
	t.Cleanup(func() {
		s.stop()
		if err := <-e.done; err != nil {
			t.Error(err)
		}
		s.close()
		sink.Close()
	})
	return e
}

func (e *echo) loop() {
	for {
		n, err := e.s.recv()
		if errors.Is(err, io.EOF) {
			err = nil
			e.done <- err
			return
		}
		for i := range n {
			e.back(e.s.frame(i))
		}
		if _, ferr := e.s.flush(); err != nil || ferr != nil {
			e.done <- fmt.Errorf("%w %w", err, ferr)
			return
		}
	}
}

func (e *echo) back(frame []byte) {
	if r, err := parseReturned(frame); err != nil || r.dport != genevePort {
		return
	}
	e.seen.Add(1)
	b := e.s.next()[:len(frame)]
	copy(b, frame)
	copy(b[0:6], frame[6:12])
	copy(b[6:12], frame[0:6])
	copy(b[26:30], frame[30:34])
	copy(b[30:34], frame[26:30])
	if alter := e.alter.Load(); alter != nil && !(*alter)(b) {
		return
	}
	e.s.add(len(b))
}

func gwlbLab(t *testing.T) (*Topology, *echo) {
	t.Helper()
	l := newLab(t)
	top, err := GWLBTopology(l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return top, startEcho(t, top.Sensor)
}

// needRoot skips the test without root, and only then.
func needRoot(t testing.TB) {
	t.Helper()
	if err := requirePrivileges(); err != nil && os.Geteuid() != 0 {
		t.Skip(err)
	}
}

func newLab(t *testing.T) *Lab {
	t.Helper()
	needRoot(t)
	l, err := New(strings.ToLower(strings.NewReplacer("Test", "", "/", "", "_", "").Replace(t.Name())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestGWLBCarriesTCP(t *testing.T) {
	top, e := gwlbLab(t)
	for _, addr := range []netip.Addr{top.Server.Addr, top.Server.Addr6} {
		at := netip.AddrPortFrom(addr, 80)
		server, err := StartHTTPServer(top.Server.Namespace, at)
		if err != nil {
			t.Fatal(err)
		}
		client := StartHTTPClient(HTTPClientConfig{NS: top.Client.Namespace, URL: "http://" + at.String() + "/", Rate: 100})
		for deadline := time.Now().Add(20 * time.Second); client.Stats().Sent < 30 && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
		stats := client.Stop()
		if stats.OK < 30 || stats.Failed > 0 || stats.OK != server.Requests() {
			t.Errorf("%s: %+v, server counts %d; want all requests answered", addr, stats, server.Requests())
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}
	s := settle(top.GWLB)
	if e.seen.Load() != s.Sent || s.Sent != s.Accepted || s.Sent < 300 || s.Dropped() != 0 || s.SourcePortChanged != 0 || s.NewFlowCount < 60 {
		t.Errorf("appliance saw %d frames; load balancer %+v", e.seen.Load(), s)
	}
}

// settle waits until nothing is sent any more and what was sent has come back: closing connections takes its time.
func settle(g *GWLB) GWLBStats {
	deadline := time.Now().Add(5 * time.Second)
	for last := g.Stats(); ; {
		time.Sleep(200 * time.Millisecond)
		s := g.Stats()
		if s.Sent == last.Sent && s.Sent == s.Returned || time.Now().After(deadline) {
			return s
		}
		last = s
	}
}

// TestGWLBFrame holds the frame against the layout AWS documents.
func TestGWLBFrame(t *testing.T) {
	top, e := gwlbLab(t)
	frames := make(chan []byte, 1)
	alter := func(b []byte) bool {
		select {
		case frames <- bytes.Clone(b):
		default:
		}
		return false
	}
	e.alter.Store(&alter)
	conn, err := top.Client.Dial(context.Background(), "udp", netip.AddrPortFrom(top.Server.Addr, 9).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	b := <-frames
	want := []struct {
		at   int
		name string
		hex  string
	}{
		{12, "EtherType", "08 00"},
		{14, "IPv4, IHL 5", "45"},
		{16, "total length", "00 64"},
		{23, "UDP", "11"},
		{26, "outer addresses, swapped", "0a 4d 09 0a 0a 4d 09 01"},
		{36, "port 6081", "17 c1"},
		{38, "UDP length", "00 50"},
		{42, "GENEVE", "08 00 08 00 00 00 00 00"},
		{50, "endpoint id", "01 08 01 02 01 23 45 67 89 ab cd ef"},
		{62, "attachment id", "01 08 02 02 00 00 00 00 00 00 00 00"},
		{74, "flow cookie", "01 08 03 01"},
		{82, "inner IPv4", "45 00 00 20"},
		{94, "inner addresses", "c6 33 64 0a 0a 4d 01 0a"},
	}
	for _, w := range want {
		n := (len(w.hex) + 1) / 3
		if got := fmt.Sprintf("% x", b[w.at:w.at+n]); got != w.hex {
			t.Errorf("byte %d, %s: %s; want %s", w.at, w.name, got, w.hex)
		}
	}
	if fold(sum(b[14:34])) != 0 {
		t.Error("the outer IPv4 checksum is wrong")
	}
	if len(b) != 14+68+32 {
		t.Errorf("%d bytes; want Ethernet, 68 of encapsulation, 32 of packet", len(b))
	}
}

func TestGWLBDropRules(t *testing.T) {
	top, e := gwlbLab(t)
	discard, err := top.Server.swallow(netip.AddrPortFrom(top.Server.Addr, 9))
	if err != nil {
		t.Fatal(err)
	}
	defer discard.Close()
	conn, err := top.Client.Dial(context.Background(), "udp", netip.AddrPortFrom(top.Server.Addr, 9).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tests := []struct {
		name  string
		alter func(b []byte) bool
		count func(s GWLBStats) uint64
	}{
		{"accepted", func(b []byte) bool { return true }, func(s GWLBStats) uint64 { return s.Accepted }},
		{"port", func(b []byte) bool { b[37]++; return true }, func(s GWLBStats) uint64 { return s.InvalidGeneveTunnel }},
		{"addresses not swapped", func(b []byte) bool {
			var tmp [4]byte
			copy(tmp[:], b[26:30])
			copy(b[26:30], b[30:34])
			copy(b[30:34], tmp[:])
			return true
		}, func(s GWLBStats) uint64 { return s.InvalidGeneveTunnel }},
		{"version", func(b []byte) bool { b[42] |= 0x40; return true }, func(s GWLBStats) uint64 { return s.InvalidGeneveTunnel }},
		{"endpoint changed", func(b []byte) bool { b[54] ^= 1; return true }, func(s GWLBStats) uint64 { return s.InvalidGwlbEndpointID }},
		{"endpoint missing", func(b []byte) bool { b[52] = 9; return true }, func(s GWLBStats) uint64 { return s.InvalidGwlbEndpointID }},
		{"cookie changed", func(b []byte) bool { b[81] ^= 1; return true }, func(s GWLBStats) uint64 { return s.InvalidGwlbFlowCookie }},
		{"cookie missing", func(b []byte) bool { b[76] = 9; return true }, func(s GWLBStats) uint64 { return s.InvalidGwlbFlowCookie }},
		{"flow unknown", func(b []byte) bool { b[97] ^= 1; return true }, func(s GWLBStats) uint64 { return s.MissingFlowEntry }},
		{"source port changed", func(b []byte) bool { b[34] ^= 1; return true }, func(s GWLBStats) uint64 { return s.SourcePortChanged }},
		{"dropped by the appliance", func(b []byte) bool { return false }, func(s GWLBStats) uint64 { return s.Sent }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e.alter.Store(&tt.alter)
			before := top.GWLB.Stats()
			if _, err := conn.Write([]byte("ping")); err != nil {
				t.Fatal(err)
			}
			deadline := time.Now().Add(2 * time.Second)
			for tt.count(top.GWLB.Stats()) == tt.count(before) && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond)
			}
			after := top.GWLB.Stats()
			if tt.count(after) != tt.count(before)+1 {
				t.Errorf("before %+v\nafter %+v", before, after)
			}
			rules, accepted := after.Dropped()-before.Dropped(), after.Accepted-before.Accepted
			if want := after.Returned - before.Returned; rules+accepted != want || want > 1 {
				t.Errorf("%d dropped by rule, %d accepted of %d returned", rules, accepted, want)
			}
		})
	}
}
