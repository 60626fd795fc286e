package daemon

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/weir-ips/weir/internal/sensor/discover"
	"github.com/weir-ips/weir/pkg/capture"
)

// allowances are the counters of what the cloud dropped before XDP saw it, because the instance used up what it may: bandwidth,
// packets, tracked connections. While they grow the sensor is blind to a part of its traffic.
type allowances struct {
	mu     sync.Mutex
	values map[string]uint64 // by interface and counter
	blind  string            // which grew last
	since  time.Time         // when
}

const (
	allowancesEvery = 5 * time.Second
	blindFor        = 30 * time.Second // after the last growth
)

// AllowanceStats are the metrics.
type AllowanceStats struct {
	Exceeded map[string]uint64 // packets dropped by the cloud, by interface and allowance: eth0/pps
	Left     map[string]uint64 // connections that may still be tracked, by interface
	Blind    uint64            // 1 while an allowance is exceeded
}

// watchAllowances reads the drivers' counters until ctx ends.
func (d *Daemon) watchAllowances(ctx context.Context) error {
	tick := time.NewTicker(allowancesEvery)
	defer tick.Stop()
	for {
		for _, name := range d.cfg.Interfaces {
			counters, err := discover.Counters(name)
			if err != nil {
				return fmt.Errorf("allowances: %w", err)
			}
			if grown := d.allowances.note(name, counters, time.Now()); grown != "" {
				d.log.Warn("the sensor is blind to a part of its traffic: the cloud drops it first", "interface", name, "allowance", grown)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// note takes in an interface's counters; it returns the allowance that has begun to be exceeded, if one has.
func (a *allowances) note(name string, counters map[string]uint64, now time.Time) (began string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.values == nil {
		a.values = map[string]uint64{}
	}
	for counter, n := range counters {
		if !strings.Contains(counter, "_allowance_") {
			continue
		}
		key := name + "/" + counter
		was, known := a.values[key]
		a.values[key] = n
		if known && n > was && strings.HasSuffix(counter, "_exceeded") {
			if now.Sub(a.since) > blindFor {
				began = counter
			}
			a.blind, a.since = key, now
		}
	}
	return began
}

// blindness says what the sensor does not see; "" when all arrives.
func (a *allowances) blindness(now time.Time) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.blind == "" || now.Sub(a.since) > blindFor {
		return ""
	}
	return "blind: " + a.blind + " grows: the cloud drops traffic before it arrives"
}

// stats are the metrics of now.
func (a *allowances) stats(now time.Time) AllowanceStats {
	s := AllowanceStats{Exceeded: map[string]uint64{}, Left: map[string]uint64{}}
	if a.blindness(now) != "" {
		s.Blind = 1
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, n := range a.values {
		if short, ok := strings.CutSuffix(key, "_allowance_exceeded"); ok {
			s.Exceeded[short] = n
		} else if short, ok := strings.CutSuffix(key, "/conntrack_allowance_available"); ok {
			s.Left[short] = n
		}
	}
	return s
}

// prove tries the sockets before traffic is trusted to them. With the kill switch on nothing would reach them.
func (d *Daemon) prove(bundles []capture.Bundle) error {
	if d.enforcer.Killed() {
		return nil
	}
	d.enforcer.Heartbeat()
	for _, name := range d.cfg.Interfaces {
		dev, err := net.InterfaceByName(name)
		if err != nil {
			return fmt.Errorf("interface %s: %w", name, err)
		}
		for _, b := range bundles {
			if err := b.Prove(d.kernel.Program(), modes[d.cfg.Mode], dev); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkInterfaces refuses what inspection could not carry, and warns of what slows it, before anything is attached.
func (d *Daemon) checkInterfaces(context.Context) error {
	if inTheWay(d.cfg) {
		if err := d.inlineLimits(); err != nil {
			return err
		}
	}
	for _, name := range d.cfg.Interfaces {
		warnings, err := discover.Warnings(name, inTheWay(d.cfg))
		if err != nil {
			return err
		}
		for _, w := range warnings {
			d.log.Warn(w, "interface", name)
		}
	}
	return nil
}

// inlineLimits refuses an interface whose frames may be longer than inspection takes.
func (d *Daemon) inlineLimits() error {
	for _, name := range d.cfg.Interfaces {
		if err := discover.Inline(name, modes[d.cfg.Mode]); err != nil {
			return err
		}
	}
	return nil
}
