package api

import (
	"net/netip"
	"slices"

	"github.com/weir-ips/weir/internal/collector/incident"
)

// concernOf says of verdicts whether they are about an incident: about one of its sources, about one of its targets alone, or
// made of its alerts.
func concernOf(d *incident.Detail) func(*VerdictStatus) bool {
	sources, targets := addressesOf(d.Sources.List), addressesOf(d.Targets.List)
	members := make(map[string]bool, len(d.Members))
	for _, id := range d.Members {
		members[id] = true
	}
	within := func(p netip.Prefix, list []netip.Addr) bool {
		return p.IsValid() && slices.ContainsFunc(list, p.Contains)
	}
	return func(v *VerdictStatus) bool {
		if v.CreatedAt.Before(d.First) && v.State != "active" && v.ExpiresAt.Before(d.First) {
			return false
		}
		if slices.ContainsFunc(v.Evidence, func(id string) bool { return members[id] }) {
			return true
		}
		if f := v.Match.Flow; f != nil {
			return slices.Contains(sources, f.Src.Addr().Unmap()) && slices.Contains(targets, f.Dst.Addr().Unmap())
		}
		if v.Match.Src.IsValid() {
			return within(v.Match.Src, sources) && (!v.Match.Dst.IsValid() || within(v.Match.Dst, targets))
		}
		return within(v.Match.Dst, targets)
	}
}

func addressesOf(list []incident.Party) []netip.Addr {
	var all []netip.Addr
	for _, p := range list {
		if a, err := netip.ParseAddr(p.Name); err == nil {
			all = append(all, a)
		}
	}
	return all
}
