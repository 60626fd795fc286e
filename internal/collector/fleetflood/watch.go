// Package fleetflood sees what no sensor sees alone: it adds up what the sensors count of each destination, and has all of them arm what
// is under attack, by the sum or by one sensor's word.
//
// A sensor lists its busiest destinations by name, and sketches the others where it has more. Sketches add up too, and show that some
// cells are heavy, though not whose they are: sensors are asked to list the destinations in those. So what is armed is always an exact sum.
//
// Sensors of one mode and group see different packets, so their figures add up; those of another may see the same packets again, behind
// the first, so of several sums the greatest counts. A sensor that lies can have others limit what goes to a destination of its choice
// to the destination's threshold, known clients first; it cannot have a source blocked.
package fleetflood

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
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

// An attack on a network comes to so many of its addresses at least.
const (
	carpet      = "carpet-bombing"
	carpetHosts = 32
)

// Watch holds the sensors' last tallies and the orders that follow from them. It is used by one goroutine at a time.
type Watch struct {
	tallies  map[string]heard
	orders   map[target]*order
	sketches sketches
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
	bits   uint8
	vector string
	port   uint16
}

type order struct {
	wire.Order
	reason time.Time // when there was last a reason
}

func random() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}

// NewWatch returns a Watch that has heard nothing.
func NewWatch() *Watch { return &Watch{tallies: map[string]heard{}, orders: map[target]*order{}} }

// Take takes a tally in.
func (w *Watch) Take(t *wire.Tally, now time.Time) {
	if _, known := w.tallies[t.Sensor]; !known && len(w.tallies) >= maxTallies {
		w.Refused++
		return
	}
	w.sketches.take(t, now)
	h := heard{*t, now}
	h.Sketch = nil // added up
	w.tallies[t.Sensor] = h
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
	plan, asked := w.plan(now)
	changed = changed || asked
	w.revision = max(w.revision+1, uint64(now.UnixNano()))
	a = &wire.Arming{Revision: w.revision, Time: now.UTC(), Orders: make([]wire.Order, 0, len(w.orders)), Plan: plan}
	for _, o := range w.orders {
		o.Until = now.Add(orderLife).UTC()
		a.Orders = append(a.Orders, o.Order)
	}
	slices.SortFunc(a.Orders, func(x, y wire.Order) int { return cmp.Or(cmp.Compare(y.Rate, x.Rate), strings.Compare(x.ID, y.ID)) })
	return a, changed
}

// plan says how sensors are to sketch what their tallies have no room for, if there is such; changed says whether it differs from the
// last time.
func (w *Watch) plan(now time.Time) (p *wire.SketchPlan, changed bool) {
	left := false
	for _, t := range w.tallies {
		left = left || t.Left > 0
	}
	if !left {
		return nil, false
	}
	epoch := w.sketches.plan.Epoch
	w.sketches.turn(now)
	changed = w.sketches.ask(w.listed()) || w.sketches.plan.Epoch != epoch
	sent := w.sketches.plan
	return &sent, changed
}

// listed adds up by place what tallies list.
func (w *Watch) listed() map[layer]map[[wire.SketchRows]uint16]sum {
	out := map[layer]map[[wire.SketchRows]uint16]sum{}
	for _, t := range w.tallies {
		for _, d := range t.Dests {
			if d.Vector == carpet { // is not sketched
				continue
			}
			k := layer{t.Mode, t.Group, d.Vector}
			if out[k] == nil {
				out[k] = map[[wire.SketchRows]uint16]sum{}
			}
			place := w.sketches.plan.Place(d.Addr)
			s := out[k][place]
			out[k][place] = sum{rate: s.rate + uint64(d.Rate), threshold: max(s.threshold, d.Threshold), sensors: s.sensors + 1}
		}
	}
	return out
}

// order makes orders of reasons, the greatest first, as far as there is room.
func (w *Watch) order(reasons []wire.Order, now time.Time) (changed bool) {
	for _, r := range reasons {
		k := target{r.Dst, r.Bits, r.Vector, r.Port}
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
		if s.rate < uint64(least) || s.sensors < 2 || k.vector == carpet && s.hosts < carpetHosts {
			continue
		}
		found[k] = wire.Order{ID: fmt.Sprintf("fleet-%s-%s", k.vector, k.dst), Vector: k.vector, Dst: k.dst, Rate: s.rate, Threshold: s.threshold,
			Why: fmt.Sprintf("%d packets/s at %d sensors together; the threshold is %d", s.rate, s.sensors, s.threshold)}
	}
	for _, t := range w.tallies {
		for _, a := range t.Attacks {
			k := target{a.Dst, a.Bits, a.Vector, a.Port}
			if have, ok := found[k]; ok && have.Rate >= uint64(a.Rate) || a.Threshold == 0 {
				continue
			}
			found[k] = wire.Order{ID: a.ID, Vector: a.Vector, Dst: a.Dst, Bits: a.Bits, Port: a.Port, Rate: uint64(a.Rate), Threshold: a.Threshold,
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
	hosts     int // of a network; one may be counted at several sensors
}

// sums adds up by destination and vector; of layers that may see the same packets the greatest sum counts.
func (w *Watch) sums() map[target]sum {
	type place struct {
		layer
		dst netip.Addr
	}
	layers := map[place]sum{}
	for _, t := range w.tallies {
		for _, d := range t.Dests {
			k := place{layer{t.Mode, t.Group, d.Vector}, d.Addr}
			s := layers[k]
			layers[k] = sum{s.rate + uint64(d.Rate), max(s.threshold, d.Threshold), s.sensors + 1, s.hosts + int(d.Hosts)}
		}
	}
	out := map[target]sum{}
	for k, s := range layers {
		at := target{dst: k.dst, vector: k.vector}
		if have := out[at]; s.rate > have.rate && s.threshold > 0 {
			out[at] = s
		}
	}
	return out
}
