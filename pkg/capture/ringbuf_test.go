package capture_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/capture"
)

func ringRig(t *testing.T, o bpf.Options) (*rig, *capture.Ring) {
	t.Helper()
	o.Mode = bpf.ModeHost
	r := newRig(t, o)
	atomic.StoreUint32(&r.sensor.Control().Capture, 1)
	ring, err := capture.OpenRing(r.sensor.Rings()[0], func() uint64 { return r.path(t, bpf.PathCaptureLost) })
	check(t, err)
	closeAfter(t, ring.Close)
	return r, ring
}

func TestRingCopiesFrames(t *testing.T) {
	r, ring := ringRig(t, bpf.Options{RingBytes: 64 << 10}) // small: the ring wraps many times
	sent := r.frames(2000)
	start := time.Now().UnixNano()
	next, bytes, last := 0, uint64(0), int64(0)
	for at := 0; at < len(sent); at += 20 {
		batch := sent[at : at+20]
		_, err := r.wire.Send(batch...)
		check(t, err)
		pump(t, ring, len(batch), func(f *capture.Frame) {
			if string(f.Data) != string(sent[next]) || f.WireLen != len(f.Data) || f.Link != 1 {
				t.Fatalf("frame %d: %d of %d bytes, link %d; want the %d sent", next, len(f.Data), f.WireLen, f.Link, len(sent[next]))
			}
			if f.Time < max(start, last)-1e6 || f.Time > time.Now().UnixNano()+1e6 {
				t.Fatalf("frame %d at %d, after one at %d, started at %d", next, f.Time, last, start)
			}
			last = f.Time
			bytes += uint64(len(f.Data))
			next++
		})
	}
	if s := ring.Stats(); s.Frames != 2000 || s.Bytes != bytes || s.Lost != 0 {
		t.Errorf("%+v; want 2000 frames, %d bytes, none lost", s, bytes)
	}
	if ring.Inline() {
		t.Error("a ring of copies calls itself inline")
	}
}

func TestRingCutsFrames(t *testing.T) {
	r, ring := ringRig(t, bpf.Options{SnapLen: 96})
	sent := r.frames(10)
	_, err := r.wire.Send(sent...)
	check(t, err)
	next := 0
	pump(t, ring, 10, func(f *capture.Frame) {
		if string(f.Data) != string(sent[next][:96]) || f.WireLen != len(sent[next]) {
			t.Errorf("frame %d: %d of %d bytes; want 96 of %d", next, len(f.Data), f.WireLen, len(sent[next]))
		}
		next++
	})
}

// TestRingFull reads nothing: frames are lost, counted, and what is in the ring is whole.
func TestRingFull(t *testing.T) {
	r, ring := ringRig(t, bpf.Options{RingBytes: 16 << 10})
	sent := r.frames(100)
	_, err := r.wire.Send(sent...)
	check(t, err)
	frames := make([]capture.Frame, 200)
	n, err := ring.Recv(frames, time.Second)
	check(t, err)
	next := 0
	for _, f := range frames[:n] {
		for next < len(sent) && string(f.Data) != string(sent[next]) {
			next++
		}
	}
	if s := ring.Stats(); n == 0 || next == len(sent) || s.Lost != 100-uint64(n) {
		t.Errorf("%d frames, in order: %v, %+v; want the others counted as lost", n, next < len(sent), s)
	}
	check(t, ring.Done(frames[:n]))
	_, err = r.wire.Send(sent[0])
	check(t, err)
	pump(t, ring, 1, func(f *capture.Frame) {
		if string(f.Data) != string(sent[0]) {
			t.Error("another frame after the ring was emptied")
		}
	})
}

func TestRingAllocatesNothing(t *testing.T) {
	r, ring := ringRig(t, bpf.Options{})
	_, err := r.wire.Send(r.frames(1000)...)
	check(t, err)
	frames := make([]capture.Frame, 8)
	total := 0
	allocs := testing.AllocsPerRun(100, func() {
		n, err := ring.Recv(frames, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		total += n
		if err := ring.Done(frames[:n]); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 || total < 500 {
		t.Errorf("%v allocations per batch, %d frames", allocs, total)
	}
}

func TestRingRefusesOtherMaps(t *testing.T) {
	r, _ := ringRig(t, bpf.Options{})
	if _, err := capture.OpenRing(r.sensor.Sockets(), nil); err == nil {
		t.Error("an XSKMAP was taken for a ring")
	}
}
