package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
)

// Guard refuses verdicts that would do harm, whoever asks. Each sensor has a guard of its own besides, which knows its
// surroundings better.
type Guard struct {
	NeverBlock []netip.Prefix        // the operator's
	Added      func() []netip.Prefix // what people have added since the start; nil: none
	Allowances func() []netip.Prefix // what sensors report as never blocked; nil: none
	Now        func() time.Time      // nil: time.Now
}

// builtin is never blocked: what no host can do without, and what cannot be an attacker's address.
func builtin() []verdict.Protected {
	return append(verdict.AlwaysProtected(),
		verdict.Protected{Prefix: netip.MustParsePrefix("0.0.0.0/8"), Why: "this network (RFC 791)"},
		verdict.Protected{Prefix: netip.MustParsePrefix("::/32"), Why: "unspecified, loopback, and all of IPv4 in its mapped form"})
}

// limits are the sensors': what they would refuse is refused here, where a person sees it.
func limits() verdict.Limits { return verdict.DefaultLimits(1) }

// Refused is why a verdict is not allowed.
type Refused struct{ Reason string }

// Error returns the reason.
func (r *Refused) Error() string { return r.Reason }

func refuse(format string, args ...any) error { return &Refused{fmt.Sprintf(format, args...)} }

// Check returns a *Refused when v must not come into force.
func (g *Guard) Check(v *verdict.Verdict) error {
	if err := g.checkTime(v); err != nil {
		return err
	}
	if v.Allows() && v.Origin != verdict.OriginAnalyst && v.Match.Flow == nil {
		return refuse("only a person may let a source through")
	}
	if !v.Stops() {
		return nil
	}
	for _, src := range []netip.Prefix{v.Match.Src, flowSource(v)} {
		if !src.IsValid() {
			continue
		}
		if err := checkWidth(v, src); err != nil {
			return err
		}
		if err := g.checkNeverBlock(src); err != nil {
			return err
		}
	}
	if v.Action == verdict.Drop && v.Spoofable && v.Match.Flow == nil && !v.Match.Dst.IsValid() {
		return refuse("the evidence against %s could be forged (no handshake): use a rate limit, or narrow it to a destination", v.Match.Src)
	}
	return nil
}

func (g *Guard) checkTime(v *verdict.Verdict) error {
	now := time.Now()
	if g.Now != nil {
		now = g.Now()
	}
	longest := limits().Life[v.Origin]
	switch ttl := v.ExpiresAt.Sub(now); {
	case ttl <= 0:
		return refuse("it would have expired at %s already", v.ExpiresAt.Format(time.RFC3339))
	case ttl > longest+time.Minute:
		return refuse("it would last %s, at most %s are allowed", ttl.Round(time.Second), longest)
	}
	return nil
}

func flowSource(v *verdict.Verdict) netip.Prefix {
	if v.Match.Flow == nil || !v.Match.Flow.Src.IsValid() {
		return netip.Prefix{}
	}
	a := v.Match.Flow.Src.Addr().Unmap()
	return netip.PrefixFrom(a, a.BitLen())
}

func checkWidth(v *verdict.Verdict, src netip.Prefix) error {
	least, floor := limits().Bits6[v.Origin], verdict.FloorBits6
	if src.Addr().Is4() {
		least, floor = limits().Bits4[v.Origin], verdict.FloorBits4
	}
	if v.ApprovedBy != "" && v.ApprovedBy != v.CreatedBy {
		least = floor
	}
	if src.Bits() < least {
		return refuse("%s is too wide: /%d is the widest that %s may stop", src, least, v.Origin)
	}
	return nil
}

// Protected is everything that must not be blocked.
func (g *Guard) Protected() []netip.Prefix {
	out := slices.Clone(g.NeverBlock)
	for _, b := range builtin() {
		out = append(out, b.Prefix)
	}
	for _, more := range []func() []netip.Prefix{g.Added, g.Allowances} {
		if more != nil {
			out = append(out, more()...)
		}
	}
	return out
}

func (g *Guard) checkNeverBlock(src netip.Prefix) error {
	for _, b := range builtin() {
		if b.Prefix.Overlaps(src) {
			return refuse("%s is never blocked: %s", b.Prefix, b.Why)
		}
	}
	for _, p := range g.NeverBlock {
		if p.Overlaps(src) {
			return refuse("%s is never blocked: never-block in the collector's configuration", p)
		}
	}
	if g.Added != nil {
		for _, p := range g.Added() {
			if p.Overlaps(src) {
				return refuse("%s is never blocked: on the collector's never-block list", p)
			}
		}
	}
	if g.Allowances == nil {
		return nil
	}
	for _, p := range g.Allowances() {
		if p.Overlaps(src) {
			return refuse("%s is never blocked: a sensor needs it", p)
		}
	}
	return nil
}
