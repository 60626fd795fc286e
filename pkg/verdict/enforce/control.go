package enforce

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/weir-ips/weir/bpf"
)

// Failure says what becomes of traffic when the sensor's process is gone.
type Failure struct {
	Policy bpf.OnFailure
	Lease  time.Duration // without a Heartbeat for so long, nobody inspects; 0: never
	Hold   time.Duration // FailOpen: without one for so long, verdicts lapse too; never less than Lease
}

// SetFailure puts the policy in force.
func (e *Enforcer) SetFailure(f Failure) {
	c := e.maps.Control
	lease := e.clock.Ticks(f.Lease)
	atomic.StoreUint32(&c.Hold, max(lease, e.clock.Ticks(f.Hold)))
	atomic.StoreUint32(&c.Failure, uint32(f.Policy))
	atomic.StoreUint32(&c.Lease, lease)
}

// Heartbeat says that the process is alive and inspects. Call it several times in each lease.
func (e *Enforcer) Heartbeat() {
	atomic.StoreUint32(&e.maps.Control.Heartbeat, e.clock.Tick(e.clock.Now()))
}

// SetObserve makes XDP count what it would drop and drop nothing, or ends that.
func (e *Enforcer) SetObserve(on bool) { set(&e.maps.Control.Observe, on) }

// SetCapture makes XDP copy packets to the rings, or ends that.
func (e *Enforcer) SetCapture(on bool) { set(&e.maps.Control.Capture, on) }

// KillSwitch lets everything through uninspected, or ends that. It outlives the process.
func (e *Enforcer) KillSwitch(on bool) { set(&e.maps.Control.Kill, on) }

// Killed reports whether the kill switch is on.
func (e *Enforcer) Killed() bool { return atomic.LoadUint32(&e.maps.Control.Kill) != 0 }

func set(word *uint32, on bool) {
	var v uint32
	if on {
		v = 1
	}
	atomic.StoreUint32(word, v)
}

// Counters are XDP's totals since the maps were made.
func (e *Enforcer) Counters() (bpf.Counters, error) { return e.sensor.Counters() }

// Stats are the Enforcer's own counters.
func (e *Enforcer) Stats() Stats {
	e.lock()
	defer e.mu.Unlock()
	e.flows.mu.Lock()
	defer e.flows.mu.Unlock()
	s := e.stats
	s.FlowFull = e.flows.full
	return s
}

// Fill is how full a map is, in entries.
type Fill struct{ Used, Max int }

// Fills are the fills of the maps that can run full, by map name.
func (e *Enforcer) Fills() map[string]Fill {
	e.lock()
	defer e.mu.Unlock()
	e.flows.mu.Lock()
	defer e.flows.mu.Unlock()
	return map[string]Fill{
		"verdicts": {e.slots.used(), len(e.maps.Verdicts) - 1},
		"prefixes": {e.prefixes.tree.Size(), bpf.MaxPrefixes},
		"targets":  {len(e.targets.index), len(e.maps.Targets) - 1},
		"flows":    {e.flows.slots.used(), len(e.maps.Flows) - 1},
		"guard":    {len(e.guarded), bpf.MaxGuards},
	}
}

// goodLife is how long one half of the known-good bits is filled: a source stays known for one to two of these.
const goodLife = 5 * time.Minute

// Sweep does what is due by time. Call it about once a second: it takes expired verdicts out (XDP has stopped heeding them
// by itself), prolongs decisions about living flows, ages known-good sources, and watches the drop share. tripped holds the
// verdicts that the breaker has suspended in this call. It does not wait: while a large set is exchanged, what is due about
// the table is left to the next call, so that who sweeps can go on giving signs of life.
func (e *Enforcer) Sweep() (tripped []string, err error) {
	e.sweepFlows()
	e.forgetQuestions()
	if !e.mu.TryLock() {
		return nil, nil
	}
	defer e.mu.Unlock()
	e.mono, e.wall = e.clock.Now(), e.now()
	now := e.wall
	var errs []error
	for _, entry := range e.table.Expire(now) {
		e.stats.Expired++
		errs = append(errs, e.lift(entry))
	}
	if now.Sub(e.good) > goodLife {
		e.ageGood(now)
	}
	tripped, err = e.checkBreaker(now)
	return tripped, errors.Join(append(errs, err)...)
}
