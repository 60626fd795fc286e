package signatures

import "github.com/weir-ips/weir/pkg/flow"

// The work that inspection may do for a flow: as much at once, and more with each byte of payload, up to a bound. A unit is
// about a nanosecond. The heaviest packet of mixed traffic with ET Open, a page of scripts, takes less than a million; traffic
// made to keep rules busy is given up on within milliseconds.
const (
	workAtOnce  = 4_000_000
	workPerByte = 100
	workAtMost  = 16_000_000
)

// reasonBudget is EVE's drop.reason of a flow that was given up on.
const reasonBudget = "inspection budget"

// fund gives the packet its share of the flow's budget; a packet without flow has that of a flow's first. False says that the
// flow has used up its own.
func (e *Engine) fund(st *flowState, size int) bool {
	e.ctx.Work = workAtOnce
	if st == nil {
		return true
	}
	st.work = min(st.work+size*workPerByte, workAtMost-workAtOnce)
	e.ctx.Work += st.work
	return !st.spent
}

// settle takes what the packet has used off its flow's budget. A flow that has none left is not inspected any more; inline it
// can be made to end.
func (e *Engine) settle(d *Decision, f *flow.Flow, st *flowState) {
	left := e.ctx.Work
	if st != nil {
		st.work = left - workAtOnce
	}
	if left >= 0 {
		return
	}
	e.Stats.OverBudget++
	if st == nil {
		return
	}
	st.spent = true
	if o := &e.rules.options; o.IPS && o.DropOverBudget && !d.Pass && f.Verdict == flow.Undecided {
		f.Verdict, d.FlowDrop = flow.FlowDrop, true
		if !d.Drop {
			d.Drop, d.DropReason = true, reasonBudget
		}
	}
}
