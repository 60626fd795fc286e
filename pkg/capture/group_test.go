package capture_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/capture"
)

// onCPU runs f on one processor: a veth's sender chooses the queue by it.
func onCPU(t *testing.T, cpu int, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its affinity
		var set unix.CPUSet
		set.Set(cpu)
		err := unix.SchedSetaffinity(0, &set)
		if err == nil {
			f()
		}
		done <- err
	}()
	check(t, <-done)
}

func TestGroupServesAllQueues(t *testing.T) {
	if runtime.NumCPU() < 2 {
		t.Skip("one processor: a veth's second queue cannot be reached")
	}
	r := newRigWith(t, bpf.Options{Mode: bpf.ModeGWLB}, 2, false)
	a, b := r.open(t, capture.XSKConfig{Queue: 0}), r.open(t, capture.XSKConfig{Queue: 1})
	g := capture.NewGroup(a, b)
	sent := r.frames(400)
	for i := range 2 {
		onCPU(t, i, func() {
			if _, err := r.wire.Send(sent[i*200 : (i+1)*200]...); err != nil {
				t.Error(err)
			}
		})
	}
	var queues [2]int
	pump(t, g, 400, func(f *capture.Frame) { queues[f.Queue]++ })
	compare(t, r.geneve(t, 400), sent)
	if s := g.Stats(); s.Forwarded != 400 || queues != [2]int{200, 200} || !g.Inline() {
		t.Errorf("%+v, frames by queue %v", s, queues)
	}

	start := time.Now()
	if n, err := g.Recv(make([]capture.Frame, 1), 50*time.Millisecond); n != 0 || err != nil || time.Since(start) < 40*time.Millisecond {
		t.Errorf("%d frames, %v after %v; want none after 50 ms", n, err, time.Since(start))
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		r.wire.Send(sent[0])
	}()
	start = time.Now()
	frames := make([]capture.Frame, 1)
	n, err := g.Recv(frames, 10*time.Second)
	if n != 1 || err != nil || time.Since(start) > 5*time.Second {
		t.Errorf("%d frames, %v after %v; want the one sent after 20 ms", n, err, time.Since(start))
	}
	check(t, g.Done(frames[:n]))
	check(t, g.Close())
}

func TestGroupOfRings(t *testing.T) {
	r := newRig(t, bpf.Options{Mode: bpf.ModeHost, Rings: 2})
	atomic.StoreUint32(&r.sensor.Control().Capture, 1)
	var rings []capture.Source
	for _, m := range r.sensor.Rings() {
		ring, err := capture.OpenRing(m, nil)
		check(t, err)
		rings = append(rings, ring)
	}
	g := capture.NewGroup(rings...)
	closeAfter(t, g.Close)
	sent := r.frames(100)
	_, err := r.wire.Send(sent...)
	check(t, err)
	got := map[string]int{}
	pump(t, g, 100, func(f *capture.Frame) { got[string(f.Data)]++ })
	if len(got) != 100 || g.Stats().Frames != 100 || g.Inline() {
		t.Errorf("%d frames, %+v", len(got), g.Stats())
	}
}
