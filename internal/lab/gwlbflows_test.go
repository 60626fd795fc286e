package lab

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/http"
	"net/netip"
	"testing"
	"time"
)

func flow(proto uint8, sport uint16) tuple {
	return tuple{src: [16]byte{198, 51, 100, 10}, dst: [16]byte{10, 77, 1, 10}, sport: sport, dport: 80, proto: proto, version: 4}
}

func back(t tuple) tuple {
	t.src, t.dst, t.sport, t.dport = t.dst, t.src, t.dport, t.sport
	return t
}

func TestFlowTable(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	cfg := withDefaults(GWLBConfig{Targets: make([]Target, 3), MaxFlows: 3, Clock: func() time.Time { return start }})
	health := startHealth(cfg)
	defer health.stop()
	f := newFlowTable(cfg)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

	tcp, udp := flow(6, 1000), flow(17, 1000)
	if _, ok := f.outward(tcp, false, at(0), health); ok || f.rejected.Load() != 1 {
		t.Error("TCP that opens no connection found a flow")
	}
	first, ok := f.outward(tcp, true, at(0), health)
	if !ok {
		t.Fatal("a SYN opens no flow")
	}
	if same, ok := f.outward(back(tcp), false, at(340), health); !ok || same.cookie != first.cookie || same.target != first.target {
		t.Errorf("the answer found %+v, %v; want %+v", same, ok, first)
	}
	if _, ok := f.homeward(tcp, at(340+350)); !ok {
		t.Error("a TCP flow is forgotten within its 350 s")
	}
	if _, ok := f.homeward(tcp, at(340+350+351)); ok {
		t.Error("a TCP flow lives on after 350 s")
	}
	if other, _ := f.outward(tcp, true, at(2000), health); other.cookie == first.cookie {
		t.Error("a new flow has the old one's cookie")
	}
	if _, ok := f.outward(udp, false, at(2000), health); !ok {
		t.Error("UDP opens no flow")
	}
	if _, ok := f.homeward(back(udp), at(2121)); ok {
		t.Error("a UDP flow lives on after 120 s")
	}
	if f.entropy(tcp) == f.entropy(back(tcp)) || f.entropy(tcp) != f.entropy(tcp) || f.entropy(tcp) < 1024 {
		t.Error("the two directions share a source port, or it changes")
	}
	for i := range uint16(4) {
		_, ok := f.outward(flow(17, 2000+i), false, at(3000), health)
		if want := i < 3; ok != want { // the sweep made room for three
			t.Errorf("flow %d of a table for 3: %v", i, ok)
		}
	}
	if f.active() != 3 || f.created.Load() != 6 || f.rejected.Load() != 2 {
		t.Errorf("%d active, %d created, %d rejected; want 3, 6, 2", f.active(), f.created.Load(), f.rejected.Load())
	}
}

func TestTargetsShareFlowsAndFailOver(t *testing.T) {
	cfg := withDefaults(GWLBConfig{Targets: make([]Target, 3), Rebalance: true})
	health := startHealth(cfg)
	defer health.stop()
	f := newFlowTable(cfg)
	count := func() (n [3]int) {
		for i := range uint16(300) {
			got, ok := f.outward(flow(17, 1000+i), false, time.Now(), health)
			if !ok {
				t.Fatal("no flow")
			}
			n[got.target]++
		}
		return n
	}
	before := count()
	for i, n := range before {
		if n < 50 {
			t.Errorf("target %d has %d of 300 flows", i, n)
		}
	}
	health.targets[1].well.Store(false)
	if after := count(); after[1] != 0 || after[0] < before[0] || after[2] < before[2] {
		t.Errorf("flows %v before and %v after target 1 fell ill", before, after)
	}
	for i := range health.targets {
		health.targets[i].well.Store(false)
	}
	if none := count(); none[0]+none[1]+none[2] != 300 || none[1] == 0 {
		t.Errorf("flows %v when all are ill; want them on all", none)
	}
}

