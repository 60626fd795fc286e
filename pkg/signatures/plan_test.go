package signatures

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
)

// TestPlans asks for more plans than are kept, twice, and for those of flows that have seen theirs go.
func TestPlans(t *testing.T) {
	const ports = 40
	var rules strings.Builder
	for i := range ports {
		fmt.Fprintf(&rules, "alert tcp any %d -> any any (dsize:1; sid:%d;)\n", 1000+i, 1+i)
		fmt.Fprintf(&rules, "alert tcp any any -> any %d (flags:S; sid:%d;)\n", 2000+i, 101+i)
	}
	rs, problems := Load([]Source{{Name: "t.rules", Text: rules.String()}}, Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	e := NewEngine(rs, NewShared())
	sids := func(orders []uint32) (all []uint32) {
		for _, o := range orders {
			all = append(all, rs.signatures[o].SID)
		}
		return all
	}
	states := make([]flowState, ports*ports)
	made := map[uint32]bool{}
	for range 3 {
		for i := range states {
			from, to := i/ports, i%ports
			p := &decode.Packet{IPVersion: 4, Proto: decode.ProtoTCP, SrcPort: uint16(1000 + from), DstPort: uint16(2000 + to)}
			e.ctx.Begin(p, &flow.Flow{}, flow.Result{})
			x := e.plan(&states[i])
			if got := sids(x.always); !slices.Equal(got, []uint32{uint32(1 + from)}) {
				t.Fatalf("always of %d to %d: %v", p.SrcPort, p.DstPort, got)
			}
			if got := sids(x.opening); !slices.Equal(got, []uint32{uint32(101 + to)}) {
				t.Fatalf("opening of %d to %d: %v", p.SrcPort, p.DstPort, got)
			}
			if again := e.plan(&states[i]); again != x {
				t.Fatal("the second packet has another plan")
			}
			made[states[i].plans[0].number] = true
		}
	}
	if len(e.plans.all) > maxPlans || len(e.plans.numbers) > maxPlans || len(made) < 3*ports*ports || e.Stats.Replanned != 4 {
		t.Errorf("%d plans are kept, %d were made, given up %d times", len(e.plans.all), len(made), e.Stats.Replanned)
	}
}
