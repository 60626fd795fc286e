package floods

import (
	"net/netip"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/verdict/enforce"
)

// growth is how many packets of each class came to a destination since the last look.
type growth [bpf.Classes]uint64

// counters are the kernel's counts of destinations, and what they grew by. They are compared way by way of its table, which takes a
// few milliseconds however many are in use.
type counters struct {
	ways   []way
	look   uint64 // number of the last look
	grown  map[netip.Addr]growth
	primed bool
}

// way is what a way of the table held at a look.
type way struct {
	enforce.Destination
	look uint64
}

func newCounters() counters { return counters{grown: map[netip.Addr]growth{}} }

// all iterates over the destinations of the last look.
func (c *counters) all(yield func(netip.Addr) bool) {
	for i := range c.ways {
		if c.ways[i].look == c.look && !yield(c.ways[i].Addr) {
			return
		}
	}
}

// read looks at the counters anew. What was counted before the first look is no growth.
func (c *counters) read(k Kernel) {
	clear(c.grown)
	c.look++
	for dst := range k.Destinations() {
		for dst.Way >= len(c.ways) {
			c.ways = append(c.ways, way{})
		}
		w := &c.ways[dst.Way]
		was := &w.Packets
		if w.Claims != dst.Claims || w.Addr != dst.Addr {
			was = new([bpf.Classes]uint32) // counted from nothing since the last look
		}
		var g growth
		any := false
		for class := range g {
			g[class] = uint64(dst.Packets[class] - was[class]) // wraps as the counter does
			any = any || g[class] > 0
		}
		if any && c.primed {
			c.grown[dst.Addr] = g
		}
		w.Destination, w.look = dst, c.look
	}
	c.primed = true
}
