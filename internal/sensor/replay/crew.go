package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/pkg/capture"
	"github.com/weir-ips/weir/pkg/signatures"
)

// batch is how many frames are read at once.
const batch = 256

// worker reads a capture from its beginning to its end, and takes the frames of its conversations through a path of its own. That
// each worker reads all costs less than handing frames over: no frame is copied, and no worker waits for another's queue.
type worker struct {
	number int
	src    capture.Source
	path   *path.Path
	share  *share // nil: all frames are this worker's
	pace   *pace

	packets, bytes uint64 // read, whoever's they are
}

// crew makes the workers of one capture, of which src is a first reader.
func (r *Replay) crew(name string, src capture.Source) ([]*worker, error) {
	n := r.opts.Workers
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
		n = 1 // a pipe can be read once
	}
	shared, pace := signatures.NewShared(), newPace(n)
	crew := make([]*worker, n)
	for i := range crew {
		w := &worker{number: i, src: src, path: path.New(r.config(name, shared)), pace: pace}
		crew[i] = w
		if n > 1 {
			w.share = newShare(r.opts.Settings.Decoder, n)
		}
		if i > 0 {
			var err error
			if w.src, err = capture.Open(name); err != nil {
				return crew[:i], err
			}
		}
	}
	return crew, nil
}

// work replays the capture with its crew, and returns the counters of all. The error is of the first worker that has one: they read
// the same.
func work(ctx context.Context, crew []*worker) (path.Stats, error) {
	errs := make([]error, len(crew))
	var busy sync.WaitGroup
	for i, w := range crew {
		busy.Go(func() {
			errs[i] = w.feed(ctx)
			w.pace.leave(i)
			w.path.Close()
		})
	}
	busy.Wait()
	all := crew[0].path.Stats()
	for _, w := range crew[1:] {
		s := w.path.Stats()
		all.Add(&s)
	}
	all.Rules = crew[0].path.Stats().Rules
	crew[0].path.LogStats(&all)
	for _, err := range errs {
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// feed reads frames until the file ends.
func (w *worker) feed(ctx context.Context) error {
	frames := make([]capture.Frame, batch)
	for {
		n, err := w.src.Recv(frames, 0)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("interrupted: %w", err)
		}
		for i := range frames[:n] {
			f := &frames[i].Frame
			w.packets++
			w.bytes += uint64(len(f.Data))
			if w.share == nil || w.share.of(f) == w.number {
				w.path.Process(*f)
			}
		}
		if err := w.src.Done(frames[:n]); err != nil {
			return err
		}
		w.pace.reach(w.number, w.packets)
	}
}

// pace keeps workers together: what they share, as thresholds and hostbits do, lives by the time of packets.
type pace struct {
	mu    sync.Mutex
	moved sync.Cond
	at    []uint64 // frames read, by worker
}

// maxAhead is how many frames a worker may be ahead of another.
const maxAhead = 16384

func newPace(workers int) *pace {
	p := &pace{at: make([]uint64, workers)}
	p.moved.L = &p.mu
	return p
}

// reach says how far a worker has come, and has it wait for those that are far behind.
func (p *pace) reach(worker int, frames uint64) {
	if len(p.at) == 1 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at[worker] = frames
	p.moved.Broadcast()
	for p.last()+maxAhead < frames {
		p.moved.Wait()
	}
}

// leave says that a worker waits for nobody and nobody waits for it any more.
func (p *pace) leave(worker int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at[worker] = 1 << 63
	p.moved.Broadcast()
}

func (p *pace) last() uint64 {
	last := p.at[0]
	for _, at := range p.at[1:] {
		last = min(last, at)
	}
	return last
}
