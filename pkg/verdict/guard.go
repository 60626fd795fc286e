package verdict

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/gaissmai/bart"
)

// Safety names a rule of Guard.
type Safety uint8

// The safety rules that hold on the sensor, whoever sent the verdict.
const (
	Malformed  Safety = iota + 1 // Validate's errors
	NeverBlock                   // the source must never be blocked
	Expired                      // its time was up when it came
	TooLong                      // it lives longer than its origin may ask
	TooWide                      // its prefix is wider than its origin may block
	OverBudget                   // its origin holds as many verdicts as it may
	Spoofed                      // forgeable evidence must not block a source
	NotAllowed                   // only an analyst lets a source through
	TooMuch                      // its origin stops as many addresses as it may
)

// String is the rule's name in refusals and metrics.
func (s Safety) String() string {
	return nameOf([]string{Malformed: "malformed", NeverBlock: "never-block", Expired: "expired", TooLong: "too-long",
		TooWide: "too-wide", OverBudget: "over-budget", Spoofed: "spoofed", NotAllowed: "not-allowed", TooMuch: "too-much"}, "safety", uint8(s))
}

// Refusal is the error of a verdict that a safety rule keeps from being enforced.
type Refusal struct {
	ID     string
	Rule   Safety
	Detail string
}

func (r *Refusal) Error() string { return fmt.Sprintf("verdict %q: %v: %s", r.ID, r.Rule, r.Detail) }

// Limits bound what each origin may ask for. Prefix lengths are the shortest that may be stopped.
type Limits struct {
	Life     [OriginFeed + 1]time.Duration // from now to the expiry
	Bits4    [OriginFeed + 1]int           // with approval, FloorBits4 holds instead
	Bits6    [OriginFeed + 1]int
	Budget   Counts // verdicts at once
	Capacity int    // all origins together
}

// Prefixes shorter than these are stopped for nobody.
const (
	FloorBits4 = 16
	FloorBits6 = 32
)

// DefaultLimits are those for a sensor that has room for capacity verdicts. A sixteenth is left to analysts alone.
func DefaultLimits(capacity int) Limits {
	return Limits{
		Life:     [...]time.Duration{OriginAnalyst: 30 * 24 * time.Hour, OriginRule: 24 * time.Hour, OriginFlood: 24 * time.Hour, OriginFeed: 7 * 24 * time.Hour},
		Bits4:    [...]int{OriginAnalyst: 24, OriginRule: 32, OriginFlood: 32, OriginFeed: FloorBits4},
		Bits6:    [...]int{OriginAnalyst: 48, OriginRule: 64, OriginFlood: 64, OriginFeed: FloorBits6},
		Budget:   Counts{OriginAnalyst: capacity, OriginRule: capacity / 2, OriginFlood: capacity / 4, OriginFeed: capacity - capacity/16},
		Capacity: capacity,
	}
}

// Protected is a prefix that must never be blocked, and why.
type Protected struct {
	Prefix netip.Prefix
	Why    string
}

// Guard holds the safety rules that no collector can bypass (design: verdicts). Its zero value is of no use: NewGuard.
// It is not safe for concurrent use.
type Guard struct {
	limits Limits
	never  *bart.Table[string]
}

// NewGuard returns a guard with the prefixes that are protected everywhere.
func NewGuard(limits Limits) *Guard {
	g := &Guard{limits: limits}
	g.Protect(nil)
	return g
}

// AlwaysProtected are the prefixes that no host can do without, wherever it is.
func AlwaysProtected() []Protected {
	var list []Protected
	for _, each := range [][2]string{
		{"127.0.0.0/8", "loopback"}, {"::1/128", "loopback"},
		{"169.254.0.0/16", "link-local: instance metadata, resolver, time"}, {"fe80::/10", "link-local"},
		{"fd00:ec2::/32", "EC2 instance metadata, resolver, time"},
		{"224.0.0.0/4", "multicast"}, {"ff00::/8", "multicast"}, {"255.255.255.255/32", "broadcast"},
	} {
		list = append(list, Protected{netip.MustParsePrefix(each[0]), each[1]})
	}
	return list
}

// Protect makes list, and what is always protected, the prefixes that must never be blocked.
func (g *Guard) Protect(list []Protected) {
	g.never = new(bart.Table[string])
	for _, p := range append(AlwaysProtected(), list...) {
		g.never.Insert(plain(p.Prefix), p.Why)
	}
}

