package enforce

import "time"

// rest is how long a freed slot is left alone: no packet that saw it is still on its way through XDP.
const rest = 200 * time.Millisecond

// slots hands out indices from 1 on; 0 means none.
type slots struct {
	limit   uint32 // exclusive
	next    uint32 // never used yet
	free    []uint32
	resting []resting // oldest first
}

type resting struct {
	slot  uint32
	until time.Duration
}

func newSlots(n int) slots { return slots{limit: uint32(n), next: 1} }

// take returns a slot; 0 if none is free. now is CLOCK_MONOTONIC.
func (s *slots) take(now time.Duration) uint32 {
	for len(s.resting) > 0 && s.resting[0].until <= now {
		s.free = append(s.free, s.resting[0].slot)
		s.resting = s.resting[1:]
	}
	if n := len(s.free); n > 0 {
		slot := s.free[n-1]
		s.free = s.free[:n-1]
		return slot
	}
	if s.next >= s.limit {
		return 0
	}
	s.next++
	return s.next - 1
}

// give frees a slot.
func (s *slots) give(slot uint32, now time.Duration) {
	s.resting = append(s.resting, resting{slot, now + rest})
}

// used is the number of slots that are neither free nor resting.
func (s *slots) used() int { return int(s.next) - 1 - len(s.free) - len(s.resting) }

// claim marks the slots in use that another process left, given in no order.
func (s *slots) claim(used map[uint32]bool) {
	for slot := range used {
		s.next = max(s.next, slot+1)
	}
	for slot := uint32(1); slot < s.next; slot++ {
		if !used[slot] {
			s.free = append(s.free, slot)
		}
	}
}
