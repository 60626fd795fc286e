package store

import (
	"cmp"
	"slices"
	"sync"
)

// liveSize is how many of the latest alerts are kept in memory for streams: at 50,000 a second, 160 ms of them.
const liveSize = 8192

// ring holds the latest alerts, without EVE, in order of arrival.
type ring struct {
	mu     sync.RWMutex
	alerts []Alert
	next   uint64 // Seq of the alert to come
	oldest uint64 // Seq of the oldest one held
}

func newRing(size int) *ring { return &ring{alerts: make([]Alert, size), next: 1, oldest: 1} }

// start sets the newest Seq there is on disk.
func (r *ring) start(last uint64) { r.next, r.oldest = last+1, last+1 }

func (r *ring) last() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.next - 1
}

// add takes alerts whose Seq follow one another from r.next.
func (r *ring) add(items []item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range items {
		a := items[i].Alert
		a.EVE = nil
		a.State = stateName(0)
		r.alerts[a.Seq%uint64(len(r.alerts))] = a
		r.next = a.Seq + 1
	}
	if size := uint64(len(r.alerts)); r.next > size {
		r.oldest = max(r.oldest, r.next-size)
	}
}

// after returns false when alerts after seq are no longer held.
func (r *ring) after(seq uint64, f Filter, limit int) (Arrivals, bool) {
	match := f.matcher()
	r.mu.RLock()
	defer r.mu.RUnlock()
	got := Arrivals{Last: r.next - 1}
	if seq >= got.Last {
		return got, true
	}
	if seq+1 < r.oldest {
		return got, false
	}
	var some []*Alert
	for n := got.Last; n > seq; n-- {
		if a := &r.alerts[n%uint64(len(r.alerts))]; match(a) {
			some = append(some, a)
		}
	}
	got.Matched = uint64(len(some))
	for _, a := range worst(some, limit) {
		got.Alerts = append(got.Alerts, *a)
	}
	return got, true
}

// worst keeps limit of the alerts, the most severe and of those the newest, newest first.
func worst(some []*Alert, limit int) []*Alert {
	if len(some) > limit {
		slices.SortFunc(some, func(a, b *Alert) int { return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(b.Seq, a.Seq)) })
		some = some[:limit]
	}
	slices.SortFunc(some, func(a, b *Alert) int { return cmp.Compare(b.Seq, a.Seq) })
	return some
}
