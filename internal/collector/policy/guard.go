package policy

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
)

// Guard refuses verdicts that would do harm, whoever asks. Each sensor has a guard of its own besides, which knows its
// surroundings better.
type Guard struct {
	NeverBlock []netip.Prefix        // the operator's
	Allowances func() []netip.Prefix // what sensors report as never blocked; nil: none
	Now        func() time.Time      // nil: time.Now
}

// builtin is never blocked: what cannot be an attacker's, or what an instance in AWS cannot do without.
var builtin = []struct {
	prefix netip.Prefix
	why    string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network (RFC 791)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local: instance metadata, resolver and clock of AWS"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("255.255.255.255/32"), "broadcast"},
	{netip.MustParsePrefix("::/32"), "unspecified, loopback, and all of IPv4 in its mapped form"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
	{netip.MustParsePrefix("fd00:ec2::/32"), "instance metadata, resolver and clock of AWS"},
}

// Widest prefixes that a verdict may stop, in bits: whoever asks; and for automation, one address.
const (
	widest4 = 16
	widest6 = 32
)

// maxAnalystTTL is the longest that a person may decide for.
const maxAnalystTTL = 30 * 24 * time.Hour

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
	if v.Action != verdict.Drop && v.Action != verdict.RateLimit {
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
	if v.Action == verdict.Drop && v.Spoofable && v.Match.Src.IsValid() {
		return refuse("the evidence against %s could be forged (no handshake): use a rate limit, or a verdict on the destination", v.Match.Src)
	}
	return nil
}

func (g *Guard) checkTime(v *verdict.Verdict) error {
	now := time.Now()
	if g.Now != nil {
		now = g.Now()
	}
	longest := MaxTTL
	if v.Origin == verdict.OriginAnalyst || v.Origin == verdict.OriginFeed {
		longest = maxAnalystTTL
	}
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
	least := widest6
	if src.Addr().Is4() {
		least = widest4
	}
	if src.Bits() < least {
		return refuse("%s is too wide: /%d is the widest that may be stopped", src, least)
	}
	if v.Origin != verdict.OriginAnalyst && v.Origin != verdict.OriginFeed && !src.IsSingleIP() {
		return refuse("%s is not one address: automation may stop no more", src)
	}
	return nil
}

func (g *Guard) checkNeverBlock(src netip.Prefix) error {
	for _, b := range builtin {
		if b.prefix.Overlaps(src) {
			return refuse("%s is never blocked: %s", b.prefix, b.why)
		}
	}
	for _, p := range g.NeverBlock {
		if p.Overlaps(src) {
			return refuse("%s is never blocked: never-block in the collector's configuration", p)
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
