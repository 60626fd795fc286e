package flow

// dropReasons are EVE's drop.reason for a packet that an exception policy refuses.
var dropReasons = [NumTargets]string{
	TargetStreamMemcap:     "stream memcap",
	TargetReassemblyMemcap: "stream reassembly",
	TargetMidstream:        "stream midstream",
	TargetFlowMemcap:       "flow memcap",
	TargetDefragMemcap:     "defrag memcap",
	TargetAppError:         "applayer error",
}

// exceptionDrop is EVE's drop.reason for the later packets of a flow that an exception policy dropped.
const exceptionDrop = "exception policy flow drop"

// resolve returns the policy in force for a target.
func (c *Config) resolve(target Target) Policy {
	p := [NumTargets]Policy{
		c.Policies.StreamMemcap, c.Policies.ReassemblyMemcap, c.Policies.Midstream,
		c.Policies.FlowMemcap, c.Policies.DefragMemcap, c.Policies.AppError,
	}[target]
	if p == PolicyAuto {
		p = c.Policies.Default
	}
	if p == PolicyAuto {
		p = PolicyIgnore
		if c.IPS {
			p = PolicyDropFlow
		}
	}
	packetOnly := target == TargetFlowMemcap || target == TargetDefragMemcap
	wanted := target == TargetMidstream && c.Midstream // what was asked for is not refused
	switch {
	case (!c.IPS || wanted) && (p == PolicyDropFlow || p == PolicyDropPacket || p == PolicyReject || p == PolicyRejectBoth):
		return PolicyIgnore
	case packetOnly && p == PolicyDropFlow:
		return PolicyDropPacket
	case packetOnly && (p == PolicyPassFlow || p == PolicyBypass):
		return PolicyPassPacket
	}
	return p
}

// except applies the exception policy of a target to a packet and its flow (nil when it has none), and returns it.
func (t *Tracker) except(f *Flow, r *Result, target Target) Policy {
	p := t.cfg.resolve(target)
	if f != nil && !f.applied(target) {
		f.Policies = append(f.Policies, Applied{target, p})
	}
	t.stats.Policies[target][p]++
	switch p {
	case PolicyDropFlow:
		t.refuse(r, target)
		if f != nil {
			f.Verdict, f.DropBy = FlowDrop, exceptionDrop
		}
	case PolicyDropPacket:
		t.refuse(r, target)
	case PolicyReject, PolicyRejectBoth:
		t.refuse(r, target)
		r.Reject, r.RejectBoth = true, p == PolicyRejectBoth
		if f != nil {
			f.Verdict, f.DropBy, f.Reject = FlowDrop, exceptionDrop, true
		}
	case PolicyBypass:
		r.Pass = true
		if f != nil {
			t.bypass(f)
		}
	case PolicyPassFlow:
		r.Pass = true
		if f != nil {
			f.Verdict = FlowPass
		}
	case PolicyPassPacket:
		r.Pass = true
	}
	return p
}

func (t *Tracker) refuse(r *Result, target Target) {
	r.Drop, r.DropReason = true, dropReasons[target]
}

func (f *Flow) applied(target Target) bool {
	for _, a := range f.Policies {
		if a.Target == target {
			return true
		}
	}
	return false
}
