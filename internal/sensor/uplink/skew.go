package uplink

import (
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// A verdict expires by the collector's clock, which beacons carry: a sensor whose clock is wrong, or is set while it runs, neither keeps
// verdicts longer nor ends them early by as much. Beacons that were held up on their way must not pass for a wrong clock, so two that come
// apart have to agree; and an old one, replayed, says nothing.
const (
	skewLeast = 5 * time.Second        // a difference that is left alone
	skewAgree = 500 * time.Millisecond // of two beacons about it
	skewApart = 500 * time.Millisecond // between their arrivals
)

// clock is how far the sensor's clock is ahead of the collector's.
type clock struct {
	wall  func() time.Time // the sensor's
	ahead time.Duration    // in force; 0 within skewLeast

	last   time.Time     // the latest beacon's
	seen   time.Duration // what it said
	seenAt time.Time     // when it came
}

// offer takes a beacon's time and reports whether what is in force has changed. now is of a clock that nobody sets.
func (c *clock) offer(sent, now time.Time) (changed bool) {
	if !sent.After(c.last) {
		return false
	}
	d := c.wall().Round(0).Sub(sent)
	agree := !c.seenAt.IsZero() && now.Sub(c.seenAt) >= skewApart && (d-c.seen).Abs() <= skewAgree
	c.last, c.seen, c.seenAt = sent, d, now
	if d.Abs() < skewLeast {
		d = 0
	}
	if !agree || (d-c.ahead).Abs() < skewLeast {
		return false
	}
	c.ahead = d
	return true
}

// now is the collector's time.
func (c *clock) now() time.Time { return c.wall().Add(-c.ahead) }

// here is v with its expiry by the sensor's clock.
func (c *clock) here(v verdict.Verdict) verdict.Verdict {
	v.ExpiresAt = v.ExpiresAt.Add(c.ahead)
	return v
}

// checkClock has all verdicts come again, to expire by another clock, when the sensor's has been set or was wrong all along.
func (f *follower) checkClock(b *wire.Beacon) {
	if !f.clock.offer(b.Time, f.now()) {
		return
	}
	f.log.Warn("the clock is not the collector's: verdicts expire by the collector's", "ahead", f.clock.ahead)
	f.mu.Lock()
	f.epoch = 0 // which is no log's
	f.mu.Unlock()
}
