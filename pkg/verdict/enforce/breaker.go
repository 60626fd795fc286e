package enforce

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/verdict"
)

// Breaker suspends a batch of verdicts that stops suspiciously much: more than Share of all packets, and more than
// PacketsPerSecond, within Window after they came. It counts what rules and feeds ask for. Floods are meant to stop much,
// and what an analyst orders is an analyst's to judge. Suspended verdicts go on counting what they would stop.
type Breaker struct {
	Share            float64       // default 0.2; 1 or more: never
	PacketsPerSecond float64       // default 1000
	Window           time.Duration // default 30 s
}

func (b Breaker) withDefaults() Breaker {
	if b.Share == 0 {
		b.Share = 0.2
	}
	if b.PacketsPerSecond == 0 {
		b.PacketsPerSecond = 1000
	}
	if b.Window == 0 {
		b.Window = 30 * time.Second
	}
	return b
}

type breaker struct {
	Breaker
	recent []watched
	seen   uint64 // packets at the last check
	last   time.Time
}

type watched struct {
	entry   *verdict.Entry
	packets uint64 // at the last check
}

// watch takes a new verdict into the newest batch.
func (b *breaker) watch(e *verdict.Entry) {
	if e.Stops() && (e.Origin == verdict.OriginRule || e.Origin == verdict.OriginFeed) && b.Share < 1 {
		b.recent = append(b.recent, watched{entry: e})
	}
}

// checkBreaker compares what the newest batch stopped since the last check with all that came.
func (e *Enforcer) checkBreaker(now time.Time) (tripped []string, err error) {
	b := &e.breaker
	c, err := e.sensor.Counters()
	if err != nil {
		return nil, err
	}
	all, took := c.Paths[bpf.PathPackets]-b.seen, now.Sub(b.last).Seconds()
	first := b.last.IsZero()
	b.seen, b.last = c.Paths[bpf.PathPackets], now
	stopped := e.stoppedByRecent(now)
	if first || took <= 0 || atomic.LoadUint32(&e.maps.Control.Observe) != 0 || float64(stopped) <= b.Share*float64(all) || float64(stopped)/took <= b.PacketsPerSecond {
		return nil, nil
	}
	var errs []error
	for _, w := range b.recent {
		w.entry.Suspended, w.entry.Written = true, false
		tripped = append(tripped, w.entry.ID)
		errs = append(errs, e.sync(w.entry.Match.Subject()))
	}
	b.recent = nil
	e.stats.Tripped++
	return tripped, errors.Join(errs...)
}

// stoppedByRecent sums the hits of the newest batch since the last check, and forgets what is no longer new.
func (e *Enforcer) stoppedByRecent(now time.Time) (n uint64) {
	kept := e.breaker.recent[:0]
	for _, w := range e.breaker.recent {
		if e.table.Get(w.entry.ID) != w.entry || now.Sub(w.entry.Applied) > e.breaker.Window {
			continue
		}
		packets, _ := e.hits(w.entry)
		n += packets - min(w.packets, packets)
		w.packets = packets
		kept = append(kept, w)
	}
	clear(e.breaker.recent[len(kept):])
	e.breaker.recent = kept
	return n
}

// Resume carries out a suspended verdict again.
func (e *Enforcer) Resume(id string) error {
	e.lock()
	defer e.mu.Unlock()
	entry := e.table.Get(id)
	if entry == nil || !entry.Suspended {
		return nil
	}
	entry.Suspended, entry.Written = false, false
	return e.sync(entry.Match.Subject())
}

// hits are the packets and bytes that a verdict decided about, or would have.
func (e *Enforcer) hits(d *verdict.Entry) (packets, bytes uint64) {
	switch {
	case d.Handle == 0:
		return 0, 0
	case d.Match.Flow != nil:
		f := &e.maps.Flows[d.Handle]
		return atomic.LoadUint64(&f.Packets[0]) + atomic.LoadUint64(&f.Packets[1]),
			atomic.LoadUint64(&f.Bytes[0]) + atomic.LoadUint64(&f.Bytes[1])
	}
	v := &e.maps.Verdicts[d.Handle]
	return atomic.LoadUint64(&v.Packets), atomic.LoadUint64(&v.Bytes)
}
