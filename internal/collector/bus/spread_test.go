package bus

import (
	"strconv"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/wire"
)

var midnight = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

func report(s *Sensors, sensor string, applied ...wire.Applied) {
	s.Put(&Report{Health: wire.Health{Sensor: sensor, Epoch: 1, Applied: applied}, Seen: midnight})
}

// Reports repeat themselves; a sensor counts once, and the times are the first's and the last's.
func TestSpread(t *testing.T) {
	var s Sensors
	a := func(id string, seq uint64, ms int) wire.Applied {
		return wire.Applied{ID: id, Seq: seq, At: midnight.Add(time.Duration(ms) * time.Millisecond)}
	}
	report(&s, "two", a("v-1", 1, 11))
	report(&s, "one", a("v-1", 1, 10), a("v-2", 2, 30))
	report(&s, "two", a("v-1", 1, 11), a("v-2", 2, 25))
	report(&s, "three")
	report(&s, "one", a("v-1", 1, 10), a("v-2", 2, 30))
	for id, want := range map[string]Spread{
		"v-1": {2, Reached{"one", midnight.Add(10 * time.Millisecond)}, Reached{"two", midnight.Add(11 * time.Millisecond)}},
		"v-2": {2, Reached{"two", midnight.Add(25 * time.Millisecond)}, Reached{"one", midnight.Add(30 * time.Millisecond)}},
		"v-3": {},
	} {
		if got := s.Spread(id); got != want {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
	}
}

func TestSpreadIsBounded(t *testing.T) {
	var s Sensors
	for i := range maxSpread + 10 {
		report(&s, "one", wire.Applied{ID: strconv.Itoa(i), Seq: uint64(i + 1), At: midnight})
	}
	if len(s.spread.of) != maxSpread || len(s.spread.order) != maxSpread {
		t.Errorf("%d verdicts are remembered in %d places, want %d", len(s.spread.of), len(s.spread.order), maxSpread)
	}
	if s.Spread("9").Sensors != 0 || s.Spread("10").Sensors != 1 {
		t.Error("the earliest are not those that went")
	}
}

func TestSpreadForgetsSensors(t *testing.T) {
	var s Sensors
	for i := range maxSensors + 5 {
		s.Put(&Report{Health: wire.Health{Sensor: strconv.Itoa(i), Applied: []wire.Applied{{ID: "v", Seq: 1, At: midnight}}}, Seen: midnight.Add(time.Duration(i))})
		if i == 100 && len(s.spread.heard) != 101 {
			t.Fatalf("%d sensors are heard", len(s.spread.heard))
		}
	}
	if len(s.spread.heard) != maxSensors {
		t.Errorf("%d sensors are remembered, want %d", len(s.spread.heard), maxSensors)
	}
}
