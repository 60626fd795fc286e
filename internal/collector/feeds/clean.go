package feeds

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"

	"github.com/weir-ips/weir/pkg/verdict"
)

// Stripped counts what Clean threw out.
type Stripped struct {
	Bogon     int // not of the public internet
	Protected int // overlaps with what must never be blocked
	Wide      int // wider than anybody may block
	Covered   int // twice, or inside another of the list
}

// bogons are prefixes that no source on the internet has (RFC 6890 and its registries). Lists carry them, by design or mistake,
// and blocking them blocks one's own network.
func bogons() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
		"::/8", "64:ff9b::/96", "100::/64", "2001:db8::/32", "fc00::/7", "fe80::/10", "ff00::/8",
	} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// Clean sorts list and throws out what must not be blocked. It keeps none of a prefix that overlaps with a protected one.
func Clean(list, protected []netip.Prefix) ([]netip.Prefix, Stripped) {
	var gone Stripped
	forbidden, spared := table(bogons()), table(protected)
	sorted := slices.Clone(list)
	slices.SortFunc(sorted, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	out := sorted[:0]
	for _, p := range sorted {
		floor := verdict.FloorBits6
		if p.Addr().Is4() {
			floor = verdict.FloorBits4
		}
		switch {
		case p.Bits() < floor:
			gone.Wide++
		case forbidden.OverlapsPrefix(p):
			gone.Bogon++
		case spared.OverlapsPrefix(p):
			gone.Protected++
		case len(out) > 0 && out[len(out)-1].Overlaps(p):
			gone.Covered++
		default:
			out = append(out, p)
		}
	}
	return out, gone
}

func table(list []netip.Prefix) *bart.Table[struct{}] {
	t := new(bart.Table[struct{}])
	for _, p := range list {
		t.Insert(p.Masked(), struct{}{})
	}
	return t
}

// Suspicious says why next must not replace last without a person's word: share is how much of it may change. The first list of
// a feed, and changes of a few entries, pass.
func Suspicious(last, next []netip.Prefix, share float64) error {
	const few = 50
	had := make(map[netip.Prefix]bool, len(last))
	for _, p := range last {
		had[p] = true
	}
	added := 0
	for _, p := range next {
		if had[p] {
			delete(had, p)
		} else {
			added++
		}
	}
	changed := added + len(had)
	if len(last) == 0 || changed <= few || float64(changed) <= share*float64(len(last)) {
		return nil
	}
	return fmt.Errorf("%d of %d entries would come and %d go, more than %.0f %%", added, len(next), len(had), 100*share)
}