// Check returns the *Refusal of a verdict that must not be enforced; nil if it may. held are the verdicts there already,
// without one of the same ID.
func (g *Guard) Check(v *Verdict, now time.Time, held Counts) error {
	if err := v.Validate(); err != nil {
		return &Refusal{v.ID, Malformed, err.Error()}
	}
	for _, rule := range []func(*Verdict, time.Time, Counts) (Safety, string){
		g.life, g.budget, g.neverBlock, g.width, g.spoofed, g.allowed,
	} {
		if broken, detail := rule(v, now, held); broken != 0 {
			return &Refusal{v.ID, broken, detail}
		}
	}
	return nil
}

func (g *Guard) life(v *Verdict, now time.Time, _ Counts) (Safety, string) {
	left, limit := v.ExpiresAt.Sub(now), g.limits.Life[v.Origin]
	switch {
	case left <= 0:
		return Expired, fmt.Sprintf("expired at %s", v.ExpiresAt.UTC().Format(time.RFC3339))
	case left > limit:
		return TooLong, fmt.Sprintf("expires in %s, %v may ask for %s", left.Round(time.Second), v.Origin, limit)
	}
	return 0, ""
}

func (g *Guard) budget(v *Verdict, _ time.Time, held Counts) (Safety, string) {
	budget := g.limits.Budget[v.Origin]
	switch {
	case held[v.Origin] >= budget:
		return OverBudget, fmt.Sprintf("%v holds %d verdicts of %d", v.Origin, held[v.Origin], budget)
	case held.Total() >= g.limits.Capacity:
		return OverBudget, fmt.Sprintf("the table holds %d verdicts, its capacity", held.Total())
	case v.Origin != OriginAnalyst && held.Total() >= g.limits.Capacity-g.limits.Capacity/16:
		return OverBudget, fmt.Sprintf("the table holds %d verdicts: what is left is for analysts", held.Total())
	}
	return 0, ""
}

// stopped is the prefix whose packets v may stop: its source, or its flow's initiator.
func (v *Verdict) stopped() (netip.Prefix, bool) {
	if !v.Stops() {
		return netip.Prefix{}, false
	}
	if v.Match.Flow != nil {
		a := v.Match.Flow.Src.Addr().Unmap()
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	return plain(v.Match.Src), true
}

func (g *Guard) neverBlock(v *Verdict, _ time.Time, _ Counts) (Safety, string) {
	src, stops := v.stopped()
	if !stops {
		return 0, ""
	}
	if p, why, ok := g.never.LookupPrefixLPM(src); ok {
		return NeverBlock, fmt.Sprintf("%v is protected by %v (%s)", src, p, why)
	}
	return 0, ""
}

func (g *Guard) width(v *Verdict, _ time.Time, _ Counts) (Safety, string) {
	src, stops := v.stopped()
	if !stops {
		return 0, ""
	}
	least, floor := g.limits.Bits4[v.Origin], FloorBits4
	if src.Addr().Is6() {
		least, floor = g.limits.Bits6[v.Origin], FloorBits6
	}
	if v.ApprovedBy != "" && v.ApprovedBy != v.CreatedBy {
		least = floor
	}
	switch {
	case src.Bits() < floor:
		return TooWide, fmt.Sprintf("%v is wider than /%d, which nobody may block", src, floor)
	case src.Bits() < least:
		return TooWide, fmt.Sprintf("%v is wider than the /%d that %v may block without a second person's approval", src, least, v.Origin)
	}
	return 0, ""
}

// spoofed refuses to drop a source on evidence that anybody could have forged in its name. Limiting it, or dropping what
// it sends to the destination under attack, costs an innocent less.
func (g *Guard) spoofed(v *Verdict, _ time.Time, _ Counts) (Safety, string) {
	if v.Spoofable && v.Action == Drop && v.Match.Flow == nil && !v.Match.Dst.IsValid() {
		return Spoofed, fmt.Sprintf("the evidence against %v can be forged: limit its rate, or name a destination", v.Match.Src)
	}
	return 0, ""
}

func (g *Guard) allowed(v *Verdict, _ time.Time, _ Counts) (Safety, string) {
	if v.Allows() && v.Match.Flow == nil && v.Origin != OriginAnalyst {
		return NotAllowed, fmt.Sprintf("%v must not let a source through: only an analyst may", v.Origin)
	}
	return 0, ""
}
