package path

import (
	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/flow"
)

// Stats are a Path's counters: plain numbers, written by the Path's goroutine alone.
type Stats = event.StatsRecord

// count notes what became of a frame.
func (p *Path) count(o *Outcome) {
	switch {
	case o.Drop:
		p.stats.CountDrop(o.Reason)
	default:
		p.stats.Accepted++
	}
	if o.Reject != 0 {
		p.stats.Rejected++
	}
}

// Stats returns the counters as they are now. It belongs to the Path's goroutine.
func (p *Path) Stats() Stats {
	s := p.stats
	s.InForce = inForce(p.cfg.Flow)
	s.IPS, s.Uptime = p.cfg.IPS, (p.now-p.start)/1e9
	s.Flow = *p.tracker.Stats()
	if p.engine != nil {
		s.Detect = p.engine.Stats
		s.Rules = p.rules.Counts()
	}
	if p.cfg.Store != nil {
		s.StoredFiles, s.StoreErrors = p.cfg.Store.Counts()
	}
	return s
}

// LogStats writes a stats record; s may be the sum of several workers'.
func (p *Path) LogStats(s *Stats) { p.log.Stats(p.now, s) }

// inForce says for which conditions something is done: their exception policy is not to ignore them.
func inForce(c *flow.Config) (list [flow.NumTargets]bool) {
	p := &c.Policies
	for t, own := range [flow.NumTargets]flow.Policy{
		flow.TargetStreamMemcap: p.StreamMemcap, flow.TargetReassemblyMemcap: p.ReassemblyMemcap, flow.TargetMidstream: p.Midstream,
		flow.TargetFlowMemcap: p.FlowMemcap, flow.TargetDefragMemcap: p.DefragMemcap, flow.TargetAppError: p.AppError,
	} {
		if own == flow.PolicyAuto {
			own = p.Default
		}
		switch {
		case own != flow.PolicyAuto:
			list[t] = own != flow.PolicyIgnore
		case flow.Target(t) == flow.TargetMidstream && c.Midstream:
		default:
			list[t] = c.IPS
		}
	}
	return list
}
