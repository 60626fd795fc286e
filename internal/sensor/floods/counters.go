package floods

import (
	"net/netip"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/threshold"
	"github.com/weir-ips/weir/pkg/verdict/enforce"
)

// growth is how many packets of each class came to a destination since the last look.
type growth [bpf.Classes]uint64

// counters are the kernel's counts of destinations, and what they grew by.
type counters struct {
	seen   map[netip.Addr]enforce.Destination
	next   map[netip.Addr]enforce.Destination
	grown  map[netip.Addr]growth
	primed bool
}

func newCounters() counters {
	return counters{seen: map[netip.Addr]enforce.Destination{}, next: map[netip.Addr]enforce.Destination{}, grown: map[netip.Addr]growth{}}
}

// read looks at the counters anew. What was counted before the first look is no growth.
func (c *counters) read(k Kernel) {
	clear(c.next)
	clear(c.grown)
	for dst := range k.Destinations() {
		c.next[dst.Addr] = dst
		was := c.seen[dst.Addr]
		if was.Claims != dst.Claims {
			was = enforce.Destination{} // counted from nothing since the last look
		}
		var g growth
		any := false
		for class := range g {
			g[class] = uint64(dst.Packets[class] - was.Packets[class]) // wraps as the counter does
			any = any || g[class] > 0
		}
		if any && c.primed {
			c.grown[dst.Addr] = g
		}
	}
	c.seen, c.next, c.primed = c.next, c.seen, true
}

// carpetHosts is how many addresses of one network must get packets at once to be a carpet.
const carpetHosts = 32

// lookAtNetworks adds destinations up by network: an attack may be spread so thin that no address alone shows it. What is answered
// is known of SYNs and echo requests alone; UDP is counted by inspection, where both sides are seen.
func (c *Control) lookAtNetworks(now time.Time) {
	if c.o.Limits.Carpet == 0 {
		return
	}
	type sum struct {
		packets uint64
		hosts   int
	}
	sums := map[decode.Addr]sum{}
	for dst, g := range c.counters.grown {
		n := g[bpf.ClassSYN] + g[bpf.ClassICMP] + g[bpf.ClassFragment]
		if n == 0 {
			continue
		}
		k := threshold.Network(decode.AddrFrom(dst))
		s := sums[k]
		sums[k] = sum{s.packets + n, s.hosts + 1}
	}
	for k, s := range sums {
		if s.hosts < carpetHosts || c.attackWithin(k) {
			continue
		}
		if e, starts := c.carpets.Add(k, threshold.FloodSYN, s.packets, now.UnixNano()); starts {
			c.carpetTells(&e, uint64(s.hosts))
		}
	}
	for _, e := range c.carpets.Tick(now.UnixNano()) {
		c.carpetTells(&e, 0)
	}
}
