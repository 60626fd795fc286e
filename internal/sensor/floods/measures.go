package floods

import (
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/threshold"
)

// armFor is how long a measure holds without being renewed: longer than a gap between pulses, and short enough that a dead sensor's
// measures end by themselves.
const armFor = 15 * time.Second

// armKey is what a limit is set for.
type armKey struct {
	dst   netip.Addr
	class bpf.Class
}

// wanted are the measures that running attacks want; of several limits for one destination the strictest holds.
type wanted struct {
	limits map[armKey]uint32
	ports  map[netip.Addr][]uint16   // source ports of amplifiers
	steps  map[netip.Addr][]bpf.Step // others
}

func newWanted() wanted {
	return wanted{map[armKey]uint32{}, map[netip.Addr][]uint16{}, map[netip.Addr][]bpf.Step{}}
}

func (w *wanted) limit(k armKey, rate uint32) {
	if old, ok := w.limits[k]; !ok || rate < old {
		w.limits[k] = rate
	}
}

func (w *wanted) step(dst netip.Addr, s bpf.Step) {
	if !slices.Contains(w.steps[dst], s) {
		w.steps[dst] = append(w.steps[dst], s)
	}
}

func (w *wanted) port(dst netip.Addr, port uint16) {
	if list := w.ports[dst]; !slices.Contains(list, port) && len(list) < bpf.FilterPorts {
		w.ports[dst] = append(list, port)
	}
}

// limitedClasses are the classes that are limited as a whole for a vector. Vectors without any are held by other steps, or reported.
func limitedClasses(v threshold.Vector) []bpf.Class {
	switch v {
	case threshold.SYNFlood:
		return []bpf.Class{bpf.ClassSYN}
	case threshold.ICMPFlood:
		return []bpf.Class{bpf.ClassICMP}
	case threshold.UDPFlood:
		return []bpf.Class{bpf.ClassUDP}
	case threshold.FragmentFlood:
		return []bpf.Class{bpf.ClassFragment}
	case threshold.Carpet:
		return []bpf.Class{bpf.ClassSYN, bpf.ClassUDP, bpf.ClassICMP}
	}
	return nil
}

// seenClasses are the classes that a vector's packets belong to.
func seenClasses(v threshold.Vector) []bpf.Class {
	switch v {
	case threshold.Amplification:
		return []bpf.Class{bpf.ClassUDP}
	case threshold.Reflection:
		return []bpf.Class{bpf.ClassSYNACK}
	case threshold.ACKFlood:
		return []bpf.Class{bpf.ClassTCP}
	case threshold.Carpet:
		return append(limitedClasses(v), bpf.ClassFragment)
	}
	return limitedClasses(v)
}

// renew puts the measures of running attacks off, begins those of new ones, and ends those whose attacks are over. A destination for
// which the kernel has no room is not armed, which is no reason to stop.
func (c *Control) renew(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := newWanted()
	drops := c.drops()
	for _, a := range c.attacks {
		c.climb(a, &w, drops, now)
	}
	var err error
	for k, rate := range w.limits {
		err = firstOf(err, c.o.Kernel.Arm(k.dst, k.class, rate, armFor))
	}
	for dst, ports := range w.ports {
		err = firstOf(err, c.o.Kernel.DropUnasked(dst, ports, armFor))
	}
	for dst, steps := range w.steps {
		for _, step := range steps {
			err = firstOf(err, c.o.Kernel.TakeStep(dst, step, armFor))
		}
	}
	if err != nil {
		c.stats.NotArmed++
		if ok, skipped := c.refusals.Allow(now); ok {
			c.o.Log.Warn("destination under attack not armed", "error", err, "similar", skipped)
		}
	}
	c.end(&w)
	c.wanted = w
	c.learn(now)
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// end ends the measures that are wanted no more.
func (c *Control) end(w *wanted) {
	for k := range c.wanted.limits {
		if _, still := w.limits[k]; !still {
			c.o.Kernel.Disarm(k.dst, k.class)
		}
	}
	for dst := range c.wanted.ports {
		if len(w.ports[dst]) == 0 {
			c.o.Kernel.EndStep(dst, bpf.StepUnasked)
		}
	}
	for dst, steps := range c.wanted.steps {
		for _, step := range steps {
			if !slices.Contains(w.steps[dst], step) {
				c.o.Kernel.EndStep(dst, step)
			}
		}
	}
}

// The steps of what is done about an attack, from the most selective to the least.
const (
	stepPrint     = "fingerprint"
	stepUnasked   = "unrequested answers"
	stepChallenge = "challenge"
	stepLimit     = "rate limit"
	stepSource    = "source limit"
)

// note begins or renews a measure, and adds to its count.
func (a *attack) note(step, what, why string, dropped uint64, enforced bool, now time.Time) {
	i := slices.IndexFunc(a.measures, func(m threshold.Measure) bool { return m.Step == step && m.What == what })
	if i < 0 {
		i = len(a.measures)
		a.measures = append(a.measures, threshold.Measure{Step: step, What: what, Why: why, Since: now.UnixNano()})
		a.changed = true
	}
	m := &a.measures[i]
	m.Expires = now.Add(armFor).UnixNano()
	if enforced {
		m.Dropped += dropped
	} else {
		m.Would += dropped
	}
}

// directed iterates over the addresses that an attack is directed at: for a network, those that get packets now.
func (c *Control) directed(d *threshold.Detection) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		if d.Vector != threshold.Carpet {
			yield(d.Dst.IP())
			return
		}
		network := d.Network()
		for a := range c.counters.all {
			if network.Contains(a) && !yield(a) {
				return
			}
		}
	}
}

// drops returns how many packets each destination lost to its limits since the last look: the kernel counts them by class, and
// each armed destination has its share by what came there.
func (c *Control) drops() map[armKey]uint64 {
	out := map[armKey]uint64{}
	now, err := c.o.Kernel.Counters()
	if err != nil {
		return out
	}
	was := c.dropped
	c.dropped = &now
	if was == nil {
		return out
	}
	var arrived [bpf.Classes]uint64
	for k := range c.wanted.limits {
		arrived[k.class] += c.counters.grown[k.dst][k.class]
	}
	for k := range c.wanted.limits {
		r := bpf.FloodReason(k.class)
		grown := now.Drops[r] - was.Drops[r] + now.Would[r] - was.Would[r]
		if arrived[k.class] > 0 {
			out[k] = grown * c.counters.grown[k.dst][k.class] / arrived[k.class]
		}
	}
	return out
}

// leastRate is what an address under attack gets at least of a class, packets a second.
const leastRate = 20

// rateOf is what an attack leaves each of n addresses, in packets a second; twice what is usual there passes in any case.
func (c *Control) rateOf(a *attack, n int) uint64 {
	return max(min(c.packetsOf(a), 1<<30)/uint64(max(n, 1)), leastRate)
}

func (c *Control) allowance(rate uint64, dst netip.Addr, class bpf.Class) uint32 {
	if i := slices.Index(classes[:], class); i >= 0 {
		rate = max(rate, 2*c.detector.Usual(decode.AddrFrom(dst), threshold.FloodClass(i)))
	}
	return uint32(min(rate, 1<<32-1))
}
