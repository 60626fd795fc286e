package store

import (
	"cmp"
	"slices"
	"sync"
)

// liveSize is how many of the latest alerts are kept in memory for streams: at 50,000 a second, 160 ms of them.
const liveSize = 8192

// Recent holds the latest alerts, without EVE, in order of arrival.
type Recent struct {
	mu     sync.RWMutex
	alerts []Alert
	next   uint64 // Seq of the alert to come
	oldest uint64 // Seq of the oldest one held
}

func newRing(size int) *Recent { return &Recent{alerts: make([]Alert, size), next: 1, oldest: 1} }

// NewRecent returns one whose first alert comes after the number last.
func NewRecent(last uint64) *Recent {
	r := newRing(liveSize)
	r.start(last)
	return r
}

// Add numbers alerts and takes them.
func (r *Recent) Add(alerts []Alert) {
	items := make([]item, len(alerts))
	for i, a := range alerts {
		a.Seq = r.last() + 1 + uint64(i)
		items[i].Alert = a
	}
	r.add(items)
}

// After returns what of it arrived after seq: see Store.After. What is no longer held counts as matching.
func (r *Recent) After(f Filter, seq uint64, limit int) Arrivals {
	r.mu.RLock()
	oldest := r.oldest
	r.mu.RUnlock()
	missed := uint64(0)
	if seq+1 < oldest {
		missed, seq = oldest-1-seq, oldest-1
	}
	got, _ := r.after(seq, f, limit)
	got.Matched += missed
	return got
}

// Last is the number of the newest.
func (r *Recent) Last() uint64 { return r.last() }

// start sets the newest Seq there is on disk.
func (r *Recent) start(last uint64) { r.next, r.oldest = last+1, last+1 }

func (r *Recent) last() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.next - 1
}

// add takes alerts whose Seq follow one another from r.next.
func (r *Recent) add(items []item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range items {
		a := items[i].Alert
		a.EVE, a.Stages = nil, nil
		a.State = stateName(0)
		r.alerts[a.Seq%uint64(len(r.alerts))] = a
		r.next = a.Seq + 1
	}
	if size := uint64(len(r.alerts)); r.next > size {
		r.oldest = max(r.oldest, r.next-size)
	}
}

// after returns false when alerts after seq are no longer held.
func (r *Recent) after(seq uint64, f Filter, limit int) (Arrivals, bool) {
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
