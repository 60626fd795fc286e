package fleetflood

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/weir-ips/weir/pkg/wire"
)

const (
	spreadSensors = 20
	spreadDests   = 50_000
)

// edge is a sensor with more destinations than a tally lists, which follows the collector's plan.
type edge struct {
	name  string
	dests []wire.TallyDest
	plan  *wire.SketchPlan
}

func newEdge(i int) *edge {
	e, rng := &edge{name: fmt.Sprintf("edge-%d", i)}, rand.New(rand.NewPCG(uint64(i), 1))
	for n := range spreadDests {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], uint32(i+11)<<24|uint32(n))
		rate := 1 + rng.Uint32N(20)
		if n < 2000 { // twice what a tally lists is busier than the target's share
			rate = 100 + rng.Uint32N(200)
		}
		e.dests = append(e.dests, wire.TallyDest{Addr: netip.AddrFrom4(a), Vector: "syn-flood", Rate: rate, Threshold: 1000})
	}
	e.sort()
	return e
}

func (e *edge) sort() {
	slices.SortStableFunc(e.dests, func(x, y wire.TallyDest) int { return cmp.Compare(y.Rate, x.Rate) })
}

// tally does as a sensor does: what is asked for, then the busiest, and a sketch of the rest.
func (e *edge) tally(t *testing.T) *wire.Tally {
	out := &wire.Tally{Sensor: e.name, Mode: "gwlb"}
	named := map[netip.Addr]bool{}
	list := func(d wire.TallyDest) {
		if !named[d.Addr] && len(out.Dests) < wire.MaxTallyDests {
			named[d.Addr] = true
			out.Dests = append(out.Dests, d)
		}
	}
	for _, d := range e.dests {
		if e.plan != nil && slices.ContainsFunc(e.plan.Ask, func(q wire.Inquiry) bool { return q.Vector == d.Vector && q.Asked(e.plan.Place(d.Addr)) }) {
			list(d)
		}
	}
	for _, d := range e.dests {
		list(d)
	}
	out.Left = uint32(len(e.dests) - len(out.Dests))
	if e.plan != nil {
		p := wire.NewPlane("syn-flood")
		p.Threshold = 1000
		for _, d := range e.dests {
			if !named[d.Addr] {
				p.Add(e.plan.Place(d.Addr), d.Rate)
			}
		}
		sketch := wire.Sketch{Epoch: e.plan.Epoch, Planes: []wire.Plane{p}}
		var err error
		if out.Sketch, err = sketch.Encode(); err != nil {
			t.Fatal(err)
		}
	}
	msg, err := out.Encode()
	if err != nil || len(msg) > 64<<10 {
		t.Fatalf("a tally of %d bytes, %v", len(msg), err)
	}
	got, err := wire.DecodeTally(msg)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestWhatNobodyListsIsFound spreads a target over sensors of which each has thousands of busier destinations.
func TestWhatNobodyListsIsFound(t *testing.T) {
	w, edges, now := NewWatch(), []*edge{}, start
	for i := range spreadSensors {
		edges = append(edges, newEdge(i))
	}
	rounds := func(most int, until func(a *wire.Arming) bool) *wire.Arming {
		for range most {
			for _, e := range edges {
				w.Take(e.tally(t), now)
			}
			a, _ := w.Judge(now)
			for _, e := range edges {
				e.plan = a.Plan
			}
			if until(a) {
				return a
			}
			now = now.Add(wire.TallyEvery)
		}
		return nil
	}
	if a := rounds(3, func(a *wire.Arming) bool { return len(a.Orders) > 0 }); a != nil {
		t.Fatalf("without an attack %+v is armed", a.Orders)
	}
	if w.sketches.Malformed+w.sketches.Refused != 0 || w.sketches.plan.Epoch == 0 {
		t.Fatalf("%+v", w.sketches.plan)
	}
	for _, e := range edges {
		e.dests = append(e.dests, wire.TallyDest{Addr: victim, Vector: "syn-flood", Rate: 60, Threshold: 1000})
		e.sort()
	}
	began := now
	a := rounds(4, func(a *wire.Arming) bool { return len(a.Orders) > 0 })
	if a == nil || len(a.Orders) != 1 || a.Orders[0].Dst != victim || a.Orders[0].Rate != 60*spreadSensors {
		t.Fatalf("armed %+v", a)
	}
	t.Logf("armed after %v: %s", now.Sub(began), a.Orders[0].Why)
	if rounds(2, func(a *wire.Arming) bool { return len(a.Orders) != 1 }) != nil {
		t.Error("the order was withdrawn while the attack went on")
	}
}
