package daemon

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/sensor/config"
	"github.com/weir-ips/weir/internal/telemetry"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/threshold"
	"github.com/weir-ips/weir/pkg/verdict/enforce"
)

// floods reads the kernel's counters of destinations, finds those under a flood, and arms them.
type floods struct {
	detector *threshold.Floods
	seen     map[netip.Addr]enforce.Destination // counters at the last look
	primed   bool

	handshakes handshakes
	refusals   telemetry.Throttle

	mu      sync.Mutex
	active  map[floodKey]threshold.FloodEvent
	attacks map[attackKey]threshold.Detection // that inspection found and that are on
	armed   map[armKey]uint32                 // at the last look
}

type floodKey struct {
	dst   decode.Addr
	class threshold.FloodClass
}

// classes are the kernel's names of the classes that have a floor.
var classes = [threshold.NumFloodClasses]bpf.Class{
	threshold.FloodSYN: bpf.ClassSYN, threshold.FloodUDP: bpf.ClassUDP, threshold.FloodICMP: bpf.ClassICMP,
}

func newFloods(c *config.Config) *floods {
	udp := c.Floods.UDP
	if c.Mode != config.Host {
		udp = 0 // inspection counts them
	}
	return &floods{
		detector: threshold.NewFloods(c.Floods.SYN, udp, c.Floods.ICMP),
		seen:     map[netip.Addr]enforce.Destination{},
		active:   map[floodKey]threshold.FloodEvent{},
		attacks:  map[attackKey]threshold.Detection{},
	}
}

// armFor is how long a destination stays armed without being armed again: longer than a gap between pulses, and short enough that a
// dead daemon's mitigation ends by itself.
const armFor = 15 * time.Second

// watch is the sensor's control loop: it shows the kernel that the sensor lives, ends what has expired, and looks for floods.
func (d *Daemon) watch(ctx context.Context) error {
	tick := time.NewTicker(config.HeartbeatEvery)
	defer tick.Stop()
	var swept time.Time
	for {
		now := time.Now()
		d.enforcer.Heartbeat()
		d.look(now)
		if now.Sub(swept) >= time.Second {
			swept = now
			d.sweep(now)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sweep ends what has expired, says what the drop-share breaker has suspended, and writes records out. What goes wrong here must not
// end the sensor: a full disk is no reason to stop protecting.
func (d *Daemon) sweep(now time.Time) {
	tripped, err := d.enforcer.Sweep()
	if len(tripped) > 0 {
		d.log.Error("the drop-share breaker has suspended verdicts: they count and drop nothing", "verdicts", tripped)
	}
	if d.eve != nil {
		if flushErr := d.eve.Flush(); flushErr != nil {
			err = errors.Join(err, flushErr, d.eve.Reopen()) // records are lost and counted until the disk takes them again
		}
	}
	if d.flows != nil {
		err = errors.Join(err, d.flows.Tick(now.UnixNano()))
	}
	if err == nil {
		return
	}
	if ok, skipped := d.troubleLog.Allow(now); ok {
		d.log.Error("the sensor goes on without", "error", err, "similar", skipped)
	}
}

// look feeds the counters' growth since the last look to the detector.
func (d *Daemon) look(now time.Time) {
	f := d.floods
	d.spare(now)
	next := make(map[netip.Addr]enforce.Destination, len(f.seen))
	for dst := range d.enforcer.Destinations() {
		next[dst.Addr] = dst
		was := f.seen[dst.Addr]
		if was.Claims != dst.Claims {
			was = enforce.Destination{} // counted from nothing since the last look
		}
		for class, kernel := range classes {
			grown := dst.Packets[kernel] - was.Packets[kernel] // wraps as the counter does
			if !f.primed {
				grown = 0 // what was counted before this process began is no growth
			}
			if e, starts := f.detector.Add(decode.AddrFrom(dst.Addr), threshold.FloodClass(class), uint64(grown), now.UnixNano()); starts {
				d.floodStarts(e)
			}
		}
	}
	f.seen, f.primed = next, true
	for _, e := range f.detector.Tick(now.UnixNano()) {
		d.floodEnds(e)
	}
	d.rearm()
}

func (d *Daemon) floodStarts(e threshold.FloodEvent) {
	d.floods.mu.Lock()
	d.floods.active[floodKey{e.Dst, e.Class}] = e
	d.floods.mu.Unlock()
	d.log.Warn("flood", "dst", e.Dst.IP(), "class", e.Class.String(), "rate", e.Rate, "why", e.Explain())
	d.publishFlood(e, threshold.Start)
}

func (d *Daemon) floodEnds(e threshold.FloodEvent) {
	d.floods.mu.Lock()
	delete(d.floods.active, floodKey{e.Dst, e.Class})
	d.floods.mu.Unlock()
	d.log.Info("flood is over", "dst", e.Dst.IP(), "class", e.Class.String(), "packets", e.Packets, "peak", e.Peak, "why", e.Explain())
	d.publishFlood(e, threshold.End)
}

// rearm keeps the destinations of running attacks armed, and disarms those whose attacks are over. What is above the limit is
// dropped; sources that have shown to be real come first and are not counted. A destination for which the kernel has no room is
// not armed, which is no reason to stop.
func (d *Daemon) rearm() {
	f := d.floods
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.limits(d.cfg.Mode == config.Host)
	for k, rate := range now {
		if err := d.enforcer.Arm(k.dst, k.class, rate, armFor); err != nil {
			if ok, skipped := f.refusals.Allow(time.Now()); ok {
				d.log.Warn("destination under attack not armed", "error", err, "similar", skipped)
			}
		}
	}
	for k := range f.armed {
		if _, still := now[k]; !still {
			d.enforcer.Disarm(k.dst, k.class)
		}
	}
	f.armed = now
}

// words lists the floods that are on.
func (f *floods) words() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, e := range f.active {
		out = append(out, e.Explain())
	}
	for _, e := range f.attacks {
		out = append(out, e.Explain())
	}
	slices.Sort(out)
	return out
}
