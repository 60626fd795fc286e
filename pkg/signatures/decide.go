package signatures

import (
	"cmp"
	"slices"

	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
	"github.com/weir-ips/weir/pkg/threshold"
)

// decide turns the packet's matches into hits and a decision: in the order of the rules, thresholds first, then actions.
func (e *Engine) decide(st *flowState) Decision {
	d := Decision{Vars: e.vars}
	if len(e.matches) == 0 {
		return d
	}
	slices.SortStableFunc(e.matches, func(a, b match) int {
		if c := cmp.Compare(a.sig.Order, b.sig.Order); c != 0 || a.tx == nil || b.tx == nil {
			return c
		}
		return cmp.Compare(a.tx.Base().ID, b.tx.Base().ID)
	})
	limit := orDefault(e.rules.options.PacketAlertMax, 15)
	var beyond []match
	if over := len(e.matches) - limit; over > 0 {
		d.Overflow = over
		e.matches, beyond = e.matches[:limit], e.matches[limit:]
	}
	for i := range e.matches {
		m := &e.matches[i]
		action, outcome := e.threshold(m)
		if outcome == threshold.Nothing {
			continue
		}
		if outcome != threshold.Silent {
			for _, t := range m.sig.Tags {
				e.startTag(m.sig, t, st)
			}
		}
		onFlow := m.sig.Type.FlowScope(m.where == InStream) && e.ctx.Flow != nil
		e.act(&d, m.sig, action, onFlow)
		if outcome == threshold.Silent {
			e.Stats.Suppressed++
		} else if e.records(m.sig, action) {
			h := Hit{Sig: m.sig, Action: action, Where: m.where, Dir: m.dir, Flow: onFlow, FirstFile: m.files, Frame: m.frame, Vars: m.vars, RateFiltered: action != m.sig.Action}
			if m.tx != nil {
				h.Tx, h.TxID = m.tx, m.tx.Base().ID
			}
			e.hits = append(e.hits, h)
			e.Stats.Hits++
		}
		if action == keyword.Pass { // nothing that comes after a pass rule is looked at, and so nothing is lost
			d.Overflow = 0
			break
		}
	}
	e.Stats.Overflow += uint64(d.Overflow)
	for i := range beyond { // no room for its alert, but what it stops is stopped
		if m := &beyond[i]; m.sig.Action.Drops() && !d.Pass {
			e.act(&d, m.sig, m.sig.Action, m.sig.Type.FlowScope(m.where == InStream) && e.ctx.Flow != nil)
		}
	}
	d.Hits = e.hits
	if len(d.Hits) > 0 && e.ctx.Flow != nil {
		e.ctx.Flow.Alerted = true
	}
	return d
}

// records reports whether a match is written as an alert.
func (e *Engine) records(s *keyword.Signature, a keyword.Action) bool {
	switch {
	case s.NoAlert || a == keyword.Config:
		return false
	case a == keyword.Pass:
		return s.AlertPass
	}
	return true
}

// act applies an action. The first of drop and pass that covers the flow stands.
func (e *Engine) act(d *Decision, s *keyword.Signature, a keyword.Action, onFlow bool) {
	f := e.ctx.Flow
	if s.BypassesFlow && f != nil && f.Verdict == flow.Undecided {
		f.Verdict = flow.FlowBypass
	}
	switch {
	case a == keyword.Pass:
		d.Pass = true
		if onFlow && !d.Drop && f.Verdict == flow.Undecided {
			f.Verdict, d.FlowPass = flow.FlowPass, true
		}
	case a.Drops() && e.rules.options.IPS:
		if !d.Pass {
			if !d.Drop {
				d.Drop, d.DropReason, d.DropSig = true, "rules", s
				if !s.Action.Drops() {
					d.DropReason = "threshold detection_filter" // a rate filter's new action
				}
			}
			if a.Rejects() && d.Reject == 0 {
				d.Reject = a
			}
		}
		if onFlow && f.Verdict == flow.Undecided {
			f.Verdict, d.FlowDrop = flow.FlowDrop, true
		}
	case a.Rejects() && d.Reject == 0: // without IPS a reject still answers
		d.Reject = a
	}
}
