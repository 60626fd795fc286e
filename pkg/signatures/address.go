package signatures

import (
	"slices"
	"sort"

	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// addressIndex finds the rules that are about addresses alone by the address that they name.
type addressIndex struct {
	src, dst intervals // rules that name sources; rules that name destinations alone
	any      []uint32  // rules that name neither
}

// intervals are disjoint ranges of addresses in order, each with its rules.
type intervals struct {
	from  []keyword.U128
	rules [][]uint32 // of the addresses from from[i] up to from[i+1]
}

func newAddressIndex(sigs []*keyword.Signature) addressIndex {
	var x addressIndex
	var src, dst []*keyword.Signature
	for _, s := range sigs {
		switch {
		case s.BothWays || s.Src.Any && s.Dst.Any || len(s.Src.Ranges) > 0 && s.Src.Negated && s.Dst.Any:
			x.any = append(x.any, s.Order)
		case !s.Src.Any:
			src = append(src, s)
		default:
			dst = append(dst, s)
		}
	}
	x.src = newIntervals(src, func(s *keyword.Signature) *keyword.AddrSet { return s.Src })
	x.dst = newIntervals(dst, func(s *keyword.Signature) *keyword.AddrSet { return s.Dst })
	return x
}

// edge is where a range of a rule begins or ends.
type edge struct {
	at    keyword.U128
	order uint32
	begin bool
}

func newIntervals(sigs []*keyword.Signature, set func(*keyword.Signature) *keyword.AddrSet) (x intervals) {
	var edges []edge
	for _, s := range sigs {
		for _, r := range set(s).Ranges {
			edges = append(edges, edge{r.From, s.Order, true})
			if next, ok := r.To.Next(); ok {
				edges = append(edges, edge{next, s.Order, false})
			}
		}
	}
	sort.SliceStable(edges, func(i, j int) bool { return edges[i].at.Less(edges[j].at) })
	var open []uint32
	for i := 0; i < len(edges); {
		at := edges[i].at
		for ; i < len(edges) && edges[i].at == at; i++ {
			if e := edges[i]; e.begin {
				open = append(open, e.order)
			} else if k := slices.Index(open, e.order); k >= 0 {
				open = slices.Delete(open, k, k+1)
			}
		}
		x.from = append(x.from, at)
		x.rules = append(x.rules, slices.Clone(open))
	}
	return x
}

// find returns the rules of an address.
func (x *intervals) find(a keyword.U128) []uint32 {
	i := sort.Search(len(x.from), func(i int) bool { return a.Less(x.from[i]) })
	if i == 0 {
		return nil
	}
	return x.rules[i-1]
}