func TestHealthChecks(t *testing.T) {
	l := newLab(t)
	top, err := GWLBTopology(l, Options{Health: HealthCheck{Port: 8080, Path: "/health", Interval: 20 * time.Millisecond, Timeout: time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	if err := top.WaitHealthy(100 * time.Millisecond); err == nil {
		t.Error("a target without a listener is healthy")
	}
	listener, err := top.Sensor.Listen("tcp", netip.AddrPortFrom(top.Sensor.Addr, 8080).String())
	if err != nil {
		t.Fatal(err)
	}
	status := make(chan int, 1)
	status <- http.StatusOK
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code := <-status
		status <- code
		w.WriteHeader(code)
	})}
	go server.Serve(listener)
	defer server.Close()
	if err := top.WaitHealthy(5 * time.Second); err != nil {
		t.Error(err)
	}
	<-status
	status <- http.StatusServiceUnavailable
	deadline := time.Now().Add(5 * time.Second)
	for top.GWLB.Stats().UnHealthyHostCount == 0 {
		if time.Now().After(deadline) {
			t.Fatal("a target that answers 503 is healthy")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestParseIP(t *testing.T) {
	v6 := func(proto uint8, rest ...byte) []byte {
		p := make([]byte, 40)
		p[0], p[6] = 0x60, proto
		p[8], p[24] = 0x20, 0xfd
		return append(p, rest...)
	}
	ports := []byte{0x04, 0x00, 0, 80}
	syn := append(bytes.Clone(ports), 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0)
	hop := []byte{6, 0, 1, 4, 0, 0, 0, 0}
	v4 := make([]byte, 20)
	v4[0], v4[9] = 0x45, 17
	fragment := bytes.Clone(v4)
	binary.BigEndian.PutUint16(fragment[6:], 0x2000)
	for name, tt := range map[string]struct {
		p            []byte
		proto        uint8
		sport, dport uint16
		first, ok    bool
	}{
		"empty":                  {nil, 0, 0, 0, false, false},
		"version 5":              {append([]byte{0x55}, make([]byte, 39)...), 0, 0, 0, false, false},
		"IPv4 header cut":        {append([]byte{0x4f}, make([]byte, 30)...), 0, 0, 0, false, false},
		"IPv4 UDP":               {append(bytes.Clone(v4), ports...), 17, 1024, 80, false, true},
		"IPv4 fragment":          {append(fragment, ports...), 17, 0, 0, false, true},
		"IPv6 SYN":               {v6(6, syn...), 6, 1024, 80, true, true},
		"IPv6 SYN behind option": {v6(0, append(hop, syn...)...), 6, 1024, 80, true, true},
		"IPv6 option cut":        {v6(0, 6, 9, 1, 4), 0, 0, 0, false, false},
		"IPv6 fragment":          {v6(44, 6, 0, 0, 0, 0, 0, 0, 0), 44, 0, 0, false, true},
	} {
		got, first, ok := parseIP(tt.p)
		if ok != tt.ok || first != tt.first || ok && (got.proto != tt.proto || got.sport != tt.sport || got.dport != tt.dport) {
			t.Errorf("%s: %+v, first %v, ok %v", name, got, first, ok)
		}
	}
}

// FuzzReturned feeds what an appliance might send back.
func FuzzReturned(f *testing.F) {
	g := Geneve{Src: netip.MustParseAddr("10.77.9.10"), Dst: netip.MustParseAddr("10.77.9.1"), SrcPort: 4000, Endpoint: 7, Cookie: 9}
	inner := append([]byte{0x60, 0, 0, 0, 0, 8, 44, 64}, make([]byte, 40)...)
	b := make([]byte, 400)
	f.Add(b[:g.Wrap(b, inner)])
	f.Fuzz(func(t *testing.T, frame []byte) {
		r, err := parseReturned(frame)
		if err != nil {
			return
		}
		if len(r.inner) > len(frame) || !r.src.Is4() || r.hasCookie && len(frame) < 50 {
			t.Fatalf("%+v", r)
		}
		if a, _, ok := parseIP(r.inner); ok && a.canonical() != back(a).canonical() {
			t.Fatalf("the two directions of %+v are two flows", a)
		}
	})
}

// BenchmarkGWLB sends datagrams through the load balancer and the smallest appliance, as fast as they come back.
func BenchmarkGWLB(b *testing.B) {
	needRoot(b)
	l, err := New("bench")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	top, err := GWLBTopology(l, Options{})
	if err != nil {
		b.Fatal(err)
	}
	startEcho(b, top.Sensor)
	flood := Flood{Kind: UDPFlood, From: top.Client, Dst: netip.AddrPortFrom(top.Server.Addr, 9), Payload: 64}
	sink, err := top.Server.swallow(flood.Dst)
	if err != nil {
		b.Fatal(err)
	}
	defer sink.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go flood.Run(ctx, 0)
	for b.Loop() {
		want := top.GWLB.Stats().Accepted + 1000
		for top.GWLB.Stats().Accepted < want {
			time.Sleep(time.Millisecond)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "packets/s")
}
