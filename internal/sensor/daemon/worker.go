package daemon

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/pkg/capture"
)

const (
	batch    = 256                    // frames of one Recv
	idleWait = 50 * time.Millisecond  // how long a quiet source is waited for
	tick     = 100 * time.Millisecond // how often flows are timed out and counters published
)

// worker owns one Path and the source that feeds it. Frames of one conversation always come to the same worker.
type worker struct {
	source   capture.Source
	path     *path.Path
	refuse   *refuser // nil: nobody is told
	frames   []capture.Frame
	beat     atomic.Int64                 // Unix ns of the last turn of the loop: a stuck worker shows
	stats    atomic.Pointer[path.Stats]   // published each tick
	refusals atomic.Pointer[refusalStats] // likewise
	next     int64                        // Unix ns of the next tick
}

func newWorker(p *path.Path, source capture.Source) *worker {
	w := &worker{source: source, path: p, frames: make([]capture.Frame, batch)}
	w.stats.Store(&path.Stats{})
	w.refusals.Store(&refusalStats{})
	w.beat.Store(time.Now().UnixNano())
	return w
}

// run inspects until ctx ends or the source fails, and then lets the flows end as at the end of a capture.
func (w *worker) run(ctx context.Context) error {
	defer w.finish()
	for ctx.Err() == nil {
		if err := w.turn(); err != nil {
			return err
		}
		w.tick(time.Now().UnixNano())
	}
	return nil
}

func (w *worker) turn() error {
	n, err := w.source.Recv(w.frames, idleWait)
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	for i := range w.frames[:n] {
		f := &w.frames[i]
		out := w.path.Process(f.Frame)
		if out.Drop {
			f.Fate = capture.Discard
		}
		w.refuse.refuse(f, &out)
	}
	if n == 0 {
		return nil
	}
	if err := w.source.Done(w.frames[:n]); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	return nil
}

func (w *worker) tick(now int64) {
	w.beat.Store(now)
	if now < w.next {
		return
	}
	w.next = now + int64(tick)
	w.path.Tick(now)
	s := w.path.Stats()
	w.stats.Store(&s)
	if w.refuse != nil {
		r := w.refuse.stats
		w.refusals.Store(&r)
	}
}

func (w *worker) finish() {
	w.path.Close()
	s := w.path.Stats()
	w.stats.Store(&s)
}
