package verdict

import (
	"errors"
	"net/netip"
	"testing"
	"time"
)

func TestSpace(t *testing.T) {
	for _, c := range []struct {
		src, dst string
		action   Action
		want     uint64
	}{
		{"192.0.2.1/32", "", Drop, 1}, {"192.0.0.0/16", "", RateLimit, 65536}, {"192.0.0.0/16", "", Observe, 0}, {"192.0.0.0/16", "", Pass, 0},
		{"192.0.2.0/24", "198.51.100.1/32", Drop, 0}, {"2001:db8::1/128", "", Drop, 1}, {"2001:db8::/48", "", Drop, 1}, {"2001:db8::/32", "", Drop, 65536},
	} {
		v := Verdict{Action: c.action, Match: Match{Src: netip.MustParsePrefix(c.src)}}
		if c.dst != "" {
			v.Match.Dst = netip.MustParsePrefix(c.dst)
		}
		if got := v.Stopped(); got != c.want {
			t.Errorf("%v %s %s stops %d, want %d", c.action, c.src, c.dst, got, c.want)
		}
	}
}

// The table keeps count, through replacement and expiry, and nothing goes beyond the ceiling but a person's.
func TestAddressSpaceCeiling(t *testing.T) {
	table, now := NewTable(0), time.Unix(1000, 0)
	put := func(id, src string, life time.Duration) {
		table.Put(Verdict{ID: id, Action: Drop, Origin: OriginFeed, Match: Match{Src: netip.MustParsePrefix(src)}, ExpiresAt: now.Add(life)}, now)
	}
	put("a", "192.0.0.0/16", time.Minute)
	put("b", "198.51.100.0/24", time.Hour)
	put("b", "198.51.100.1/32", time.Hour)
	if got := table.Space()[OriginFeed]; got != 65537 {
		t.Errorf("stops %d", got)
	}
	table.Expire(now.Add(2 * time.Minute))
	if got := table.Space()[OriginFeed]; got != 1 {
		t.Errorf("stops %d after the network has expired", got)
	}
	v := Verdict{ID: "c", Action: Drop, Origin: OriginFeed, Match: Match{Src: netip.MustParsePrefix("10.0.0.0/16")}}
	var r *Refusal
	if err := CheckSpace(&v, CeilingFeeds-1000, Ceiling(v.Origin)); !errors.As(err, &r) || r.Rule != TooMuch {
		t.Errorf("beyond the ceiling: %v", err)
	}
	if err := CheckSpace(&v, CeilingFeeds-65536, Ceiling(v.Origin)); err != nil {
		t.Error(err)
	}
	if err := CheckSpace(&v, CeilingFeeds, Ceiling(OriginAnalyst)); err != nil {
		t.Error(err)
	}
}
