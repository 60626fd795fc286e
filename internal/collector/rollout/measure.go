package rollout

import (
	"fmt"

	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/pkg/wire"
)

// Measures are what sensors did in a time, each value a mean or a sum over all of them.
type Measures struct {
	Sensors    int     `json:"sensors"`
	Seconds    float64 `json:"seconds"`
	Packets    uint64  `json:"packets"`
	Lost       uint64  `json:"lost"` // packets that nobody inspected
	Alerts     uint64  `json:"alerts"`
	Panics     uint64  `json:"panics"`     // of inspection
	Processors float64 `json:"processors"` // busy, a sensor
}

func (m *Measures) lostShare() float64 { return float64(m.Lost) / float64(max(m.Packets, 1)) }
func (m *Measures) alertRate() float64 { return float64(m.Alerts) / float64(max(m.Packets, 1)) }

// lifetime is what a sensor did since it was started.
func lifetime(r *bus.Report) Measures {
	return between(&bus.Report{Health: wire.Health{Time: r.Started}}, r)
}

// between is what a sensor did from one report to a later one.
func between(a, b *bus.Report) Measures {
	seconds := b.Time.Sub(a.Time).Seconds()
	if seconds <= 0 {
		return Measures{Sensors: 1}
	}
	grown := func(name string) uint64 { return b.Counters[name] - min(a.Counters[name], b.Counters[name]) }
	return Measures{
		Sensors: 1, Seconds: seconds, Packets: b.Packets - min(a.Packets, b.Packets), Lost: grown(wire.CounterLost) + grown(wire.CounterUninspected),
		Alerts: grown(wire.CounterAlerts), Panics: grown(wire.CounterPanics), Processors: float64(grown(wire.CounterCPU)) / 1000 / seconds,
	}
}

// add takes another sensor's measures in.
func (m *Measures) add(o Measures) {
	if o.Seconds == 0 {
		return
	}
	n := float64(m.Sensors)
	m.Processors = (m.Processors*n + o.Processors) / (n + 1)
	m.Seconds = (m.Seconds*n + o.Seconds) / (n + 1)
	m.Sensors++
	m.Packets, m.Lost, m.Alerts, m.Panics = m.Packets+o.Packets, m.Lost+o.Lost, m.Alerts+o.Alerts, m.Panics+o.Panics
}

// When a canary is worse than what is usual: than the other sensors at the same time, and than itself before.
const (
	manyLost    = 100   // packets that tell nothing yet
	lostShare   = 0.001 // of all packets
	manyAlerts  = 100
	alertRate   = 0.01 // a packet
	alertFactor = 10
	busy        = 0.5 // processors
	busyFactor  = 2
	settled     = 5 // seconds after which the processors say something
)

// worse says what the rules have made of the canary; empty if nothing bad.
func worse(m, others, usual *Measures) string {
	switch {
	case m.Panics > 0:
		return fmt.Sprintf("inspection has panicked %d times", m.Panics)
	case m.Lost > manyLost && m.lostShare() > max(lostShare, 2*others.lostShare(), 2*usual.lostShare()):
		return fmt.Sprintf("it has lost %d of %d packets (%.2f %%; others %.2f %%, itself before %.2f %%)", m.Lost, m.Packets,
			100*m.lostShare(), 100*others.lostShare(), 100*usual.lostShare())
	case m.Alerts > manyAlerts && m.alertRate() > max(alertRate, alertFactor*others.alertRate(), alertFactor*usual.alertRate()):
		return fmt.Sprintf("it has made %d alerts of %d packets, more than %d times what others make and what it made before", m.Alerts, m.Packets, alertFactor)
	case m.Seconds > settled && m.Processors > max(busy, busyFactor*others.Processors, busyFactor*usual.Processors):
		return fmt.Sprintf("it keeps %.1f processors busy (others %.1f, itself before %.1f)", m.Processors, others.Processors, usual.Processors)
	}
	return ""
}
