package policy

import (
	"time"

	"github.com/weir-ips/weir/pkg/wire"
)

// offence is how far a source has climbed a rule's lives.
type offence struct {
	step  int
	until time.Time // expiry of the last verdict
}

// forgive is how long a source must stay quiet after its last verdict to climb down one step.
const forgive = 24 * time.Hour

// life is how long the next verdict under id lasts. A source that comes back after its verdict has expired climbs one step; one
// whose verdict is renewed stays where it is.
func (e *Engine) life(r *Rule, id string, now time.Time) time.Duration {
	if len(r.Escalate) == 0 {
		return r.TTL
	}
	o, known := e.offences[id]
	if known && now.After(o.until) {
		o.step = max(o.step+1-int(now.Sub(o.until)/forgive), 0)
	}
	o.step = min(o.step, len(r.Escalate)-1)
	return r.Escalate[o.step]
}

// climb notes that a verdict of this life was made.
func (e *Engine) climb(r *Rule, id string, now time.Time, life time.Duration) {
	if len(r.Escalate) == 0 {
		return
	}
	if len(e.offences) >= maxRemembered {
		for old, o := range e.offences {
			if now.Sub(o.until) > forgive {
				delete(e.offences, old)
			}
		}
		if len(e.offences) >= maxRemembered {
			clear(e.offences) // at worst sources begin at the first step again
		}
	}
	step := 0
	for i, l := range r.Escalate {
		if l == life {
			step = i
		}
	}
	e.offences[id] = offence{step: step, until: now.Add(life)}
}

// Quorum is how many must agree, within a time, before a source is acted on.
type Quorum struct {
	Sensors    int           `yaml:"sensors"`    // different ones that saw it; 0: one will do
	Signatures int           `yaml:"signatures"` // different ones of the rule's
	Within     time.Duration `yaml:"within"`
}

// testimony is what has been said against a source.
type testimony struct {
	since      time.Time
	sensors    map[string]bool
	signatures map[uint32]bool
}

// maxWitnesses bounds what one testimony remembers.
const maxWitnesses = 64

// agreed adds ev to what is known against id and reports whether it is enough.
func (e *Engine) agreed(q *Quorum, id string, ev *wire.Event, now time.Time) bool {
	if q.Sensors <= 1 && q.Signatures <= 1 {
		return true
	}
	t := e.testimonies[id]
	if t == nil || now.Sub(t.since) > q.Within {
		if len(e.testimonies) >= maxRemembered {
			clear(e.testimonies) // at worst witnesses have to be heard again
		}
		t = &testimony{since: now, sensors: map[string]bool{}, signatures: map[uint32]bool{}}
		e.testimonies[id] = t
	}
	if len(t.sensors) < maxWitnesses {
		t.sensors[ev.Sensor] = true
	}
	if len(t.signatures) < maxWitnesses {
		t.signatures[ev.SID] = true
	}
	return len(t.sensors) >= q.Sensors && len(t.signatures) >= q.Signatures
}
