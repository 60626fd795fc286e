package dataplane

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/capture"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/verdict/enforce"
)

var (
	flowSource = netip.MustParseAddr("198.18.0.1")
	flowTarget = netip.MustParseAddrPort("10.77.1.10:53")
)

const (
	endpointID  = 7
	inlineBurst = 1 << 20 // of decided flows
	queueFrames = 1 << 15 // buffers of the AF_XDP socket, and the burst it takes without loss
)

// inline compares what a packet of a decided flow costs, sent back by XDP, with one that goes through user space and back: the CPU
// time of the whole way, generator and both ends included, and packets a second.
func (b *bench) inline() error {
	var keep closers
	defer keep.close()
	c, err := newCable("benchinline", &keep)
	if err != nil {
		return err
	}
	s, err := bpf.Load(bpf.Options{Mode: bpf.ModeGWLB, Name: "bench", NoPin: true, Flows: 1 << 17})
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
	x, stop, err := c.forwarder(s)
	if err != nil {
		return err
	}
	keep.add(stop)
	var inspected, one, many []spent
	for range b.runs {
		r, err := c.inspected(x)
		if err != nil {
			return err
		}
		inspected = append(inspected, r)
	}
	if err := decideAll(e); err != nil {
		return err
	}
	for range b.runs {
		for port, runs := range map[uint16]*[]spent{4000: &one, 0: &many} {
			r, err := c.decided(s, port)
			if err != nil {
				return err
			}
			*runs = append(*runs, r)
		}
	}
	b.addInline(inspected, one, many, x.Stats())
	return nil
}

// decided sends packets that XDP sends back by itself, all of them.
func (c *cable) decided(s *bpf.Sensor, port uint16) (spent, error) {
	before, err := s.Counters()
	if err != nil {
		return spent{}, err
	}
	r, err := send(c.tunnelled(port), inlineBurst)
	if err != nil {
		return r, err
	}
	after, err := s.Counters()
	if err != nil {
		return r, err
	}
	if got := after.Paths[bpf.PathHairpin] - before.Paths[bpf.PathHairpin]; got != r.packets {
		return r, fmt.Errorf("of %d packets of decided flows XDP sent %d back", r.packets, got)
	}
	return r, nil
}

func (b *bench) addInline(inspected, one, many []spent, s capture.Stats) {
	of := func(runs []spent, f func(spent) float64) float64 {
		var v []float64
		for _, r := range runs {
			v = append(v, f(r))
		}
		return median(v)
	}
	slow := of(inspected, spent.cpuNS)
	cpu := func(what string, runs []spent, reach, aim string) {
		fast := of(runs, spent.cpuNS)
		b.add(row{what, ns(fast), "AF_XDP inline " + ns(slow), times(slow / fast), reach, aim})
	}
	cpu("packet of a decided flow sent back, CPU, both ends", one, "≥ 5×", "10×")
	cpu("the same, 64 k flows at random", many, "", "")
	b.add(row{"decided flow sent back, rate", mpps(of(one, spent.rate)), "AF_XDP inline, one thread " + mpps(of(inspected, spent.rate)), "", "≥ 1.4; ≥ 0.4 Mpps", ""})
	b.add(row{"frames lost between program, socket and wire", fmt.Sprint(s.Lost + s.TxFull), "of " + fmt.Sprint(s.Frames), "", "0", "0"})
}

// decideAll lets inspection decide about every flow that the generator may make.
func decideAll(e *enforce.Enforcer) error {
	for port := range 1 << 16 {
		key, fromB := bpf.NewTuple(endpointID, flowSource.As16(), flowTarget.Addr().As16(), uint16(port), flowTarget.Port(), 17)
		if err := e.DecideFlow(key, fromB, enforce.FlowDecision{Action: verdict.Bypass, Idle: time.Hour, Life: time.Hour}); err != nil {
			return err
		}
	}
	return nil
}

// forwarder sends everything back through user space, as the sensor's worker does, until stop.
func (c *cable) forwarder(s *bpf.Sensor) (x *capture.XSK, stop func() error, err error) {
	err = c.far.NS.Run(func() error {
		x, err = capture.OpenXSK(capture.XSKConfig{Ifindex: c.index, Sockets: s.Sockets(), Credit: s.Credit(0), Frames: queueFrames, FrameSize: 2048})
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	var ending atomic.Bool
	done := make(chan error, 1)
	go func() {
		frames := make([]capture.Frame, 256)
		for !ending.Load() {
			n, err := x.Recv(frames, 50*time.Millisecond)
			if err == nil {
				err = x.Done(frames[:n])
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	return x, func() error {
		ending.Store(true)
		if err := <-done; err != nil {
			return err
		}
		return x.Close()
	}, nil
}

// inspected sends bursts that the socket has room for, each when the one before is through.
func (c *cable) inspected(x *capture.XSK) (sum spent, err error) {
	for range 8 {
		start, cpu, before := time.Now(), processCPU(), x.Stats().Forwarded
		s, err := send(c.tunnelled(0), queueFrames)
		if err != nil {
			return sum, err
		}
		for x.Stats().Forwarded-before < s.packets {
			if time.Since(start) > 5*time.Second {
				return sum, fmt.Errorf("of %d packets AF_XDP sent %d back", s.packets, x.Stats().Forwarded-before)
			}
			time.Sleep(100 * time.Microsecond)
		}
		sum.packets += s.packets
		sum.wall += time.Since(start)
		sum.cpu += processCPU() - cpu
	}
	return sum, nil
}
