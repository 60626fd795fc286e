package daemon

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/pkg/capture"
	"github.com/weir-ips/weir/pkg/signatures"
)

const (
	batch     = 256                    // frames of one Recv
	idleWait  = 50 * time.Millisecond  // how long a quiet source is waited for
	tick      = 100 * time.Millisecond // how often flows are timed out and counters published
	drainWait = 2 * time.Second        // how long a worker that ends waits for what others still have of its frames
	panicRest = time.Second            // how long a worker inspects nothing when it has panicked twice within that time
)

// worker owns one Path and the source that feeds it. Frames of one conversation always come to the same worker.
type worker struct {
	source capture.Source
	build  func() *path.Path          // makes the path, and another when that has panicked
	refuse *refuser                   // nil: nobody is told
	wait   time.Duration              // for frames; 0: look again at once
	lost   capture.Fate               // of a frame that could not be inspected
	failed func(trouble)              // told of each panic
	rules  func() *signatures.Ruleset // in force
	keeps  func() bool                // asked at the end: another program goes on with the flows

	path   atomic.Pointer[path.Path]
	frames []capture.Frame
	at     int         // the frame at hand
	broken int64       // Unix ns of the last panic
	blind  atomic.Bool // nothing is inspected for a while

	beat     atomic.Int64                       // Unix ns of the last turn of the loop: a stuck worker shows
	stats    atomic.Pointer[path.Stats]         // published each tick
	using    atomic.Pointer[signatures.Ruleset] // likewise
	refusals atomic.Pointer[refusalStats]       // likewise
	troubles troubles
	next     int64                        // Unix ns of the next tick
	survey   atomic.Pointer[workerSurvey] // being answered; nil: none
}

// troubles are what has gone wrong in a worker.
type troubles struct{ panics, passed, dropped atomic.Uint64 }

// TroubleStats are the metrics of it.
type TroubleStats struct {
	Panics  uint64 // faults of inspection, each of which cost the worker its flows
	Passed  uint64 // frames that moved on uninspected because of them
	Dropped uint64 // frames that were dropped because of them (on-failure: closed)
}

func (t *troubles) stats() TroubleStats {
	return TroubleStats{Panics: t.panics.Load(), Passed: t.passed.Load(), Dropped: t.dropped.Load()}
}

// trouble is a panic of inspection.
type trouble struct {
	what  any
	stack []byte
	frame []byte // that brought it about; lent
}

func newWorker(build func() *path.Path, source capture.Source) *worker {
	w := &worker{source: source, build: build, wait: idleWait, frames: make([]capture.Frame, batch)}
	w.path.Store(build())
	w.stats.Store(&path.Stats{})
	w.refusals.Store(&refusalStats{})
	w.beat.Store(time.Now().UnixNano())
	return w
}

// run inspects until ctx ends or the source fails, and then lets the flows end as at the end of a capture.
func (w *worker) run(ctx context.Context) error {
	defer w.finish()
	for ctx.Err() == nil {
		if err := w.turn(w.wait); err != nil {
			return err
		}
		w.tick(time.Now().UnixNano())
	}
	return w.drain()
}

// drain inspects what is with the workers, so that nothing is on loan when the sockets are closed, or left to the next process.
func (w *worker) drain() error {
	d, ok := w.source.(interface {
		Drain()
		Drained() bool
	})
	if !ok {
		return nil
	}
	d.Drain()
	for start := time.Now(); !d.Drained() && time.Since(start) < drainWait; {
		if err := w.turn(time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) turn(wait time.Duration) error {
	n, err := w.source.Recv(w.frames, wait)
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	for w.at = 0; w.at < n; {
		w.inspect(w.frames[w.at:n])
	}
	if n == 0 {
		return nil
	}
	if err := w.source.Done(w.frames[:n]); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	return nil
}

// inspect judges the frames, up to one that makes inspection panic: that is treated as policy says, and the next by a new path.
func (w *worker) inspect(frames []capture.Frame) {
	if w.blind.Load() {
		w.giveUp(frames)
		return
	}
	start := w.at
	defer func() {
		if what := recover(); what != nil {
			f := w.frames[w.at : w.at+1]
			w.mend(what, f[0].Data)
			w.giveUp(f)
		}
	}()
	p := w.path.Load()
	for i := range frames {
		w.at = start + i
		f := &frames[i]
		out := p.Process(f.Frame)
		if out.Drop {
			f.Fate = capture.Discard
		}
		w.refuse.refuse(f, &out)
	}
	w.at = start + len(frames)
}

// mend makes a new path after a panic: nobody knows what state the old one is in. Inspection that panics again and again rests
// meanwhile, so that a hostile packet that is repeated cannot keep the worker building paths.
func (w *worker) mend(what any, frame []byte) {
	w.troubles.panics.Add(1)
	w.failed(trouble{what, debug.Stack(), frame})
	now := time.Now().UnixNano()
	again := now-w.broken < int64(panicRest)
	w.broken = now
	if w.blind.Store(again); !again {
		w.renew()
	}
}

// renew gives the worker a new path. Rules that are loaded meanwhile come to it, too.
func (w *worker) renew() {
	p := w.build()
	w.path.Store(p)
	if rs := w.rules(); rs != nil {
		p.Swap(rs)
	}
}

// giveUp treats frames as policy says about what cannot be inspected.
func (w *worker) giveUp(frames []capture.Frame) {
	for i := range frames {
		frames[i].Fate = w.lost
	}
	if w.at += len(frames); w.lost == capture.Discard {
		w.troubles.dropped.Add(uint64(len(frames)))
	} else {
		w.troubles.passed.Add(uint64(len(frames)))
	}
}

func (w *worker) tick(now int64) {
	w.beat.Store(now)
	if now < w.next {
		return
	}
	w.next = now + int64(tick)
	if w.blind.Load() && now-w.broken >= int64(panicRest) {
		w.blind.Store(false)
		w.renew()
	}
	if !w.blind.Load() {
		w.pass(now)
	}
	if w.refuse != nil {
		r := w.refuse.stats
		w.refusals.Store(&r)
	}
}

// pass lets time pass on the path. Flows end in it, so it can meet the same faults as a packet.
func (w *worker) pass(now int64) {
	defer func() {
		if what := recover(); what != nil {
			w.mend(what, nil)
		}
	}()
	p := w.path.Load()
	p.Tick(now)
	s := p.Stats()
	w.stats.Store(&s)
	w.using.Store(p.Rules())
	if s := w.survey.Load(); s != nil && s.step(p) {
		w.survey.CompareAndSwap(s, nil)
	}
}

func (w *worker) finish() {
	defer func() {
		if what := recover(); what != nil {
			w.failed(trouble{what, debug.Stack(), nil})
		}
	}()
	p := w.path.Load()
	if w.keeps == nil || !w.keeps() {
		p.Close()
	}
	s := p.Stats()
	w.stats.Store(&s)
}
