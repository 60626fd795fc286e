package capture_test

import (
	"encoding/json"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/capture"
)

// TestXSKIsInherited leaves a socket, with frames waiting in it, to a successor, as a process does at exec.
func TestXSKIsInherited(t *testing.T) {
	onOneCPU(t) // the wire's frames arrive on the queue of the processor that sends them
	r := newRigWith(t, bpf.Options{Mode: bpf.ModeGWLB}, 2, false)
	x, other := r.open(t, capture.XSKConfig{Frames: 256}), r.open(t, capture.XSKConfig{Frames: 64, Queue: 1})
	heirs, forsaken := []capture.Source{x}, []capture.Inherited(nil)
	for round := range 4 {
		sent := r.frames(200)
		_, err := r.wire.Send(sent[:100]...)
		check(t, err)
		g := capture.NewGroup(heirs...)
		if round == 0 {
			g = capture.NewGroup(x, other)
		}
		left, err := g.Bequeath()
		check(t, err)
		if round == 0 {
			forsaken = left[1:]
		}
		text, err := json.Marshal(left[:1])
		check(t, err)
		var inherited []capture.Inherited
		check(t, json.Unmarshal(text, &inherited))
		_, err = r.wire.Send(sent[100:]...) // while nobody is there
		check(t, err)
		next := r.open(t, capture.XSKConfig{Inherited: inherited})
		check(t, capture.Forsake(inherited)) // all are taken
		pump(t, next, 200, func(*capture.Frame) {})
		compare(t, r.geneve(t, 200), sent)
		rest(t, next)
		if c := r.sensor.Credit(0); c.Granted-c.Used != 256 {
			t.Errorf("round %d: credit for %d frames; want 256", round, c.Granted-c.Used)
		}
		heirs = []capture.Source{next}
	}
	check(t, capture.Forsake(forsaken))
	r.open(t, capture.XSKConfig{Frames: 64, Queue: 1}) // is free again
}

// onOneCPU keeps the test on processor 0 until its end.
func onOneCPU(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	var all, first unix.CPUSet
	check(t, unix.SchedGetaffinity(0, &all))
	first.Set(0)
	check(t, unix.SchedSetaffinity(0, &first))
	t.Cleanup(func() {
		check(t, unix.SchedSetaffinity(0, &all))
		runtime.UnlockOSThread()
	})
}
