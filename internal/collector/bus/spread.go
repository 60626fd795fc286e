package bus

import (
	"time"

	"github.com/weir-ips/weir/pkg/wire"
)

// maxSpread bounds the verdicts of which it is remembered when sensors had them: the earliest noted goes.
const maxSpread = 4096

// Reached is when a sensor had a verdict in force, by its own clock.
type Reached struct {
	Sensor string
	At     time.Time
}

// Spread is when the first and the last sensor had a verdict in force, of those that said so: one that took it with a whole set does not.
type Spread struct {
	Sensors     int // that said so
	First, Last Reached
}

func (s *Spread) add(r Reached) {
	if s.Sensors == 0 || r.At.Before(s.First.At) {
		s.First = r
	}
	if s.Sensors == 0 || r.At.After(s.Last.At) {
		s.Last = r
	}
	s.Sensors++
}

// spreads is what health reports say of when verdicts came into force. The zero value is ready.
type spreads struct {
	of    map[string]*Spread  // by verdict id
	order []string            // of of, a ring once it is full
	next  int                 // in order: the earliest noted
	heard map[string]position // by sensor: up to where its reports are counted, for they repeat themselves
}

type position struct{ epoch, seq uint64 }

func (p position) before(q position) bool {
	return p.epoch < q.epoch || p.epoch == q.epoch && p.seq < q.seq
}

// note takes in what a report says.
func (s *spreads) note(h *wire.Health) {
	if len(h.Applied) == 0 {
		return
	}
	if s.of == nil {
		s.of, s.heard = map[string]*Spread{}, map[string]position{}
	}
	for _, a := range h.Applied {
		at := position{h.Epoch, a.Seq}
		if a.At.IsZero() || !s.heard[h.Sensor].before(at) {
			continue
		}
		s.heard[h.Sensor] = at
		s.get(a.ID).add(Reached{h.Sensor, a.At})
	}
}

// get finds an id's, or makes it in the place of the earliest.
func (s *spreads) get(id string) *Spread {
	if have := s.of[id]; have != nil {
		return have
	}
	if len(s.order) < maxSpread {
		s.order = append(s.order, id)
	} else {
		delete(s.of, s.order[s.next])
		s.order[s.next] = id
		s.next = (s.next + 1) % maxSpread
	}
	made := new(Spread)
	s.of[id] = made
	return made
}

// Spread is what sensors have reported of a verdict; the zero Spread when none has.
func (s *Sensors) Spread(id string) Spread {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if have := s.spread.of[id]; have != nil {
		return *have
	}
	return Spread{}
}
