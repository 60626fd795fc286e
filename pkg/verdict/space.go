package verdict

import (
	"fmt"
	"net/netip"
)

// Space is how many addresses verdicts stop, by origin; index with Origin. What overlaps counts twice.
type Space [OriginFeed + 1]uint64

// Stopped is how much of the address space v stops: addresses of IPv4, networks of 48 bits of IPv6, which is what one customer has,
// and one for what is smaller. A verdict narrowed to a destination, and one that stops nothing, take none.
func (v *Verdict) Stopped() uint64 {
	src, stops := v.stopped()
	if !stops || v.Match.Flow != nil || v.Match.Dst.IsValid() || !src.IsValid() {
		return 0
	}
	free := 48 - src.Bits()
	if src.Addr().Is4() {
		free = 32 - src.Bits()
	}
	return 1 << max(free, 0)
}

// Add counts v; Remove undoes it.
func (s *Space) Add(v *Verdict) { s[v.Origin] += v.Stopped() }

// Remove takes v, which was added, out.
func (s *Space) Remove(v *Verdict) { s[v.Origin] -= min(v.Stopped(), s[v.Origin]) }

// Ceilings of what automation may stop at once, whoever asks: more than a million addresses is no longer the doing of
// single attackers, and all public lists of hijacked networks together are less than 1/64 of IPv4.
const (
	CeilingAlerts = 1 << 20 // rules and floods, each
	CeilingFeeds  = 1 << 26
)

// Ceiling is the most that an origin may stop; 0 is no bound.
func Ceiling(o Origin) uint64 {
	switch o {
	case OriginRule, OriginFlood:
		return CeilingAlerts
	case OriginFeed:
		return CeilingFeeds
	}
	return 0
}

// CheckSpace returns the *Refusal of a verdict with which its origin would stop more than ceiling; held is what it stops already.
func CheckSpace(v *Verdict, held, ceiling uint64) error {
	if n := v.Stopped(); ceiling > 0 && n > 0 && held+n > ceiling {
		return &Refusal{v.ID, TooMuch, fmt.Sprintf("%v would stop %d addresses at once, at most %d", v.Origin, held+n, ceiling)}
	}
	return nil
}

// Sources is the addresses or, of IPv6, networks of 48 bits that p covers: see Verdict.Stopped.
func Sources(p netip.Prefix) uint64 {
	v := Verdict{Action: Drop, Match: Match{Src: p}}
	return v.Stopped()
}
