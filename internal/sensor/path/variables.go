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
	slices.SortFunc(v.Ints, func(a, b event.IntVar) int { return strings.Compare(a.Name, b.Name) })
	return v
}
