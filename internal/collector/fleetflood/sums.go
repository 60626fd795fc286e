package fleetflood

import (
	"cmp"
	"slices"
	"time"

	"github.com/weir-ips/weir/pkg/wire"
)

const (
	sumEvery  = wire.TallyEvery * 6 / 5 // sketches of one such period are added up: each sensor has sent one
	maxLayers = 128                     // modes, groups and vectors that are added up; further ones are not
	newSeed   = time.Hour               // until another seed is drawn, so that none can be found out
)

// layer is what adds up: packets of one vector at sensors of which each sees other packets.
type layer struct{ mode, group, vector string }

// layerSum is the sum of a layer's sketches.
type layerSum struct {
	cells     [wire.SketchRows][wire.SketchWidth]uint64
	total     uint64
	threshold uint32 // the greatest of theirs
}

// sums are the sketches of one period.
type sums struct {
	began  time.Time
	heard  map[string]bool // sensors
	layers map[layer]*layerSum
}

func newSums(now time.Time) *sums {
	return &sums{began: now, heard: map[string]bool{}, layers: map[layer]*layerSum{}}
}

// add takes a sensor's sketch in, the first of the period; it returns how many planes there was no room for.
func (s *sums) add(t *wire.Tally, sk *wire.Sketch) (refused uint64) {
	if s.heard[t.Sensor] {
		return 0
	}
	s.heard[t.Sensor] = true
	for i := range sk.Planes {
		p := &sk.Planes[i]
		k := layer{t.Mode, t.Group, p.Vector}
		sum := s.layers[k]
		if sum == nil {
			if len(s.layers) >= maxLayers {
				refused++
				continue
			}
			sum = new(layerSum)
			s.layers[k] = sum
		}
		sum.add(p)
	}
	return refused
}

func (s *layerSum) add(p *wire.Plane) {
	s.threshold = max(s.threshold, p.Threshold)
	for row := range p.Cells {
		for i, v := range p.Cells[row] {
			s.cells[row][i] += uint64(v)
		}
	}
	for _, v := range p.Cells[0] {
		s.total += uint64(v)
	}
}

// above is what a cell holds beyond its share of everything: about what is due to its greatest destination.
func (s *layerSum) above(row int, cell uint16) uint64 {
	share := s.total / wire.SketchWidth
	return s.cells[row][cell] - min(share, s.cells[row][cell])
}

// estimate is what comes to a destination that is not listed: the least of its cells.
func (s *layerSum) estimate(place [wire.SketchRows]uint16) uint64 {
	least := s.above(0, place[0])
	for row := 1; row < wire.SketchRows; row++ {
		least = min(least, s.above(row, place[row]))
	}
	return least
}

// sketches is what the watch knows of destinations that no tally lists.
type sketches struct {
	plan      wire.SketchPlan
	drawn     time.Time // the plan's seed
	now, last *sums     // the period that lasts, and the one before
	Refused   uint64    // planes without room
	Malformed uint64
}

// take adds a sensor's sketch, if it is of this plan.
func (k *sketches) take(t *wire.Tally, now time.Time) {
	if len(t.Sketch) == 0 || k.now == nil {
		return
	}
	s, err := wire.DecodeSketch(t.Sketch)
	switch {
	case err != nil:
		k.Malformed++
	case s.Epoch == k.plan.Epoch:
		k.turn(now)
		k.Refused += k.now.add(t, s)
	}
}

// turn begins another period, and now and then another epoch.
func (k *sketches) turn(now time.Time) {
	if k.now == nil || now.Sub(k.drawn) >= newSeed {
		k.plan, k.drawn = wire.SketchPlan{Epoch: random(), Seed: random()}, now
		k.now, k.last = newSums(now), newSums(now)
	}
	if now.Sub(k.now.began) >= sumEvery {
		k.now, k.last = newSums(now), k.now
		if now.Sub(k.last.began) >= 2*sumEvery {
			k.last = newSums(now)
		}
	}
}

// estimate is what comes to a place by either period.
func (k *sketches) estimate(name layer, place [wire.SketchRows]uint16) (most uint64) {
	for _, s := range []*sums{k.last, k.now} {
		if sum := s.layers[name]; sum != nil {
			most = max(most, sum.estimate(place))
		}
	}
	return most
}

// suspect is a cell that sensors are asked about, and what speaks for it.
type suspect struct {
	cell uint16
	rate uint64
}

// heavy calls f for each cell that holds half an attack or more.
func (s *layerSum) heavy(f func(row int, c suspect)) {
	for row := range s.cells {
		for i := range s.cells[row] {
			if rate := s.above(row, uint16(i)); rate >= uint64(s.threshold)/2 && s.threshold > 0 {
				f(row, suspect{uint16(i), rate})
			}
		}
	}
}

// ask renews what sensors are asked: the heavy cells, and those of destinations that are listed by some and, with what others sketch,
// half as heavy as an attack. changed says whether something is asked that was not asked the last time.
func (k *sketches) ask(listed map[layer]map[[wire.SketchRows]uint16]sum) (changed bool) {
	suspects := map[string]*[wire.SketchRows][]suspect{}
	note := func(vector string, row int, s suspect) {
		if suspects[vector] == nil {
			suspects[vector] = new([wire.SketchRows][]suspect)
		}
		suspects[vector][row] = append(suspects[vector][row], s)
	}
	for _, period := range []*sums{k.last, k.now} {
		for name, s := range period.layers {
			s.heavy(func(row int, c suspect) { note(name.vector, row, c) })
		}
	}
	for name, places := range listed {
		for place, has := range places {
			rate := has.rate + k.estimate(name, place)
			if rate < uint64(has.threshold)/2 {
				continue
			}
			for row, cell := range place {
				note(name.vector, row, suspect{cell, rate})
			}
		}
	}
	ask := inquiries(suspects)
	changed = !covers(k.plan.Ask, ask)
	k.plan.Ask = ask
	return changed
}

// inquiries are the heaviest suspects of each vector.
func inquiries(suspects map[string]*[wire.SketchRows][]suspect) []wire.Inquiry {
	var out []wire.Inquiry
	for vector, rows := range suspects {
		q := wire.Inquiry{Vector: vector}
		for row, list := range rows {
			slices.SortFunc(list, func(x, y suspect) int { return cmp.Or(cmp.Compare(y.rate, x.rate), cmp.Compare(x.cell, y.cell)) })
			for _, s := range list {
				if len(q.Cells[row]) < wire.MaxAsked && !slices.Contains(q.Cells[row], s.cell) {
					q.Cells[row] = append(q.Cells[row], s.cell)
				}
			}
			slices.Sort(q.Cells[row])
		}
		out = append(out, q)
	}
	slices.SortFunc(out, func(x, y wire.Inquiry) int { return cmp.Compare(x.Vector, y.Vector) })
	return out[:min(len(out), wire.MaxPlanes)]
}

// covers reports whether the old inquiries ask all that the new ones do.
func covers(old, new []wire.Inquiry) bool {
	for _, q := range new {
		i := slices.IndexFunc(old, func(o wire.Inquiry) bool { return o.Vector == q.Vector })
		if i < 0 {
			return false
		}
		for row, cells := range q.Cells {
			for _, c := range cells {
				if !slices.Contains(old[i].Cells[row], c) {
					return false
				}
			}
		}
	}
	return true
}
