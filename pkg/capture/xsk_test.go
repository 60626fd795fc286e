package capture_test

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/pkg/capture"
)

func gwlbRig(t *testing.T) *rig { return newRig(t, bpf.Options{Mode: bpf.ModeGWLB}) }

// path reads one of the program's counters.
func (r *rig) path(t *testing.T, p bpf.Path) uint64 {
	t.Helper()
	c, err := r.sensor.Counters()
	check(t, err)
	return c.Paths[p]
}

func TestXSKForwardsByteForByte(t *testing.T) {
	r := gwlbRig(t)
	x := r.open(t, capture.XSKConfig{})
	sent := r.frames(3000)
	all, done := sent, make(chan struct{})
	go func() {
		defer close(done)
		for len(sent) > 0 { // at a rate that leaves the receiver a chance
			batch := sent[:min(50, len(sent))]
			sent = sent[len(batch):]
			if n, err := r.wire.Send(batch...); n != len(batch) || err != nil {
				t.Errorf("sent %d of %d: %v", n, len(batch), err)
			}
			time.Sleep(time.Millisecond)
		}
	}()
	var links, wires int
	pump(t, x, 3000, func(f *capture.Frame) {
		if f.Link != 1 || f.Queue != 0 || time.Since(time.Unix(0, f.Time)) > time.Minute {
			links++
		}
		if f.WireLen != len(f.Data) {
			wires++
		}
	})
	<-done
	compare(t, r.geneve(t, len(all)), all)
	s := x.Stats()
	if s.Frames != 3000 || s.Forwarded != 3000 || s.Dropped+s.Lost+s.TxFull != 0 || links+wires != 0 {
		t.Errorf("%+v, %d frames of another link, queue or time, %d of another length", s, links, wires)
	}
	if n := r.path(t, bpf.PathInspect); n != 3000 {
		t.Errorf("the program handed over %d; want 3000", n)
	}
}

func TestXSKDiscards(t *testing.T) {
	r := gwlbRig(t)
	x := r.open(t, capture.XSKConfig{Frames: 256}) // fewer buffers than frames: they must come round
	sent := r.frames(1000)
	var kept [][]byte
	for start := 0; start < len(sent); start += 100 {
		for i, f := range sent[start : start+100] {
			if i%4 != 0 {
				kept = append(kept, f)
			}
		}
		_, err := r.wire.Send(sent[start : start+100]...)
		check(t, err)
		n := 0
		pump(t, x, 100, func(f *capture.Frame) {
			if n%4 == 0 {
				f.Fate = capture.Discard
			}
			n++
		})
	}
	compare(t, r.geneve(t, len(kept)), kept)
	if s := x.Stats(); s.Forwarded != 750 || s.Dropped != 250 || s.Lost+s.TxFull != 0 {
		t.Errorf("%+v", s)
	}
}

// TestXSKBackPressure leaves the frames lying: the program must see that there is no more room, and let the rest pass by its policy.
func TestXSKBackPressure(t *testing.T) {
	r := gwlbRig(t)
	x := r.open(t, capture.XSKConfig{Frames: 64})
	sent := r.frames(200)
	_, err := r.wire.Send(sent...)
	check(t, err)
	got := r.geneve(t, 136)
	if len(got) != 136 {
		t.Errorf("%d frames came back around the full socket; want 136", len(got))
	}
	if open := r.path(t, bpf.PathCreditOpen); open != 136 {
		t.Errorf("the program counts %d frames without credit; want 136", open)
	}
	pump(t, x, 64, func(*capture.Frame) {})
	for f, n := range r.geneve(t, 64) {
		got[f] += n
	}
	compare(t, got, sent)
	if s := x.Stats(); s.Frames != 64 || s.Forwarded != 64 || s.Lost != 0 {
		t.Errorf("%+v", s)
	}
	rest(t, x)
	if c := r.sensor.Credit(0); c.Granted-c.Used != 64 {
		t.Errorf("credit for %d frames afterwards; want 64", c.Granted-c.Used)
	}
}

