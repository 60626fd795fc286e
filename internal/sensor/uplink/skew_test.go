package uplink

import (
	"sync/atomic"
	"testing"
	"time"
)

func TestClockIsComparedWithTheCollectors(t *testing.T) {
	noon, offset := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), time.Duration(0)
	at := noon
	c := clock{wall: func() time.Time { return at.Add(offset) }}
	beacon := func(after, late time.Duration) bool {
		at = at.Add(after)
		return c.offer(at.Add(-late), at)
	}
	for i := range 5 {
		if beacon(time.Second, 20*time.Millisecond) || c.ahead != 0 {
			t.Fatalf("beacon %d: ahead %s", i, c.ahead)
		}
	}
	if c.offer(at.Add(-time.Hour), at) || c.ahead != 0 {
		t.Error("a replayed beacon sets the clock")
	}
	at = at.Add(30 * time.Second) // the bus is stalled, and then all come at once
	for i := range 30 {
		if c.offer(at.Add(-time.Duration(29-i)*time.Second), at) || c.ahead != 0 {
			t.Fatalf("beacons that were held up: ahead %s", c.ahead)
		}
	}
	offset = time.Hour
	if beacon(time.Second, 0) || !beacon(time.Second, 0) || c.ahead.Round(time.Second) != time.Hour {
		t.Errorf("after it was set forward: ahead %s", c.ahead)
	}
	offset = -3 * time.Minute
	if beacon(time.Second, 0) || !beacon(time.Second, 0) || c.ahead.Round(time.Second) != -3*time.Minute {
		t.Errorf("after it was set back: ahead %s", c.ahead)
	}
	offset = 0
	if beacon(time.Second, 0) || !beacon(time.Second, 0) || c.ahead != 0 {
		t.Errorf("after it was put right: ahead %s", c.ahead)
	}
}

// A sensor whose clock jumps while it runs has the collector's verdicts all the same, each until its time by the collector's clock.
func TestAClockThatJumps(t *testing.T) {
	w := newWorld(t)
	w.start()
	var offset atomic.Int64
	wall := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	s := w.sensor("edge-1", func(o *Options) { o.Wall = wall })
	v := w.add(drop("before", "203.0.113.1/32"))
	eventually(t, "in sync", func() bool { return w.inSync(s) && s.has("before") })
	expires := func(id string) time.Time {
		s.table.mu.Lock()
		defer s.table.mu.Unlock()
		return s.table.verdicts[id].ExpiresAt
	}
	for _, jump := range []time.Duration{3 * time.Hour, -2 * time.Hour, 0} {
		offset.Store(int64(jump))
		eventually(t, "it expires by the collector's clock", func() bool { return expires("before").Sub(v.ExpiresAt).Round(time.Second) == jump })
		id := "at " + jump.String()
		made := w.add(drop(id, "203.0.113.2/32"))
		eventually(t, "a new one, too", func() bool { return s.has(id) && expires(id).Sub(made.ExpiresAt).Round(time.Second) == jump })
		eventually(t, "in sync", func() bool { return w.inSync(s) })
	}
}
