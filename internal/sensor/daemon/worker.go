package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// worker owns one Path and the sources that feed it. Frames of one conversation always come to the same worker.
type worker struct {
	sources []capture.Source
	path    *path.Path
	frames  []capture.Frame
	beat    atomic.Int64               // Unix ns of the last turn of the loop: a stuck worker shows
	stats   atomic.Pointer[path.Stats] // published each tick
	next    int64                      // Unix ns of the next tick
}

func newWorker(p *path.Path, sources []capture.Source) *worker {
	w := &worker{sources: sources, path: p, frames: make([]capture.Frame, batch)}
	w.stats.Store(&path.Stats{})
	w.beat.Store(time.Now().UnixNano())
	return w
}

// run inspects until ctx ends or a source fails, and then lets the flows end as at the end of a capture.
func (w *worker) run(ctx context.Context) error {
	defer w.finish()
	for ctx.Err() == nil {
		for i, src := range w.sources {
			if err := w.turn(src, w.wait(i)); err != nil {
				return err
			}
		}
		w.tick(time.Now().UnixNano())
	}
	return nil
}

// wait is how long source i may be waited for: with several of them none may hold up the others.
func (w *worker) wait(i int) time.Duration {
	if len(w.sources) == 1 {
		return idleWait
	}
	if i == 0 {
		return time.Millisecond
	}
	return 0
}

func (w *worker) turn(src capture.Source, wait time.Duration) error {
	n, err := src.Recv(w.frames, wait)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	for i := range w.frames[:n] {
		f := &w.frames[i]
		if w.path.Process(f.Frame).Drop {
			f.Fate = capture.Discard
		}
	}
	if n == 0 {
		return nil
	}
	if err := src.Done(w.frames[:n]); err != nil {
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
}

func (w *worker) finish() {
	w.path.Close()
	s := w.path.Stats()
	w.stats.Store(&s)
}

func (w *worker) close() error {
	var errs []error
	for _, s := range w.sources {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// captured adds up what the worker's sources counted.
func (w *worker) captured() capture.Stats {
	var sum capture.Stats
	for _, src := range w.sources {
		s := src.Stats()
		sum.Frames += s.Frames
		sum.Bytes += s.Bytes
		sum.Forwarded += s.Forwarded
		sum.Dropped += s.Dropped
		sum.Lost += s.Lost
		sum.TxFull += s.TxFull
	}
	return sum
}