func TestXSKTransmitRingFull(t *testing.T) {
	r := gwlbRig(t)
	x := r.open(t, capture.XSKConfig{Frames: 64, TxRing: 4})
	frames := make([]capture.Frame, 64)
	total, full := 0, uint64(0)
	for range 20 { // again and again: a buffer lost each time would be noticed
		_, err := r.wire.Send(r.frames(32)...)
		check(t, err)
		got := 0
		for got < 32 {
			n, err := x.Recv(frames[got:], time.Second)
			check(t, err)
			if n == 0 {
				t.Fatalf("%d of 32 frames came", got)
			}
			got += n
		}
		check(t, x.Done(frames[:got]))
		total += got
	}
	s := x.Stats()
	full = s.TxFull
	if full != uint64(total)-s.Forwarded || s.Forwarded < 80 || full == 0 || s.Lost != 0 {
		t.Errorf("%d frames, %+v", total, s)
	}
}

// TestXSKMendsCredit spends credit on frames that never come, as a driver does that refuses a redirected frame.
func TestXSKMendsCredit(t *testing.T) {
	r := gwlbRig(t)
	x := r.open(t, capture.XSKConfig{Frames: 64})
	r.sensor.Credit(0).Used += 10
	rest(t, x)
	if c := r.sensor.Credit(0); c.Granted-c.Used != 64 {
		t.Errorf("credit for %d frames; want 64 again", c.Granted-c.Used)
	}
}

// TestXSKSends sends frames of our own beside those that are forwarded, more than there are spare buffers in all.
func TestXSKSends(t *testing.T) {
	r := gwlbRig(t)
	x := r.open(t, capture.XSKConfig{Frames: 128})
	sent := r.frames(40)
	want := map[string]int{}
	for range 10 {
		_, err := r.wire.Send(sent...)
		check(t, err)
		pump(t, x, 40, func(f *capture.Frame) {
			if !x.Send(f, swapped(f.Data), true) {
				t.Error("no room for a frame of our own")
			}
		})
		for _, f := range sent {
			want[string(swapped(f))] += 2
		}
	}
	got := r.geneve(t, 800)
	for f, n := range want {
		if got[f] != n {
			t.Fatalf("a frame came back %d times; want %d", got[f], n)
		}
	}
	if s := x.Stats(); s.Sent != 400 || s.Forwarded != 400 || s.Lost+s.TxFull != 0 {
		t.Errorf("%+v", s)
	}
	if x.Send(nil, make([]byte, 5000), true) {
		t.Error("sent a frame that no buffer holds")
	}
	rest(t, x)
	if c := r.sensor.Credit(0); c.Granted-c.Used != 128 {
		t.Errorf("credit for %d frames afterwards; want 128", c.Granted-c.Used)
	}
}

// TestXSKProves tries a socket while frames wait in it; they must come, the proof must not. Then one whose way in is cut.
func TestXSKProves(t *testing.T) {
	r := gwlbRig(t)
	device := func() (dev *net.Interface) {
		check(t, r.far.NS.Run(func() (err error) { dev, err = net.InterfaceByIndex(r.index); return err }))
		return dev
	}()
	prove := func(x *capture.XSK) error {
		return r.far.NS.Run(func() error { return x.Prove(r.sensor.Program(), bpf.ModeGWLB, device) })
	}
	x := r.open(t, capture.XSKConfig{Frames: 64})
	sent := r.frames(20)
	_, err := r.wire.Send(sent[:10]...)
	check(t, err)
	check(t, prove(x))
	_, err = r.wire.Send(sent[10:]...)
	check(t, err)
	pump(t, x, 20, func(*capture.Frame) {})
	compare(t, r.geneve(t, 20), sent)
	rest(t, x)
	if s, c := x.Stats(), r.sensor.Credit(0); s.Frames != 20 || c.Granted-c.Used != 64 {
		t.Errorf("%+v, credit for %d frames", s, c.Granted-c.Used)
	}
	check(t, x.Close())
	y := r.open(t, capture.XSKConfig{Frames: 64})
	check(t, r.sensor.Sockets().Delete(uint32(0)))
	if err := prove(y); err == nil || !strings.Contains(err.Error(), "self-test: a frame") || !strings.Contains(err.Error(), "queue 0") {
		t.Errorf("a socket that nothing reaches was proved: %v", err)
	}
}

