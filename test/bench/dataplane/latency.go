package dataplane

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/pkg/capture"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/verdict/enforce"
)

const (
	echoes     = 2000 // of a measurement, one after the other
	echoPort   = 4000
	echoRounds = 3 // of all ways, one after the other, for each run: what else the machine does comes to all of them
)

// way is one way of a packet through the appliance and back.
type way struct {
	name, reach  string
	prepare      func() (undo func() error, err error)
	cable        *cable
	to           netip.Addr // outer destination
	medians, p99 []float64  // ns, a value each measurement
}

// latency compares how long a packet is on its way through the appliance and back: routed by the kernel, sent back by XDP, and through user
// space, by workers that sleep while nothing comes and by such that never do. One packet is on its way at a time.
func (b *bench) latency() error {
	var keep closers
	defer keep.close()
	routed, err := newEcho("benchrouted", &keep)
	if err != nil {
		return err
	}
	if err := routed.route(); err != nil {
		return err
	}
	c, err := newEcho("benchecho", &keep)
	if err != nil {
		return err
	}
	s, err := bpf.Load(bpf.Options{Mode: bpf.ModeGWLB, Name: "benchecho", NoPin: true, Flows: 1024})
	if err != nil {
		return err
	}
	keep.add(s.Close)
	e, err := enforce.New(s, enforce.Options{})
	if err != nil {
		return err
	}
	keep.add(e.Close)
	detach, err := c.attach(s.Program())
	if err != nil {
		return err
	}
	keep.add(detach)
	asleep := func(wait time.Duration, workers int) func() (func() error, error) {
		return func() (func() error, error) { return c.workers(s, wait, workers) }
	}
	ways := []*way{
		{name: "routed by the kernel", cable: routed, to: netip.MustParseAddr("10.78.0.1")},
		{name: "sent back by XDP", cable: c, prepare: func() (func() error, error) { return decideEcho(e) }},
		{name: "AF_XDP inline", cable: c, reach: "≤ 60 µs", prepare: asleep(50*time.Millisecond, 1)},
		{name: "AF_XDP inline, handed to another worker", cable: c, prepare: asleep(50*time.Millisecond, 2)},
		{name: "AF_XDP inline, busy-poll", cable: c, reach: "≤ 25 µs", prepare: asleep(0, 1)},
	}
	for _, w := range ways[1:] {
		w.to = netip.MustParseAddr("10.77.9.10")
	}
	for range b.runs * echoRounds {
		for _, w := range ways {
			if err := w.measure(); err != nil {
				return fmt.Errorf("latency, %s: %w", w.name, err)
			}
		}
	}
	b.addLatency(ways)
	return nil
}

// newEcho is a cable whose near end takes back what comes.
func newEcho(name string, keep *closers) (*cable, error) {
	return newCableTo(name, lab.End{Pass: true}, keep)
}

