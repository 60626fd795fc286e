package daemon

import (
	"strings"
	"testing"
	"time"
)

// TestHealthLooksAtQueuesAndWorkers uses the loopback interface, which has one queue.
func TestHealthLooksAtQueuesAndWorkers(t *testing.T) {
	d := &Daemon{served: map[string]int{"lo": 1}}
	if got := d.unserved(); got != nil {
		t.Errorf("all queues are served: %q", got)
	}
	d.served = map[string]int{"lo": 0}
	if got := d.unserved(); len(got) != 1 || !strings.Contains(got[0], "lo has 1 receive queues, of which 0 are inspected") {
		t.Errorf("a queue is not served: %q", got)
	}
	d.served = map[string]int{"nowhere0": 1}
	if got := d.unserved(); len(got) != 1 || !strings.HasPrefix(got[0], "interface nowhere0: ") {
		t.Errorf("there is no such interface: %q", got)
	}

	w, s := panicky(t)
	d.workers = []*worker{w}
	if got := d.stuck(); got != nil {
		t.Errorf("a worker that has just been made: %q", got)
	}
	hang := make(chan struct{})
	w.failed = func(trouble) { <-hang }
	ended := make(chan error, 1)
	ctx := t.Context()
	go func() { ended <- w.run(ctx) }()
	s.in <- datagram(1, "boom")
	for start := time.Now(); d.stuck() == nil; time.Sleep(50 * time.Millisecond) {
		if time.Since(start) > 3*stuckAfter {
			t.Fatal("a worker that hangs is not seen")
		}
	}
	if got := d.stuck(); len(got) != 1 || !strings.HasPrefix(got[0], "worker 0 has not turned for ") {
		t.Errorf("a worker that hangs: %q", got)
	}
	close(hang)
	for start := time.Now(); d.stuck() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatal("the worker goes on, and is called stuck")
		}
	}
}
