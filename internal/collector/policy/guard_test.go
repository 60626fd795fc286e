package policy

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
)

func TestGuard(t *testing.T) {
	g := Guard{
		NeverBlock: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
		Allowances: func() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")} },
		Now:        func() time.Time { return noon },
	}
	analyst := func(v *verdict.Verdict) { v.Origin = verdict.OriginAnalyst }
	approved := func(v *verdict.Verdict) {
		v.Origin, v.CreatedBy, v.ApprovedBy = verdict.OriginAnalyst, "ann", "bob"
	}
	for name, c := range map[string]struct {
		src    string
		change func(*verdict.Verdict)
		want   string // part of the refusal; "" is allowed
	}{
		"an attacker":                          {"203.0.113.7/32", nil, ""},
		"an IPv6 attacker":                     {"2001:db8::7/128", nil, ""},
		"instance metadata":                    {"169.254.169.254/32", nil, "instance metadata"},
		"the IPv6 resolver":                    {"fd00:ec2::253/128", analyst, "EC2"},
		"loopback":                             {"127.0.0.1/32", analyst, "loopback"},
		"the operator's":                       {"198.51.100.7/32", nil, "never-block"},
		"a net around the operator's":          {"198.51.0.0/16", approved, "never-block"},
		"a gateway":                            {"10.0.0.1/32", nil, "a sensor needs it"},
		"a net around a gateway":               {"10.0.0.0/24", analyst, "a sensor needs it"},
		"IPv4 in disguise":                     {"::ffff:203.0.113.7/128", analyst, "mapped form"},
		"all of IPv4 in disguise":              {"::/32", approved, "never blocked"},
		"all of IPv4":                          {"0.0.0.0/0", analyst, "too wide"},
		"all of IPv6":                          {"::/0", analyst, "too wide"},
		"wider than a person may alone":        {"203.0.112.0/23", analyst, "too wide"},
		"as wide as a person may":              {"203.0.113.0/24", analyst, ""},
		"with a second person's approval":      {"203.0.0.0/16", approved, ""},
		"wider than anybody may":               {"203.0.0.0/15", approved, "too wide"},
		"a net, by automation":                 {"203.0.113.0/24", nil, "too wide"},
		"forged, perhaps":                      {"203.0.113.7/32", func(v *verdict.Verdict) { v.Spoofable = true }, "could be forged"},
		"forged, perhaps, rate limited":        {"203.0.113.7/32", func(v *verdict.Verdict) { v.Spoofable, v.Action = true, verdict.RateLimit }, ""},
		"a rate limit of the operator's":       {"198.51.100.7/32", func(v *verdict.Verdict) { v.Action = verdict.RateLimit }, "never-block"},
		"watching the operator's":              {"198.51.100.7/32", func(v *verdict.Verdict) { v.Action = verdict.Observe }, ""},
		"passing everything":                   {"0.0.0.0/0", func(v *verdict.Verdict) { analyst(v); v.Action = verdict.Pass }, ""},
		"expired":                              {"203.0.113.7/32", func(v *verdict.Verdict) { v.ExpiresAt = noon }, "expired"},
		"for two days, by automation":          {"203.0.113.7/32", func(v *verdict.Verdict) { v.ExpiresAt = noon.Add(48 * time.Hour) }, "at most 24h"},
		"for two days, by a person":            {"203.0.113.7/32", func(v *verdict.Verdict) { analyst(v); v.ExpiresAt = noon.Add(48 * time.Hour) }, ""},
		"for a year, by a person":              {"203.0.113.7/32", func(v *verdict.Verdict) { analyst(v); v.ExpiresAt = noon.AddDate(1, 0, 0) }, "at most 720h"},
		"one flow from the gateway, by a rule": {"", flow("10.0.0.1:53"), "a sensor needs it"},
		"one flow from an attacker, by a rule": {"", flow("203.0.113.7:4444"), ""},
		"one flow from a mapped IPv4 loopback": {"", flow("[::ffff:127.0.0.1]:4444"), "loopback"},
		"forged, perhaps, to one destination": {"203.0.113.7/32", func(v *verdict.Verdict) {
			v.Origin, v.Spoofable, v.Match.Dst = verdict.OriginFlood, true, netip.MustParsePrefix("10.0.0.80/32")
		}, ""},
		"passed by automation": {"203.0.113.7/32", func(v *verdict.Verdict) { v.Action = verdict.Pass }, "only a person"},
	} {
		v := verdict.Verdict{ID: "v-1", Action: verdict.Drop, Origin: verdict.OriginRule, ExpiresAt: noon.Add(time.Hour)}
		if c.src != "" {
			v.Match.Src = netip.MustParsePrefix(c.src)
		}
		if c.change != nil {
			c.change(&v)
		}
		err := g.Check(&v)
		var refused *Refused
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: refused: %v", name, err)
		case c.want != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want a refusal with %q", name, err, c.want)
		}
	}
}

func flow(src string) func(*verdict.Verdict) {
	return func(v *verdict.Verdict) {
		v.Match.Flow = &verdict.FlowKey{Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort("10.0.0.9:80"), Proto: 6}
	}
}

// A flood in the name of one's own gateway or resolver is the textbook way to have an automaton cut its owner off: neither the
// forged evidence nor the address may become anything that stops packets.
func TestSpoofedGatewayFlood(t *testing.T) {
	gateway := netip.MustParsePrefix("192.0.2.1/32")
	g := Guard{Allowances: func() []netip.Prefix { return []netip.Prefix{gateway} }, Now: func() time.Time { return noon }}
	check := func(what string, v verdict.Verdict, want bool) {
		t.Helper()
		v.Origin, v.ExpiresAt = verdict.OriginFlood, noon.Add(time.Minute)
		if err := g.Check(&v); (err == nil) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	stranger := netip.MustParsePrefix("203.0.113.7/32")
	check("dropping the gateway", verdict.Verdict{Match: verdict.Match{Src: gateway}, Action: verdict.Drop}, false)
	check("limiting the gateway", verdict.Verdict{Match: verdict.Match{Src: gateway}, Action: verdict.RateLimit, Rate: 10}, false)
	check("dropping anybody on forgeable evidence", verdict.Verdict{Match: verdict.Match{Src: stranger}, Action: verdict.Drop, Spoofable: true}, false)
	check("limiting a stranger on forgeable evidence", verdict.Verdict{Match: verdict.Match{Src: stranger}, Action: verdict.RateLimit, Rate: 10, Spoofable: true}, true)
}
