package floods

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/pkg/threshold"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/verdict/enforce"
)

// spoofedRig is a server with the program and the control loop, behind a wire.
type spoofedRig struct {
	t       *testing.T
	control *Control
	*enforce.Enforcer
	sensor *bpf.Sensor
	client lab.Host
	server netip.Addr
}

func newSpoofedRig(t *testing.T) *spoofedRig {
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces")
	}
	l, err := lab.New("spoofed")
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	client, err := l.Namespace("client")
	must(t, err)
	server, err := l.Namespace("server")
	must(t, err)
	near, far, err := l.Cable(
		lab.End{NS: client, Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.77.8.1/24")}, Sink: true},
		lab.End{NS: server, Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.77.8.10/24")}})
	must(t, err)
	r := &spoofedRig{t: t, server: netip.MustParseAddr("10.77.8.10"),
		client: lab.Host{Namespace: client, Addr: netip.MustParseAddr("10.77.8.1"), MAC: [6]byte(near.MAC), RouterMAC: [6]byte(far.MAC)}}
	r.sensor, err = bpf.Load(bpf.Options{Mode: bpf.ModeHost, Name: "spoofed", NoPin: true})
	must(t, err)
	t.Cleanup(func() { r.sensor.Close() })
	r.Enforcer, err = enforce.New(r.sensor, enforce.Options{})
	must(t, err)
	t.Cleanup(func() { r.Enforcer.Close() })
	index, err := server.Index("eth0")
	must(t, err)
	must(t, server.Run(func() error {
		x, err := link.AttachXDP(link.XDPOptions{Program: r.sensor.Program(), Interface: index, Flags: link.XDPDriverMode})
		if err == nil {
			t.Cleanup(func() { x.Close() })
		}
		return err
	}))
	r.watch()
	return r
}

// watch runs the control loop until the test ends.
func (r *spoofedRig) watch() {
	o := Options{Kernel: r.Enforcer, Limits: threshold.DefaultLimits(), Carpet: 10_000, OneSide: true, Enforce: true, Log: slog.New(slog.DiscardHandler),
		Host: func() (HostCounters, error) { return HostCounters{}, nil }, Publish: func(*threshold.Detection) {}}
	o.Floods.Floors = [threshold.NumFloodClasses]uint32{threshold.FloodSYN: 1000, threshold.FloodUDP: 5000, threshold.FloodICMP: 1000, threshold.FloodFragment: 1000}
	r.control = New(o, time.Now())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(lookEvery); ctx.Err() == nil; <-tick.C {
			r.Heartbeat()
			r.control.Look(time.Now())
		}
	}()
	r.t.Cleanup(func() { cancel(); <-done })
}

func (r *spoofedRig) counters() bpf.Counters {
	c, err := r.sensor.Counters()
	must(r.t, err)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestSpoofedSources floods an address from as many forged sources as there are packets, 300,000, or WEIR_SPOOFED_SOURCES of them
// (`make spoofed`: ten million), while clients known to the server send 20 packets a second each: none of them is dropped or
// limited, an operator's verdicts stay as they are, and neither the process nor its maps grow.
func TestSpoofedSources(t *testing.T) {
	sources := 300_000
	if s := os.Getenv("WEIR_SPOOFED_SOURCES"); s != "" {
		var err error
		sources, err = strconv.Atoi(s)
		must(t, err)
	}
	r := newSpoofedRig(t)
	at := netip.AddrPortFrom(r.server, 80)
	clients, blocked := netip.MustParsePrefix("198.51.100.0/26"), netip.MustParsePrefix("192.0.2.66/32")
	for i, v := range []verdict.Verdict{
		{ID: "operator-drop", Match: verdict.Match{Src: blocked}, Action: verdict.Drop},
		{ID: "operator-pass", Match: verdict.Match{Src: netip.MustParsePrefix("192.0.2.7/32")}, Action: verdict.Pass},
	} {
		v.Seq, v.Origin, v.Reason, v.CreatedBy = uint64(i+1), verdict.OriginAnalyst, "test", "operator"
		v.CreatedAt, v.ExpiresAt = time.Now(), time.Now().Add(time.Hour)
		must(t, r.Apply(v))
	}
	for a := clients.Addr(); clients.Contains(a); a = a.Next() {
		r.MarkGood(a)
	}
	send := func(f lab.Flood, packets int) uint64 {
		f.From, f.Dst = &r.client, at
		f.Burst = min(packets, 1<<18)
		var sent uint64
		for sent < uint64(packets) {
			n, err := f.RunLive(context.Background(), time.Nanosecond)
			must(t, err)
			sent += n
		}
		return sent
	}
	flood := lab.Flood{Kind: lab.SYNFlood, Src: netip.MustParsePrefix("64.0.0.0/2")}
	send(flood, sources/10)
	time.Sleep(5 * lookEvery) // it is armed
	memory, before := resident(t), r.counters()
	legitimate, done := make(chan uint64, 1), make(chan struct{})
	go func() {
		ctx, cancel := context.WithCancel(context.Background())
		go func() { <-done; cancel() }()
		n, _ := lab.Flood{Kind: lab.SYNFlood, From: &r.client, Dst: at, Src: clients, Rate: 64 * 20}.RunLive(ctx, 0)
		legitimate <- n
	}()
	sent := send(flood, sources)
	time.Sleep(time.Second)
	close(done)
	good := <-legitimate
	bad := send(lab.Flood{Kind: lab.UDPFlood, Src: blocked}, 1000)
	after := r.counters()

	var dropped uint64
	for _, reason := range []bpf.Reason{bpf.FloodReason(bpf.ClassSYN), bpf.ReasonFingerprint} {
		dropped += after.Drops[reason] - before.Drops[reason]
	}
	// The link loses what comes faster than it takes.
	forged := after.Paths[bpf.PathPackets] - before.Paths[bpf.PathPackets] - good - bad
	if dropped < forged*98/100 || dropped > sent || forged < sent/2 {
		t.Errorf("of %d forged SYNs %d came and %d were dropped; %d of clients were sent meanwhile", sent, forged, dropped, good)
	}
	if n := after.Paths[bpf.PathGood] - before.Paths[bpf.PathGood]; n < good {
		t.Errorf("of %d packets of clients %d passed", good, n)
	}
	if n := after.Drops[bpf.ReasonSource] - before.Drops[bpf.ReasonSource]; n != bad {
		t.Errorf("of %d packets of a source that an operator blocks %d were dropped", bad, n)
	}
	list := r.Verdicts()
	for _, v := range list {
		if v.Origin != verdict.OriginAnalyst {
			t.Errorf("%+v", v)
		}
	}
	if len(list) != 2 || r.control.Stats().Sources != 0 {
		t.Errorf("%d verdicts, %d sources limited; want the operator's two", len(list), r.control.Stats().Sources)
	}
	if grown := resident(t) - memory; grown > 24<<20 {
		t.Errorf("the process grew by %d MiB", grown>>20)
	}
	t.Logf("%d forged sources, %d packets of %d clients", sent, good, 64)
}

// resident is how much memory the process has, in bytes.
func resident(t *testing.T) int64 {
	runtime.GC()
	text, err := os.ReadFile("/proc/self/statm")
	must(t, err)
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	must(t, err)
	return pages * int64(os.Getpagesize())
}
