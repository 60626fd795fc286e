package signatures

import (
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// flowState is what the engine remembers of a flow, in Flow.Detect.
//
// What each packet needs comes first: it takes two lines of the cache.
type flowState struct {
	epoch       uint64       // ruleset that the fields below belong to, but not those of rules
	addresses   [2]bool      // rules about addresses have been evaluated, by direction
	proto       [2]app.Proto // protocol that rules about the protocol alone have been evaluated for, by direction
	events      flow.AppEventSet
	work        int  // what is left of the flow's budget, beyond what each packet may use
	spent       bool // nothing is left: the flow is not inspected any more
	established bool // the packet before belonged to an established flow
	plans       [2]flowPlan
	rules       keyword.FlowState // what rules have set
	tag         flowTag
}

// flowTag is a tag that a rule has put on the flow.
type flowTag struct {
	sig     *keyword.Signature
	tag     *keyword.Tag
	packets uint32
	bytes   uint64
	since   int64
}

// state returns the flow's state, made on first use; nil without flow.
func (e *Engine) state(f *flow.Flow) *flowState {
	if f == nil {
		return nil
	}
	s, ok := f.Detect.(*flowState)
	if !ok {
		if n := len(e.free); n > 0 {
			s = e.free[n-1]
			e.free = e.free[:n-1]
		} else {
			s = &flowState{}
		}
		f.Detect = s
	}
	if s.epoch != e.epoch { // other rules: what was evaluated once may be due again
		s.epoch, s.addresses, s.proto, s.plans = e.epoch, [2]bool{}, [2]app.Proto{}, [2]flowPlan{}
	}
	return s
}

// maxFree bounds the states kept for reuse.
const maxFree = 1 << 16

// End takes back what the engine keeps of a flow that is over. Calling it is not required, but saves allocations.
func (e *Engine) End(f *flow.Flow) {
	s, ok := f.Detect.(*flowState)
	f.Detect = nil
	if !ok || len(e.free) >= maxFree {
		return
	}
	bits, ints, vars, entropies := s.rules.Bits, s.rules.Ints, s.rules.Vars, s.rules.Entropies
	clear(bits)
	clear(vars)
	*s = flowState{}
	s.rules = keyword.FlowState{Bits: bits[:0], Ints: ints[:0], Vars: vars[:0], Entropies: entropies[:0]}
	e.free = append(e.free, s)
}

// FlowBits returns the names of the flowbits that are set on a flow, for records.
func (e *Engine) FlowBits(f *flow.Flow) (names []string) {
	s, ok := f.Detect.(*flowState)
	if !ok {
		return nil
	}
	for i, word := range s.rules.Bits {
		for k := range 64 {
			if word&(1<<k) != 0 {
				names = append(names, e.rules.names.Flowbit(uint32(i*64+k)))
			}
		}
	}
	return names
}

// FlowInts returns a flow's variables by name, for records.
func (e *Engine) FlowInts(f *flow.Flow) map[string]uint32 {
	s, ok := f.Detect.(*flowState)
	if !ok || len(s.rules.Ints) == 0 {
		return nil
	}
	out := make(map[string]uint32, len(s.rules.Ints))
	for _, i := range s.rules.Ints {
		out[e.rules.names.Flowint(i.ID)] = i.Value
	}
	return out
}

// FlowVars returns what rules have captured in a flow and the entropies they have computed, for records. The slices must not
// be changed and are valid until the flow's next packet.
func (e *Engine) FlowVars(f *flow.Flow) (vars []keyword.Capture, entropies []keyword.Entropy) {
	if s, ok := f.Detect.(*flowState); ok {
		return s.rules.Vars, s.rules.Entropies
	}
	return nil, nil
}
