package floods

import (
	"fmt"
	"iter"
	"net/netip"
	"time"

	"github.com/weir-ips/weir/bpf"
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

// armedClasses are the classes that a vector's packets belong to. Vectors without any are reported and not limited here.
func armedClasses(v threshold.Vector) []bpf.Class {
	switch v {
	case threshold.SYNFlood:
		return []bpf.Class{bpf.ClassSYN}
	case threshold.ICMPFlood:
		return []bpf.Class{bpf.ClassICMP}
	case threshold.Amplification, threshold.UDPFlood:
		return []bpf.Class{bpf.ClassUDP}
	case threshold.Reflection:
		return []bpf.Class{bpf.ClassSYNACK}
	case threshold.FragmentFlood:
		return []bpf.Class{bpf.ClassFragment}
	case threshold.Carpet:
		return []bpf.Class{bpf.ClassSYN, bpf.ClassUDP, bpf.ClassICMP}
	}
	return nil
}

// carpetRate is what each address of a network under carpet bombing still gets a second of each class, known sources aside.
const carpetRate = 300

// renew puts the measures of running attacks off, begins those of new ones, and ends those whose attacks are over. What is above
// a limit is dropped; sources that have shown to be real come first and are not counted. A destination for which the kernel has
// no room is not armed, which is no reason to stop.
func (c *Control) renew(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	limits := map[armKey]uint32{}
	for _, a := range c.attacks {
		c.limit(a, limits, now)
	}
	for k, rate := range limits {
		if err := c.o.Kernel.Arm(k.dst, k.class, rate, armFor); err != nil {
			if ok, skipped := c.refusals.Allow(now); ok {
				c.o.Log.Warn("destination under attack not armed", "error", err, "similar", skipped)
			}
		}
	}
	for k := range c.limits {
		if _, still := limits[k]; !still {
			c.o.Kernel.Disarm(k.dst, k.class)
		}
	}
	c.limits = limits
}

// limit adds an attack's limits; of several reasons the strictest holds. Where one side of conversations is seen nothing is armed
// for what inspection found: it cannot tell answers that were asked for.
func (c *Control) limit(a *attack, limits map[armKey]uint32, now time.Time) {
	if c.o.OneSide && !a.counted {
		return
	}
	rate := uint32(a.Threshold)
	set := false
	switch {
	case a.Vector == threshold.Carpet:
		rate = carpetRate
	case a.Unit != "": // the threshold is one of bytes
		rate = c.o.Limits.Amplification
	}
	for _, class := range armedClasses(a.Vector) {
		for dst := range c.directed(&a.Detection) {
			set = true
			k := armKey{dst, class}
			if old, ok := limits[k]; !ok || rate < old {
				limits[k] = rate
			}
		}
	}
	if set {
		a.note(stepLimit, fmt.Sprintf("more than %d a second to each address; sources known to be real come first and are not counted", rate), now)
	}
}

// The steps of what is done about an attack, from the most selective to the least.
const (
	stepChallenge = "challenge"
	stepLimit     = "rate limit"
)

// note begins or renews a measure.
func (a *attack) note(step, what string, now time.Time) {
	for i := range a.measures {
		if m := &a.measures[i]; m.Step == step && m.What == what {
			m.Expires = now.Add(armFor).UnixNano()
			return
		}
	}
	a.measures = append(a.measures, threshold.Measure{Step: step, What: what, Why: a.Explain(), Since: now.UnixNano(), Expires: now.Add(armFor).UnixNano()})
}

// directed iterates over the addresses that an attack is directed at: for a network, those that get packets now.
func (c *Control) directed(d *threshold.Detection) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		if d.Vector != threshold.Carpet {
			yield(d.Dst.IP())
			return
		}
		bits := 24
		if !d.Dst.Is4() {
			bits = 64
		}
		network := netip.PrefixFrom(d.Dst.IP(), bits)
		for a := range c.counters.seen {
			if network.Contains(a) && !yield(a) {
				return
			}
		}
	}
}