func TestXSKReopens(t *testing.T) {
	r := gwlbRig(t)
	for range 3 {
		x := r.open(t, capture.XSKConfig{Frames: 64})
		sent := r.frames(40)
		_, err := r.wire.Send(sent...)
		check(t, err)
		pump(t, x, 40, func(*capture.Frame) {})
		compare(t, r.geneve(t, 40), sent)
		if s := x.Stats(); s.Abandoned > 0 {
			t.Errorf("%d frames lost with a socket that was closed", s.Abandoned)
		}
		check(t, x.Close())
		if c := r.sensor.Credit(0); int64(c.Granted-c.Used) > 0 {
			t.Errorf("a closed socket grants %d", c.Granted-c.Used)
		}
	}
	sent := r.frames(40) // nobody there: the program returns them by itself
	_, err := r.wire.Send(sent...)
	check(t, err)
	compare(t, r.geneve(t, 40), sent)
	if n := r.path(t, bpf.PathNoSocket); n != 40 {
		t.Errorf("the program counts %d frames without socket; want 40", n)
	}
}

func TestXSKAllocatesNothing(t *testing.T) {
	r := gwlbRig(t)
	x := r.open(t, capture.XSKConfig{})
	sent := r.frames(1000)
	_, err := r.wire.Send(sent...)
	check(t, err)
	frames := make([]capture.Frame, 8)
	total := 0
	allocs := testing.AllocsPerRun(100, func() {
		n, err := x.Recv(frames, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		total += n
		if err := x.Done(frames[:n]); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 || total < 500 {
		t.Errorf("%v allocations per batch, %d frames", allocs, total)
	}
}

func TestXSKConfig(t *testing.T) {
	r := gwlbRig(t)
	for _, tt := range []struct {
		cfg  capture.XSKConfig
		want string
	}{
		{capture.XSKConfig{Frames: 100}, "100 buffers: must be a power of two"},
		{capture.XSKConfig{FrameSize: 1000}, "buffers of 1000 bytes: must be 2048 or 4096"},
		{capture.XSKConfig{TxRing: 8192}, "8192 frames waiting to be sent: must be a power of two, at most the 4096 buffers"},
		{capture.XSKConfig{Queue: 64}, "the program knows queues 0 to 63"},
		{capture.XSKConfig{Queue: 5, Frames: 64}, "bind: invalid argument"},
	} {
		tt.cfg.Ifindex, tt.cfg.Sockets, tt.cfg.Credit = r.index, r.sensor.Sockets(), r.sensor.Credit(0)
		err := r.far.NS.Run(func() error {
			x, err := capture.OpenXSK(tt.cfg)
			if err == nil {
				x.Close()
			}
			return err
		})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "capture: AF_XDP on interface ") {
			t.Errorf("%+v: error %v; want one with %q", tt.cfg, err, tt.want)
		}
	}
	r.open(t, capture.XSKConfig{Frames: 64})
	r.far.NS.Run(func() error {
		_, err := capture.OpenXSK(capture.XSKConfig{Ifindex: r.index, Sockets: r.sensor.Sockets(), Credit: r.sensor.Credit(0), Frames: 64})
		if err == nil || !strings.Contains(err.Error(), "has an AF_XDP socket already") {
			t.Errorf("a second socket on a queue: %v", err)
		}
		return nil
	})
	if c := r.sensor.Credit(0); c.Granted-c.Used != 64 {
		t.Errorf("the refused socket left the first with credit for %d; want 64", c.Granted-c.Used)
	}
}

// BenchmarkXSK forwards as many frames as the socket takes of a flood, 64 bytes within.
func BenchmarkXSK(b *testing.B) {
	r := newRigWith(b, bpf.Options{Mode: bpf.ModeGWLB}, 1, true)
	x := r.open(b, capture.XSKConfig{})
	flood := lab.Flood{
		Kind: lab.UDPFlood, From: &lab.Host{Namespace: r.near.NS}, Payload: 36,
		Dst: netip.MustParseAddrPort("10.77.1.10:53"), Src: netip.MustParsePrefix("198.18.0.0/15"),
		Outer: &lab.Geneve{SrcMAC: [6]byte(r.near.MAC), DstMAC: [6]byte(r.far.MAC), Src: balancer, Dst: target, SrcPort: 4000, Endpoint: 7, Cookie: 9},
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := flood.RunLive(ctx, 0)
		done <- err
	}()
	frames := make([]capture.Frame, 256)
	for range 100 { // until the flood is there
		n, err := x.Recv(frames, time.Second)
		check(b, err)
		check(b, x.Done(frames[:n]))
	}
	b.ResetTimer()
	start := x.Stats().Frames
	for x.Stats().Frames-start < uint64(b.N) {
		n, err := x.Recv(frames, time.Second)
		check(b, err)
		check(b, x.Done(frames[:n]))
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mpps")
	b.ReportMetric(float64(x.Stats().Lost), "lost")
	cancel()
	check(b, <-done)
}
