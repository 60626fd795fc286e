package floods

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/threshold"
	"github.com/weir-ips/weir/pkg/verdict"
)

// How long a source is limited: longer each time it comes back.
const (
	sourceFirst   = time.Minute
	sourceMost    = time.Hour
	sourceForgets = 6 * time.Hour
	maxStrikes    = 4096 // sources that are remembered
)

// strikes are how often a source was limited.
type strikes struct {
	times uint8
	last  time.Time
}

// proofOf says why a source may be limited.
const proofOf = "it completed its TCP handshakes, so the address is not forged"

// proved reports whether an attack's source cannot be forged: both directions of its conversations were seen.
func (c *Control) proved(a *attack) bool {
	return !c.o.OneSide && a.reported != 0 && (a.Vector == threshold.HTTPFlood || a.Vector == threshold.RapidReset || a.Vector == threshold.TLSFlood)
}

// limitSource limits one source to one destination by a verdict of its own, which outlives the attack: a source that is limited looks
// peaceful. It is the one measure against a source, and taken only where the source is proved.
func (c *Control) limitSource(a *attack, now time.Time) {
	if a.until.After(now) {
		a.note(stepSource, a.sourceWords(c), proofOf, 0, c.o.Enforce, now)
		return
	}
	s := c.strikes[a.Src]
	if now.Sub(s.last) > sourceForgets {
		s.times = 0
	}
	life := min(sourceFirst<<min(s.times, 6), sourceMost)
	v := verdict.Verdict{
		ID: "flood-" + a.ID, Match: verdict.Match{Src: single(a.Src), Dst: single(a.Dst)}, Action: verdict.RateLimit, Rate: c.sourceRate(),
		Scope: "local", Origin: verdict.OriginFlood, Rule: a.Vector.SID(), Reason: a.Explain()[:min(len(a.Explain()), verdict.MaxReason)], CreatedBy: "sensor",
		CreatedAt: now, ExpiresAt: now.Add(life),
	}
	if err := c.o.Kernel.Apply(v); err != nil {
		c.stats.NotArmed++
		if ok, skipped := c.refusals.Allow(now); ok {
			c.o.Log.Warn("source of an attack not limited", "src", a.Src.IP(), "error", err, "similar", skipped)
		}
		a.until = now.Add(sourceFirst) // asked again then
		return
	}
	c.stats.Sources++
	a.until = v.ExpiresAt
	c.remember(a.Src, strikes{min(s.times+1, 250), now})
	a.note(stepSource, a.sourceWords(c), proofOf, 0, c.o.Enforce, now)
}

// sourceRate is what a source that is limited may still send, packets a second.
func (c *Control) sourceRate() uint32 { return max(c.o.Limits.HTTP/2, leastRate) }

// sourceWords says what of the source passes.
func (a *attack) sourceWords(c *Control) string {
	return fmt.Sprintf("more than %d packets a second of %s to %s", c.sourceRate(), a.Src.IP(), a.Dst.IP())
}

// remember notes a source, and forgets an arbitrary one for it where there is no room: it begins anew.
func (c *Control) remember(src decode.Addr, s strikes) {
	if _, known := c.strikes[src]; !known && len(c.strikes) >= maxStrikes {
		for other := range c.strikes {
			delete(c.strikes, other)
			break
		}
	}
	c.strikes[src] = s
}

func single(a decode.Addr) netip.Prefix {
	ip := a.IP()
	return netip.PrefixFrom(ip, ip.BitLen())
}
