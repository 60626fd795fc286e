package floods

import (
	"net/netip"

	"github.com/weir-ips/weir/bpf"
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
