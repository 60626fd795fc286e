// Package fleetflood sees what no sensor sees alone: it adds up what the sensors count of each destination, and has all of them arm what
// is under attack, by the sum or by one sensor's word.
//
// Sensors of one mode and group see different packets, so their figures add up; those of another may see the same packets again, behind
// the first, so of several sums the greatest counts. A sensor that lies can have others limit what goes to a destination of its choice
// to the destination's threshold, known clients first; it cannot have a source blocked.
package fleetflood

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weir-ips/weir/pkg/wire"
)

const (
	staleAfter = 3 * time.Second  // a sensor's last word no longer counts
	holdFor    = 10 * time.Second // an order outlives its reason
	orderLife  = 10 * time.Second // for sensors that hear no more
	maxTallies = 20_000           // sensors; further ones are not heard
)

// Watch holds the sensors' last tallies and the orders that follow from them. It is used by one goroutine at a time.
type Watch struct {
	tallies  map[string]heard
	orders   map[target]*order
	revision uint64
	Refused  uint64 // tallies of sensors beyond the limit
}

type heard struct {
	wire.Tally
	at time.Time // by the collector's clock
}

// target is what is armed.
type target struct {
	dst    netip.Addr
	vector string
	port   uint16
}

type order struct {
	wire.Order
	reason time.Time // when there was last a reason
}

// NewWatch returns a Watch that has heard nothing.
func NewWatch() *Watch { return &Watch{tallies: map[string]heard{}, orders: map[target]*order{}} }

// Take takes a tally in.
func (w *Watch) Take(t *wire.Tally, now time.Time) {
	if _, known := w.tallies[t.Sensor]; !known && len(w.tallies) >= maxTallies {
		w.Refused++
		return
	}
	w.tallies[t.Sensor] = heard{*t, now}
}

// Judge decides what is to be armed at now; changed says whether that differs from the last time by more than its figures.
func (w *Watch) Judge(now time.Time) (a *wire.Arming, changed bool) {
	for id, t := range w.tallies {
		if now.Sub(t.at) > staleAfter {
			delete(w.tallies, id)
		}
	}
	changed = w.order(w.reasons(), now)
	for k, o := range w.orders {
		if now.Sub(o.reason) > holdFor {
			delete(w.orders, k)
			changed = true
		}
	}
	w.revision = max(w.revision+1, uint64(now.UnixNano()))
	a = &wire.Arming{Revision: w.revision, Time: now.UTC(), Orders: make([]wire.Order, 0, len(w.orders))}
	for _, o := range w.orders {
		o.Until = now.Add(orderLife).UTC()
		a.Orders = append(a.Orders, o.Order)
	}
	slices.SortFunc(a.Orders, func(x, y wire.Order) int { return cmp.Or(cmp.Compare(y.Rate, x.Rate), strings.Compare(x.ID, y.ID)) })
	return a, changed
}

// order makes orders of reasons, the greatest first, as far as there is room.
func (w *Watch) order(reasons []wire.Order, now time.Time) (changed bool) {
	for _, r := range reasons {
		k := target{r.Dst, r.Vector, r.Port}
		o := w.orders[k]
		if o == nil {
			if len(w.orders) >= wire.MaxOrders {
				continue
			}
			o = &order{Order: r}
			w.orders[k] = o
			changed = true
		}
		id := o.ID
		o.Order, o.reason = r, now
		o.ID = id // an attack keeps its name
	}
	return changed
}

// reasons are the attacks that sensors tell of, and the sums that are over their thresholds: the greatest first.
func (w *Watch) reasons() []wire.Order {
	found := map[target]wire.Order{}
	for k, s := range w.sums() {
		least := s.threshold
		if w.orders[k] != nil {
			least /= 2
		}
		if s.rate < uint64(least) || s.sensors < 2 {
			continue
		}
		found[k] = wire.Order{ID: fmt.Sprintf("fleet-%s-%s", k.vector, k.dst), Vector: k.vector, Dst: k.dst, Rate: s.rate, Threshold: s.threshold,
			Why: fmt.Sprintf("%d packets/s at %d sensors together; the threshold is %d", s.rate, s.sensors, s.threshold)}
	}
	for _, t := range w.tallies {
		for _, a := range t.Attacks {
			k := target{a.Dst, a.Vector, a.Port}
			if have, ok := found[k]; ok && have.Rate >= uint64(a.Rate) || a.Threshold == 0 {
				continue
			}
			found[k] = wire.Order{ID: a.ID, Vector: a.Vector, Dst: a.Dst, Port: a.Port, Rate: uint64(a.Rate), Threshold: a.Threshold,
				Why: fmt.Sprintf("%d packets/s at sensor %s; the threshold is %d", a.Rate, t.Sensor, a.Threshold)}
		}
	}
	out := make([]wire.Order, 0, len(found))
	for _, o := range found {
		out = append(out, o)
	}
	slices.SortFunc(out, func(x, y wire.Order) int { return cmp.Or(cmp.Compare(y.Rate, x.Rate), strings.Compare(x.ID, y.ID)) })
	return out
}

// sum is what sensors of one layer count together.
type sum struct {
	rate      uint64
	threshold uint32 // the greatest of theirs
	sensors   int
}

// sums adds up by destination and vector; of layers that may see the same packets the greatest sum counts.
func (w *Watch) sums() map[target]sum {
	type layer struct {
		target
		mode, group string
	}
	layers := map[layer]sum{}
	for _, t := range w.tallies {
		for _, d := range t.Dests {
			k := layer{target{dst: d.Addr, vector: d.Vector}, t.Mode, t.Group}
			s := layers[k]
			layers[k] = sum{s.rate + uint64(d.Rate), max(s.threshold, d.Threshold), s.sensors + 1}
		}
	}
	out := map[target]sum{}
	for k, s := range layers {
		if have := out[k.target]; s.rate > have.rate && s.threshold > 0 {
			out[k.target] = s
		}
	}
	return out
}