// route has the far end's kernel route what is sent to 10.78.0.0/24 back to the near end.
func (c *cable) route() error {
	ns := c.far.NS
	for _, step := range []func() error{
		ns.Router,
		func() error { return ns.Sysctl("net/ipv4/conf/all/rp_filter", "0") },
		func() error { return ns.Sysctl("net/ipv4/conf/eth0/rp_filter", "0") },
		func() error { return ns.Sysctl("net/ipv4/conf/all/send_redirects", "0") },
		func() error { return ns.Sysctl("net/ipv4/conf/eth0/send_redirects", "0") },
		func() error { return ns.Neighbour("eth0", netip.MustParseAddr("10.77.9.1"), c.near.MAC) },
		func() error {
			return ns.Route(netip.MustParsePrefix("10.78.0.0/24"), netip.MustParseAddr("10.77.9.1"), "eth0")
		},
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// decideEcho has XDP send the echo's conversation back by itself.
func decideEcho(e *enforce.Enforcer) (undo func() error, err error) {
	key, fromB := bpf.NewTuple(endpointID, flowSource.As16(), flowTarget.Addr().As16(), echoPort, flowTarget.Port(), 17)
	err = e.DecideFlow(key, fromB, enforce.FlowDecision{Action: verdict.Bypass, Idle: time.Hour, Life: time.Hour})
	return func() error { e.ForgetFlow(key); return nil }, err
}

// workers sends everything back through user space.
func (c *cable) workers(s *bpf.Sensor, wait time.Duration, n int) (stop func() error, err error) {
	var x *capture.XSK
	err = c.far.NS.Run(func() error {
		x, err = capture.OpenXSK(capture.XSKConfig{Ifindex: c.index, Sockets: s.Sockets(), Credit: s.Credit(0)})
		return err
	})
	if err != nil {
		return nil, err
	}
	seed := s.Control().Seed
	for kept(seed, n) { // to a worker that does not own the queue, if there are several
		seed++
	}
	sources, err := capture.Deal([]capture.Bundle{{x}}, capture.DealOptions{Workers: n, Seed: seed})
	if err != nil {
		return nil, err
	}
	var ending atomic.Bool
	done := make(chan error, n)
	for _, source := range sources {
		go func() { done <- forward(source, wait, &ending) }()
	}
	return func() error {
		ending.Store(true)
		var errs []error
		for range sources {
			errs = append(errs, <-done)
		}
		for _, source := range sources {
			errs = append(errs, source.Close())
		}
		return errors.Join(errs...)
	}, nil
}

// forward sends on all that a source has, until the end.
func forward(s capture.Source, wait time.Duration, ending *atomic.Bool) error {
	frames := make([]capture.Frame, 256)
	for !ending.Load() {
		n, err := s.Recv(frames, wait)
		if err == nil {
			err = s.Done(frames[:n])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// kept reports whether the echo's conversation would not be handed over although there are several workers.
func kept(seed uint64, workers int) bool {
	t, _ := bpf.NewTuple(endpointID, flowSource.As16(), flowTarget.Addr().As16(), echoPort, flowTarget.Port(), 17)
	return workers > 1 && t.Shard(seed, workers) == 0
}

// measure sends echoes one after the other.
func (w *way) measure() (err error) {
	if w.prepare != nil {
		undo, fault := w.prepare()
		if fault != nil {
			return fault
		}
		defer func() {
			if fault := undo(); err == nil {
				err = fault
			}
		}()
	}
	wire, err := lab.OpenWire(w.cable.near.NS, "eth0")
	if err != nil {
		return err
	}
	defer wire.Close()
	frame := w.cable.echo(w.to)
	times := make([]float64, 0, echoes)
	for range echoes {
		took, err := roundTrip(wire, frame)
		if err != nil {
			return err
		}
		times = append(times, float64(took))
	}
	slices.Sort(times)
	w.medians = append(w.medians, times[len(times)/2])
	w.p99 = append(w.p99, times[len(times)*99/100])
	return nil
}

// roundTrip is how long a frame is away.
func roundTrip(wire *lab.Wire, frame []byte) (time.Duration, error) {
	start := time.Now()
	if n, err := wire.Send(frame); n != 1 {
		return 0, fmt.Errorf("%d frames sent: %w", n, err)
	}
	for time.Since(start) < time.Second {
		got, err := wire.Recv()
		if err != nil {
			return 0, err
		}
		if len(got) == len(frame) {
			return time.Since(start), nil
		}
	}
	return 0, fmt.Errorf("a frame did not come back within a second")
}

// echo is a load balancer's frame that XDP, user space, or the kernel's routing sends back.
func (c *cable) echo(to netip.Addr) []byte {
	inner := make([]byte, 64)
	copy(inner, []byte{0x45, 0, 0, 64, 0, 1, 0, 0, 64, 17, 0, 0})
	copy(inner[12:], flowSource.AsSlice())
	copy(inner[16:], flowTarget.Addr().AsSlice())
	copy(inner[20:], []byte{echoPort >> 8, echoPort & 0xff, 0, byte(flowTarget.Port()), 0, 44})
	g := lab.Geneve{SrcMAC: [6]byte(c.near.MAC), DstMAC: [6]byte(c.far.MAC), Src: netip.MustParseAddr("10.77.9.1"),
		Dst: to, SrcPort: 4000, Endpoint: endpointID, Cookie: 9}
	b := make([]byte, 2000)
	return b[:g.Wrap(b, inner)]
}

// addLatency tells what each way adds to the first.
func (b *bench) addLatency(ways []*way) {
	plain := ways[0]
	floor, tail := median(plain.medians), median(plain.p99)
	for _, w := range ways[1:] {
		b.add(row{"latency added: " + w.name + ", median (p99)",
			fmt.Sprintf("%+.0f µs (%+.0f µs)", (median(w.medians)-floor)/1e3, (median(w.p99)-tail)/1e3),
			fmt.Sprintf("%s %.0f µs (%.0f µs)", plain.name, floor/1e3, tail/1e3), "", w.reach, ""})
	}
}
