package telemetry

import (
	"sync"
	"time"
)

// Throttle lets one of many alike through per interval, so that traffic cannot fill a log. The zero value lets one through
// a second. It is safe for concurrent use.
type Throttle struct {
	Every time.Duration // 1 s if 0

	mu      sync.Mutex
	next    time.Time
	skipped int
}

// Allow reports whether to log at now, and how many were held back since the last time it said yes.
func (t *Throttle) Allow(now time.Time) (ok bool, skipped int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Before(t.next) {
		t.skipped++
		return false, 0
	}
	every := t.Every
	if every == 0 {
		every = time.Second
	}
	t.next = now.Add(every)
	skipped, t.skipped = t.skipped, 0
	return true, skipped
}
