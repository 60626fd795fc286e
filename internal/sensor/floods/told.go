package floods

import (
	"cmp"
	"container/heap"
	"net/netip"
	"time"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/threshold"
	"github.com/weir-ips/weir/pkg/wire"
)

const (
	leastTold    = 4 // the least rate to an address that the collector is told of, packets a second
	networksTold = 128
	leastNetwork = 100                    // packets a second to a network that the collector is told of
	askedMost    = wire.MaxTallyDests / 2 // destinations that are listed because the collector asks for them
)

// told picks what a tally tells of destinations. It is kept for its room.
type told struct {
	all    []wire.TallyDest
	class  []threshold.FloodClass // of all
	chosen ranking
	planes [threshold.NumFloodClasses]wire.Plane
}

// ranking is a heap of places in all, the quietest in front.
type ranking struct {
	*told
	at []int
}

func (r *ranking) Len() int           { return len(r.at) }
func (r *ranking) Less(i, j int) bool { return louder(&r.all[r.at[j]], &r.all[r.at[i]]) < 0 }
func (r *ranking) Swap(i, j int)      { r.at[i], r.at[j] = r.at[j], r.at[i] }
func (r *ranking) Push(x any)         { r.at = append(r.at, x.(int)) }
func (r *ranking) Pop() any {
	last := r.at[len(r.at)-1]
	r.at = r.at[:len(r.at)-1]
	return last
}

// louder orders destinations by what part of its threshold comes to each, the loudest first.
func louder(x, y *wire.TallyDest) int {
	return cmp.Compare(uint64(y.Rate)*uint64(x.Threshold), uint64(x.Rate)*uint64(y.Threshold))
}

// fill puts the busiest destinations into a tally, those first that the plan asks for, and all others into its sketch.
func (l *told) fill(c *Control, t *wire.Tally, plan *wire.SketchPlan, now time.Time) {
	l.collect(c, now)
	if c.o.Carpet > 0 {
		l.networks(c, t)
	}
	all := len(l.all)
	l.chosen.told, l.chosen.at = l, l.chosen.at[:0]
	named := make([]bool, len(l.all)) // by the plan
	for i := range l.all {
		if len(t.Dests) < askedMost && asks(plan, &l.all[i]) {
			named[i] = true
			t.Dests = append(t.Dests, l.all[i])
		}
	}
	room := wire.MaxTallyDests - len(t.Dests)
	for i := range all {
		switch {
		case named[i]:
		case len(l.chosen.at) < room:
			heap.Push(&l.chosen, i)
		case louder(&l.all[i], &l.all[l.chosen.at[0]]) < 0:
			l.chosen.at[0] = i
			heap.Fix(&l.chosen, 0)
		}
	}
	for _, i := range l.chosen.at {
		if l.all[i].Rate >= leastTold {
			named[i] = true
			t.Dests = append(t.Dests, l.all[i])
		}
	}
	if all > wire.MaxTallyDests {
		t.Left = uint32(all - len(t.Dests))
	}
	if plan != nil && t.Left > 0 {
		t.Sketch = l.sketch(plan, named)
	}
}

// collect lists what comes to every destination.
func (l *told) collect(c *Control, now time.Time) {
	l.all, l.class = l.all[:0], l.class[:0]
	for dst := range c.counters.all {
		for class := range threshold.NumFloodClasses {
			rate, least := c.detector.Rate(decode.AddrFrom(dst), class, now.UnixNano())
			if rate > 0 && least > 0 {
				l.all = append(l.all, wire.TallyDest{Addr: dst, Vector: vectors[class].String(), Rate: uint32(min(rate, 1<<32-1)), Threshold: uint32(min(least, 1<<32-1))})
				l.class = append(l.class, class)
			}
		}
	}
}

// networks lists what comes to networks: each sensor of a fleet may see a few addresses of one. What is attacked by itself is left out.
func (l *told) networks(c *Control, t *wire.Tally) {
	type sum struct{ rate, hosts uint32 }
	sums := map[netip.Prefix]sum{}
	for i := range l.all {
		d := &l.all[i]
		if d.Rate >= d.Threshold || l.class[i] == threshold.FloodUDP && !c.carpets.udp {
			continue
		}
		network := levels[0].network(d.Addr)
		s := sums[network]
		sums[network] = sum{s.rate + d.Rate, s.hosts + 1}
	}
	for network, s := range sums {
		if s.rate >= leastNetwork && len(t.Dests) < networksTold {
			t.Dests = append(t.Dests, wire.TallyDest{Addr: network.Addr(), Vector: threshold.Carpet.String(), Rate: s.rate,
				Threshold: c.o.Carpet, Hosts: uint16(min(s.hosts, 1<<16-1))})
		}
	}
}

// asks reports whether the collector wants to know a destination by its name.
func asks(plan *wire.SketchPlan, d *wire.TallyDest) bool {
	if plan == nil || len(plan.Ask) == 0 {
		return false
	}
	place := plan.Place(d.Addr)
	for i := range plan.Ask {
		if q := &plan.Ask[i]; q.Vector == d.Vector && q.Asked(place) {
			return true
		}
	}
	return false
}

// sketch adds up what is not named.
func (l *told) sketch(plan *wire.SketchPlan, named []bool) []byte {
	used := [threshold.NumFloodClasses]bool{}
	for i := range l.all {
		class, d := l.class[i], &l.all[i]
		if named[i] {
			continue
		}
		p := &l.planes[class]
		if !used[class] {
			used[class] = true
			if p.Cells == nil {
				*p = wire.NewPlane(vectors[class].String())
			}
			p.Threshold, p.Destinations = 0, 0
			clear(p.Cells[0][:])
			clear(p.Cells[1][:])
		}
		p.Threshold = max(p.Threshold, d.Threshold)
		p.Add(plan.Place(d.Addr), d.Rate)
	}
	s := wire.Sketch{Epoch: plan.Epoch}
	for class, p := range l.planes {
		if used[class] {
			s.Planes = append(s.Planes, p)
		}
	}
	msg, err := s.Encode()
	if err != nil {
		return nil // cannot be: a plane of each class
	}
	return msg
}
