package floods

import "github.com/weir-ips/weir/pkg/threshold"

// Stats count since the start; Active, Orders, Networks and Armed are current.
type Stats struct {
	Active       map[string]uint64 // attacks that are on, by vector
	Begun        map[string]uint64 // attacks that were told of, by vector
	Orders       uint64            // attacks that are armed because the collector says so
	Armed        uint64            // destinations and classes with a limit
	Fingerprints uint64            // put in force
	GivenUp      uint64            // fingerprints that did not cover what they promised
	Sources      uint64            // limited
	NotArmed     uint64            // measures that the kernel had no room for, or refused
	Sighted      uint64            // packets that the kernel has shown
	Forgotten    uint64            // destinations, because the table was full
	Networks     uint64            // and classes whose usual rates are known
	NotLearned   uint64            // times that there was no room for one more
}

// Stats returns the counters.
func (c *Control) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Active, s.Begun = map[string]uint64{}, map[string]uint64{}
	for v := range threshold.NumVectors {
		s.Active[v.String()], s.Begun[v.String()] = 0, c.begunBy[v]
	}
	for _, a := range c.attacks {
		s.Active[a.Vector.String()]++
		if !a.ordered.IsZero() {
			s.Orders++
		}
	}
	s.Armed = uint64(len(c.wanted.limits))
	if c.baselines != nil {
		s.Networks, s.NotLearned = c.baselines.Len()
	}
	return s
}
