package daemon

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/weir-ips/weir/internal/sensor/discover"
)

// unhealthy says why traffic is not inspected as it should be; empty when it is. What it looks at is what packets meet: the program
// on each interface, the sign of life that it sees, the receive queues, the workers, the rules.
func (d *Daemon) unhealthy() []string {
	var reasons []string
	if d.mode() == "" {
		reasons = append(reasons, "not attached yet")
	} else {
		reasons = append(reasons, d.unattached()...)
		reasons = append(reasons, d.unserved()...)
		reasons = append(reasons, d.lifeless()...)
	}
	if d.enforcer.Killed() {
		reasons = append(reasons, "the kill switch is on: nothing is dropped, nothing inspected")
	}
	if rs := d.shared.get(); rs.Counts().Loaded == 0 && len(d.cfg.Rules) > 0 {
		reasons = append(reasons, "no rule is loaded")
	}
	for i, w := range d.workers {
		if w.blind.Load() {
			reasons = append(reasons, fmt.Sprintf("worker %d inspects nothing: it has panicked %d times", i, w.troubles.panics.Load()))
		}
	}
	return append(reasons, d.stuck()...)
}

// unattached names the interfaces that the program is not on any more.
func (d *Daemon) unattached() []string {
	var out []string
	for _, name := range d.cfg.Interfaces {
		if err := d.kernel.On(name); err != nil {
			out = append(out, fmt.Sprintf("%v: restart the sensor", err))
		}
	}
	return out
}

// unserved names the interfaces that have got more receive queues than were opened.
func (d *Daemon) unserved() []string {
	var out []string
	for name, served := range d.served {
		n, err := discover.Queues(name)
		switch {
		case err != nil:
			out = append(out, fmt.Sprintf("interface %s: %v", name, err))
		case n > served:
			out = append(out, fmt.Sprintf("interface %s has %d receive queues, of which %d are inspected: restart the sensor", name, n, served))
		}
	}
	return out
}

// lifeless reports whether the program believes that nobody inspects: then it does what on-failure says.
func (d *Daemon) lifeless() []string {
	clock := d.kernel.Clock()
	ticks := clock.Tick(clock.Now()) - atomic.LoadUint32(&d.kernel.Control().Heartbeat) // wraps as the kernel's does
	silent := time.Duration(ticks) * clock.Length()
	if silent <= lease {
		return nil
	}
	return []string{fmt.Sprintf("XDP has had no sign of life for %v", silent.Round(100*time.Millisecond))}
}

// stuckAfter is how long a worker may be silent before the sensor calls itself unhealthy.
const stuckAfter = 3 * time.Second

// stuck names the workers that do not turn.
func (d *Daemon) stuck() []string {
	var out []string
	for i, w := range d.workers {
		if idle := time.Since(time.Unix(0, w.beat.Load())); idle > stuckAfter {
			out = append(out, fmt.Sprintf("worker %d has not turned for %s", i, idle.Round(time.Second)))
		}
	}
	return out
}
