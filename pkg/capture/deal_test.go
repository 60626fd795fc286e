package capture_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/pkg/capture"
)

const innerAt = 14 + 68 // of the inner IP header in a load balancer's frame

// conversations are frames of many conversations, in turn, each frame with its number in its conversation's direction: first those
// that come by the one queue, then those that come by the other. What one direction of a conversation is in one half, the other is
// in the other, and each has a client of its own. A packet within has up to most bytes.
func (r *rig) conversations(conversations, each, most int) (halves [2][][]byte) {
	rng := rand.New(rand.NewPCG(5, 6))
	g := lab.Geneve{SrcMAC: [6]byte(r.near.MAC), DstMAC: [6]byte(r.far.MAC), Src: balancer, Dst: target, Endpoint: 7, Cookie: 9}
	for n := range each {
		for c := range conversations {
			for half := range 2 {
				p := udpPacket(rng, 60+rng.IntN(most-60), uint32(n))
				client, port := p[12:16], p[20:22]
				if half == c%2 {
					copy(p[12:], []byte{10, 77, 1, 10, 198, 51, 100, 10})
					copy(p[20:], []byte{0, 53})
					client, port = p[16:20], p[22:24]
				}
				client[3] = byte(c) // the worker is chosen by addresses
				binary.BigEndian.PutUint16(port, uint16(20000+c))
				g.SrcPort, g.ID = uint16(1024+half), uint16(len(halves[half]))
				b := make([]byte, most+100)
				halves[half] = append(halves[half], b[:g.Wrap(b, p)])
			}
		}
	}
	return halves
}

// port is the client's port of a frame's conversation, and up whether the frame comes from it.
func port(frame []byte) (port uint16, up bool) {
	s, d := binary.BigEndian.Uint16(frame[innerAt+20:]), binary.BigEndian.Uint16(frame[innerAt+22:])
	if d == 53 {
		return s, true
	}
	return d, false
}

// number is the frame's number in its direction.
func number(frame []byte) uint32 { return binary.BigEndian.Uint32(frame[innerAt+28:]) }

// deal opens both queues and runs workers until the returned function is called; judge sees every frame in its worker.
func (r *rig) deal(t *testing.T, o capture.DealOptions, judge func(worker int, f *capture.Frame)) (stats func() capture.Stats, stop func()) {
	t.Helper()
	var bundles []capture.Bundle
	for q := range 2 {
		x := r.open(t, capture.XSKConfig{Queue: q, Chains: r.sensor.Options().Frags})
		r.xsks, bundles = append(r.xsks, x), append(bundles, capture.Bundle{x})
	}
	o.Seed = r.sensor.Control().Seed
	sources, err := capture.Deal(bundles, o)
	check(t, err)
	r.sources = sources
	var wg sync.WaitGroup
	var ending atomic.Bool
	for i, s := range sources {
		work := func() error {
			frames := make([]capture.Frame, 64)
			turn := func(wait time.Duration) {
				n, err := s.Recv(frames, wait)
				if err != nil {
					t.Error(err)
				}
				for at := range frames[:n] {
					judge(i, &frames[at])
				}
				if err := s.Done(frames[:n]); err != nil {
					t.Error(err)
				}
			}
			for !ending.Load() {
				turn(20 * time.Millisecond)
			}
			share := s.(*capture.Share)
			share.Drain()
			for start := time.Now(); !share.Drained(); turn(time.Millisecond) {
				if time.Since(start) > 10*time.Second {
					t.Errorf("worker %d waits for its frames", i)
					break
				}
			}
			return nil
		}
		wg.Go(func() {
			if err := r.far.NS.Run(work); err != nil { // where a socket would be bound anew
				t.Error(err)
			}
		})
	}
	stats = func() (sum capture.Stats) {
		for _, s := range sources {
			x := s.Stats()
			sum.Frames += x.Frames
			sum.Forwarded += x.Forwarded
			sum.Dropped += x.Dropped
			sum.Lost += x.Lost
			sum.TxFull += x.TxFull
			sum.HandedOver += x.HandedOver
			sum.BehindPassed += x.BehindPassed
			sum.BehindDropped += x.BehindDropped
			sum.Sent += x.Sent
		}
		return sum
	}
	return stats, func() {
		ending.Store(true)
		wg.Wait()
		for _, s := range sources {
			check(t, s.Close())
		}
	}
}

