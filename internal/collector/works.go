package collector

import (
	"context"
	"sync"
	"time"
)

// works does a piece of work for each name of a set that changes while the collector runs.
type works struct {
	mu   sync.Mutex
	ends map[string]context.CancelFunc
	stir chan struct{} // holds a token when the set may have changed
}

func newWorks() *works {
	return &works{ends: map[string]context.CancelFunc{}, stir: make(chan struct{}, 1)}
}

// worksLook is how often the set is looked at unasked: another collector may have changed it.
const worksLook = time.Second

// run keeps what is done equal to wanted until ctx ends and all work with it.
func (w *works) run(ctx context.Context, wanted func() map[string]func(context.Context)) error {
	var all sync.WaitGroup
	tick := time.NewTicker(worksLook)
	defer tick.Stop()
	for ctx.Err() == nil {
		want := wanted()
		w.mu.Lock()
		for name, end := range w.ends {
			if want[name] == nil {
				end()
				delete(w.ends, name)
			}
		}
		for name, do := range want {
			if w.ends[name] == nil {
				one, end := context.WithCancel(ctx)
				w.ends[name] = end
				all.Go(func() { do(one) })
			}
		}
		w.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-w.stir:
		}
	}
	w.mu.Lock()
	for name, end := range w.ends {
		end()
		delete(w.ends, name)
	}
	w.mu.Unlock()
	all.Wait()
	return nil
}

// end stops one piece of work; it does not wait for it. It begins again unless the set changes.
func (w *works) end(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if end := w.ends[name]; end != nil {
		end()
		delete(w.ends, name)
	}
}

// look has the set looked at now.
func (w *works) look() {
	select {
	case w.stir <- struct{}{}:
	default:
	}
}
