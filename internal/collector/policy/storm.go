package policy

import (
	"time"

	"github.com/weir-ips/weir/pkg/wire"
)

// Subject is what automation is held for: a sensor, a signature, or, where neither is given, everything.
type Subject struct {
	Sensor string
	SID    uint32
}

// Storm is more verdicts in a minute than a limit allows. The cause is more likely a rule or a sensor that errs, or somebody who wants
// automation to block the world, than so many attackers: nothing is decided for its subject until Until, and a person should look.
type Storm struct {
	Subject
	Until time.Time
	Event wire.Event // that was one too many
}

// maxStorms bounds the storms that are told of and held apart; what finds no room is held with everything.
const maxStorms = 64

type storms struct {
	held map[Subject]time.Time // until when
	told chan Storm
}

// Storms tells when automation is held, once each time.
func (e *Engine) Storms() <-chan Storm { return e.storms.told }

// calm reports whether a verdict may be made of ev, and counts it.
func (e *Engine) calm(ev *wire.Event, now time.Time) bool {
	for _, s := range []Subject{{}, {Sensor: ev.Sensor}, {SID: ev.SID}} {
		if until, ok := e.storms.held[s]; ok && now.Before(until) {
			return false
		}
	}
	full, ok := e.limits.allow(ev, now)
	if !ok {
		e.storm(full, ev, now)
	}
	return ok
}

func (e *Engine) storm(s Subject, ev *wire.Event, now time.Time) {
	for old, until := range e.storms.held {
		if !now.Before(until) {
			delete(e.storms.held, old)
		}
	}
	if len(e.storms.held) >= maxStorms {
		s = Subject{}
	}
	until := now.Add(e.limits.limits.Hold)
	e.storms.held[s] = until
	e.counts.storms.Add(1)
	e.log.Warn("more alerts call for verdicts than the limits allow: nothing is decided until then",
		"of_sensor", s.Sensor, "of_sid", s.SID, "until", until, "sensor", ev.Sensor, "sid", ev.SID, "src", ev.Src.Addr())
	select {
	case e.storms.told <- Storm{s, until, *ev}:
	default: // counted and logged
	}
}