// sendHalves sends each half by a queue of its own.
func (r *rig) sendHalves(t *testing.T, halves [2][][]byte) {
	for i, half := range halves {
		onCPU(t, i, func() {
			if _, err := r.wire.Send(half...); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDealKeepsConversationsTogether has the directions of conversations come by different queues: each conversation must have one
// worker, which sees it in order, and every frame must come back, or not, as that says.
func TestDealKeepsConversationsTogether(t *testing.T) {
	needTwoProcessors(t)
	for _, workers := range []int{2, 3} { // of two queues: the third worker has none
		t.Run(fmt.Sprint(workers, " workers"), func(t *testing.T) {
			keepsTogether(t, newRigWith(t, bpf.Options{Mode: bpf.ModeGWLB}, 2, false), workers, 660)
		})
	}
	t.Run("jumbo", func(t *testing.T) { keepsTogether(t, jumboRig(t, 2), 2, 8500) })
}

func needTwoProcessors(t *testing.T) {
	if runtime.NumCPU() < 2 {
		t.Skip("one processor: a veth's second queue cannot be reached")
	}
}

// seen is what workers have seen of conversations.
type seen struct {
	mu     sync.Mutex
	owner  map[uint16]int       // by port
	queues map[uint16]uint16    // that they came by, a bit each
	next   map[[2]uint16]uint32 // by port and direction
}

func (s *seen) note(t *testing.T, worker int, f *capture.Frame) (p uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, up := port(f.Data)
	if was, known := s.owner[p]; known && was != worker {
		t.Errorf("conversation %d has workers %d and %d", p, was, worker)
	}
	s.owner[p] = worker
	s.queues[p] |= 1 << f.Queue
	direction := [2]uint16{p, 0}
	if up {
		direction[1] = 1
	}
	if number(f.Data) != s.next[direction] {
		t.Errorf("of %v number %d came; want %d", direction, number(f.Data), s.next[direction])
	}
	s.next[direction]++
	return p
}

func keepsTogether(t *testing.T, r *rig, workers, most int) {
	const conversations, each = 40, 20
	s := seen{owner: map[uint16]int{}, queues: map[uint16]uint16{}, next: map[[2]uint16]uint32{}}
	stats, stop := r.deal(t, capture.DealOptions{Workers: workers}, func(worker int, f *capture.Frame) {
		if s.note(t, worker, f)%5 == 0 {
			f.Fate = capture.Discard
		}
	})
	halves := r.conversations(conversations, each, most)
	r.sendHalves(t, halves)
	var want [][]byte
	for _, f := range append(halves[0], halves[1]...) {
		if p, _ := port(f); p%5 != 0 {
			want = append(want, f)
		}
	}
	compare(t, r.geneve(t, len(want)), want)
	stop()
	total := uint64(2 * conversations * each)
	if s := stats(); s.Frames != total || s.Forwarded != uint64(len(want)) || s.Dropped != total-uint64(len(want)) || s.Lost+s.TxFull != 0 ||
		s.HandedOver < total/4 || s.BehindPassed+s.BehindDropped != 0 {
		t.Errorf("%+v", s)
	}
	used := map[int]bool{}
	for p, w := range s.owner {
		used[w] = true
		if s.queues[p] != 3 {
			t.Errorf("conversation %d came by queues %b only", p, s.queues[p])
		}
	}
	if len(used) != workers {
		t.Errorf("%d of %d workers had something to do", len(used), workers)
	}
}

// TestDealWithAWorkerThatHangs sends more than a worker that does not move has room for: that is treated by policy and counted, and
// the other worker goes on.
func TestDealWithAWorkerThatHangs(t *testing.T) {
	needTwoProcessors(t)
	t.Run("passes", func(t *testing.T) { hangs(t, capture.Forward) })
	t.Run("drops", func(t *testing.T) { hangs(t, capture.Discard) })
}

func hangs(t *testing.T, behind capture.Fate) {
	r := newRigWith(t, bpf.Options{Mode: bpf.ModeGWLB}, 2, false)
	hang := make(chan struct{})
	var inspected [2]atomic.Uint64
	stats, stop := r.deal(t, capture.DealOptions{Workers: 2, Behind: behind}, func(worker int, f *capture.Frame) {
		if worker == 1 {
			<-hang
		}
		inspected[worker].Add(1)
	})
	var sent uint64
	half := r.conversations(100, 3, 660)[0]
	onCPU(t, 0, func() { // by the queue of the worker that moves
		for range 12 {
			n, err := r.wire.Send(half...)
			if err != nil {
				t.Error(err)
			}
			sent += uint64(n)
			time.Sleep(20 * time.Millisecond)
		}
	})
	for start := time.Now(); stats().Frames < sent && time.Since(start) < 5*time.Second; time.Sleep(10 * time.Millisecond) {
	}
	s := stats()
	passed, dropped := s.BehindPassed, s.BehindDropped
	if (passed > 0) != (behind == capture.Forward) || (dropped > 0) != (behind == capture.Discard) || passed+dropped > sent*3/4 || s.Lost != 0 {
		t.Errorf("of %d frames, with a worker that hangs: %+v", sent, s)
	}
	if inspected[0].Load() < sent/4 {
		t.Errorf("the worker that moves has inspected %d of %d frames", inspected[0].Load(), sent)
	}
	close(hang)
	stop()
	s = stats()
	if s.Frames != sent || s.Forwarded+s.Dropped != sent || inspected[0].Load()+inspected[1].Load()+passed+dropped != sent {
		t.Errorf("of %d frames at the end: %+v", sent, s)
	}
}

// TestDealSends has each worker answer frames, whoever's queue they came by.
func TestDealSends(t *testing.T) {
	needTwoProcessors(t)
	r := newRigWith(t, bpf.Options{Mode: bpf.ModeGWLB}, 2, false)
	var sources atomic.Pointer[[]capture.Source]
	var limited atomic.Uint64
	stats, stop := r.deal(t, capture.DealOptions{Workers: 2}, func(worker int, f *capture.Frame) {
		for sources.Load() == nil {
			time.Sleep(time.Millisecond)
		}
		f.Fate = capture.Discard
		if !(*sources.Load())[worker].(capture.Sender).Send(f, swapped(f.Data), true) {
			limited.Add(1)
		}
		if (*sources.Load())[worker].(capture.Sender).Send(f, make([]byte, 5000), true) {
			t.Error("sent a frame that no buffer holds")
		}
	})
	sources.Store(&r.sources)
	halves := r.conversations(20, 1, 660)
	r.sendHalves(t, halves)
	compare(t, r.geneve(t, 40), append(halves[0], halves[1]...))
	stop()
	if s := stats(); s.Sent != 40 || s.Dropped != 40 || s.HandedOver == 0 || limited.Load() > 0 {
		t.Errorf("%+v, %d limited", s, limited.Load())
	}
}
