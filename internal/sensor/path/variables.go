package path

import (
	"slices"
	"strings"

	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/flow"
)

// variables reads what rules have left in a flow.
func (p *Path) variables(f *flow.Flow) event.Variables {
	v := event.Variables{Bits: p.engine.FlowBits(f)}
	for name, value := range p.engine.FlowInts(f) {
		v.Ints = append(v.Ints, event.IntVar{Name: name, Value: value})
	}
	vars, entropies := p.engine.FlowVars(f)
	for _, c := range vars {
		v.Vars = append(v.Vars, event.Var{Name: c.Name, Value: c.Value})
	}
	for _, e := range entropies {
		v.Entropies = append(v.Entropies, event.EntropyVar{Buffer: e.Buffer, Value: e.Value})
	}
	slices.SortFunc(v.Ints, func(a, b event.IntVar) int { return strings.Compare(a.Name, b.Name) })
	return v
}
