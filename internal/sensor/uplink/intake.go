package uplink

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-ips/weir/internal/telemetry"
	"github.com/weir-ips/weir/pkg/wire"
)

// Bounds of what waits in memory to be put into batches.
const (
	maxWaiting      = 16384
	maxWaitingBytes = 16 << 20
	burst           = 2 * time.Millisecond // an event after a pause waits this long for its siblings
)

// intake gathers events into batches and puts them into the spool.
type intake struct {
	sensor, boot string
	spool        *spool
	log          *slog.Logger
	stored       chan struct{} // capacity 1: something is in the spool

	mu     sync.Mutex
	lanes  [lanes][]wire.Event
	count  int
	bytes  int
	shed   [lanes]uint64
	wake   chan struct{} // capacity 1: the first event waits
	full   chan struct{} // capacity 1: a batch is full
	n      uint64        // of the last batch; only run uses it
	events atomic.Uint64
	bad    atomic.Uint64
	quiet  telemetry.Throttle
}

func newIntake(sensor string, s *spool, log *slog.Logger) *intake {
	return &intake{
		sensor: sensor, boot: newBoot(), spool: s, log: log,
		stored: make(chan struct{}, 1), wake: make(chan struct{}, 1), full: make(chan struct{}, 1),
	}
}

// newBoot names this run. 64 random bits: two runs of one sensor never share a name.
func newBoot() string {
	var b [8]byte
	rand.Read(b[:]) // never fails (Go 1.24)
	return hex.EncodeToString(b[:])
}

// put takes an event without waiting. When too much waits, the least severe goes.
func (in *intake) put(e wire.Event) {
	in.events.Add(1)
	if wire.CheckEvent(&e) != nil {
		in.bad.Add(1)
		return
	}
	e.Stages.Inspected = time.Now()
	lane := laneOf(e.Severity)
	in.mu.Lock()
	defer in.mu.Unlock()
	for in.count >= maxWaiting || in.bytes+len(e.EVE) > maxWaitingBytes {
		if !in.shedOne(lane) {
			in.shed[lane]++
			return
		}
	}
	in.lanes[lane] = append(in.lanes[lane], e)
	in.count++
	in.bytes += len(e.EVE)
	signal(in.wake)
	if len(in.lanes[lane]) >= wire.MaxBatchEvents || in.bytes >= wire.MaxBatchBytes {
		signal(in.full)
	}
}

// shedOne gives up the newest event of the least severe lane below lane. The caller holds mu.
func (in *intake) shedOne(lane int) bool {
	for l := lanes - 1; l > lane; l-- {
		if n := len(in.lanes[l]); n > 0 {
			in.count--
			in.bytes -= len(in.lanes[l][n-1].EVE)
			in.lanes[l] = in.lanes[l][:n-1]
			in.shed[l]++
			return true
		}
	}
	return false
}

// run makes batches until ctx ends, and one last time then. An event after a quiet time goes almost at once; a stream of
// them is sent every wire.MaxBatchDelay or when a batch is full.
func (in *intake) run(ctx context.Context) {
	var last time.Time
	for {
		select {
		case <-in.wake:
		case <-ctx.Done():
			in.flush()
			return
		}
		pause := max(burst, wire.MaxBatchDelay-time.Since(last))
		select {
		case <-time.After(pause):
		case <-in.full:
		case <-ctx.Done():
		}
		last = time.Now()
		in.flush()
	}
}

func (in *intake) flush() {
	in.mu.Lock()
	taken := in.lanes
	in.lanes = [lanes][]wire.Event{}
	in.count, in.bytes = 0, 0
	in.mu.Unlock()
	for lane, events := range taken {
		for len(events) > 0 {
			n := fits(events)
			in.store(lane, events[:n])
			events = events[n:]
		}
	}
}

// fits is how many of events make one batch.
func fits(events []wire.Event) int {
	size := 0
	for i := range events {
		if i == wire.MaxBatchEvents || size >= wire.MaxBatchBytes {
			return i
		}
		size += len(events[i].EVE) + 64
	}
	return len(events)
}

func (in *intake) store(lane int, events []wire.Event) {
	in.n++
	b := wire.Batch{Sensor: in.sensor, Boot: in.boot, N: in.n, Events: events}
	msg, err := b.Encode(nil)
	if err != nil {
		in.bad.Add(uint64(len(events)))
	} else if err = in.spool.append(lane, b.MessageID(), len(events), msg); err == nil {
		signal(in.stored)
		return
	}
	if ok, skipped := in.quiet.Allow(time.Now()); ok {
		in.log.Error("alerts lost", "events", len(events), "error", err, "more", skipped)
	}
}

// signal wakes the reader of a channel of capacity 1.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
