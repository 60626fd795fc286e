package threshold

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/decode"
)

func addr(s string) decode.Addr { return decode.AddrFrom(netip.MustParseAddr(s)) }

// TestCount counts matches at given seconds: A alert, s silent, - nothing, N new action.
func TestCount(t *testing.T) {
	for _, c := range []struct {
		name  string
		spec  Spec
		times []int64
		want  string
	}{
		{"limit", Spec{Kind: Limit, Track: BySrc, Count: 2, Seconds: 10}, []int64{0, 1, 2, 10, 11, 12, 13}, "AAssAAs"},
		{"threshold", Spec{Kind: Threshold, Track: BySrc, Count: 3, Seconds: 10}, []int64{0, 1, 2, 3, 4, 5, 20, 21, 22}, "--A--A--A"},
		{"threshold of one stays silent after its window", Spec{Kind: Threshold, Track: BySrc, Count: 1, Seconds: 10}, []int64{0, 1, 20, 21}, "AA-A"},
		{"both", Spec{Kind: Both, Track: BySrc, Count: 2, Seconds: 10}, []int64{0, 1, 2, 3, 20, 21}, "-Ass-A"},
		{"both of one", Spec{Kind: Both, Track: BySrc, Count: 1, Seconds: 10}, []int64{0, 1, 20}, "AsA"},
		{"detection_filter", Spec{Kind: DetectionFilter, Track: BySrc, Count: 2, Seconds: 10}, []int64{0, 1, 2, 3, 20}, "--AA-"},
		{"rate_filter", Spec{Kind: RateFilter, Track: BySrc, Count: 2, Seconds: 10, Timeout: 5}, []int64{0, 1, 2, 3, 8, 9}, "AANNAA"},
		{"rate_filter for good", Spec{Kind: RateFilter, Track: BySrc, Count: 1, Seconds: 10}, []int64{0, 1, 1000}, "ANN"},
		{"backoff", Spec{Kind: Backoff, Track: ByFlow, Count: 1, Multiplier: 10}, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, "AssssssssAs"},
	} {
		table := NewTable()
		key := c.spec.KeyOf(1, 1, addr("10.0.0.1"), addr("10.0.0.2"), 7)
		got := ""
		for _, s := range c.times {
			got += string("As-N"[table.Count(&c.spec, key, s*1e9)])
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestKeys(t *testing.T) {
	a, b, c := addr("10.0.0.1"), addr("10.0.0.2"), addr("10.0.0.3")
	for _, k := range []struct {
		track                     Track
		sameSrc, turned, sameFlow bool // counters shared by matches a→b and a→c; a→b and b→a; a→b and b→c of one flow
	}{
		{BySrc, true, false, false}, {ByDst, false, false, false}, {ByBoth, false, true, false}, {ByRule, true, true, true}, {ByFlow, true, true, true},
	} {
		s := Spec{Track: k.track}
		base := s.KeyOf(1, 1, a, b, 7)
		if (s.KeyOf(1, 1, a, c, 7) == base) != k.sameSrc || (s.KeyOf(1, 1, b, a, 7) == base) != k.turned || (s.KeyOf(1, 1, b, c, 7) == base) != k.sameFlow {
			t.Errorf("track %d", k.track)
		}
		if s.KeyOf(1, 2, a, b, 7) == base {
			t.Errorf("track %d: two rules share a counter", k.track)
		}
	}
}

func TestTableIsBounded(t *testing.T) {
	table := NewTable()
	s := Spec{Kind: Limit, Track: BySrc, Count: 1, Seconds: 60}
	for i := range tableShards * shardLimit * 2 {
		src := decode.Addr{12: byte(i >> 24), 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}
		table.Count(&s, s.KeyOf(1, 1, src, src, 0), 1)
	}
	if n := table.Len(); n > tableShards*shardLimit || n < tableShards*shardLimit/2 {
		t.Errorf("%d counters, want about %d", n, tableShards*shardLimit)
	}
}

func TestParseConfig(t *testing.T) {
	entries, errs := ParseConfig(`# comment
threshold gen_id 1, sig_id 2, type limit, track by_src, \
   count 3, seconds 60
suppress gen_id 1, sig_id 3
suppress gen_id 1, sig_id 4, track by_either, ip [10.0.0.0/8, !10.1.1.1]
suppress gen_id 0, sig_id 0, track by_dst, ip $HOME_NET
rate_filter gen_id 1, sig_id 5, track by_dst, count 10, seconds 1, new_action drop, timeout 30
event_filter gen_id 1, sig_id 6, type both, track by_rule, count 1, seconds 1
`)
	if len(errs) > 0 {
		t.Fatal(errs[0])
	}
	want := []Entry{
		{Line: 2, GID: 1, SID: 2, Spec: Spec{Kind: Limit, Track: BySrc, Count: 3, Seconds: 60}},
		{Line: 4, GID: 1, SID: 3, Spec: Spec{Kind: Suppress}},
		{Line: 5, GID: 1, SID: 4, Spec: Spec{Kind: Suppress, Track: ByEither}, Addresses: "[10.0.0.0/8, !10.1.1.1]"},
		{Line: 6, Spec: Spec{Kind: Suppress, Track: ByDst}, Addresses: "$HOME_NET"},
		{Line: 7, GID: 1, SID: 5, Spec: Spec{Kind: RateFilter, Track: ByDst, Count: 10, Seconds: 1, NewAction: "drop", Timeout: 30}},
		{Line: 8, GID: 1, SID: 6, Spec: Spec{Kind: Both, Track: ByRule, Count: 1, Seconds: 1}},
	}
	if len(entries) != len(want) {
		t.Fatalf("%d entries, want %d", len(entries), len(want))
	}
	for i := range want {
		if entries[i] != want[i] {
			t.Errorf("%+v, want %+v", entries[i], want[i])
		}
	}
}

func TestParseConfigErrors(t *testing.T) {
	for line, want := range map[string]string{
		"limit gen_id 1, sig_id 1":                                                                  `"limit" is not threshold, event_filter, suppress or rate_filter`,
		"suppress gen_id 1":                                                                         `sig_id "" is not a number`,
		"suppress gen_id 1, sig_id 1, track by_src":                                                 "track needs ip",
		"suppress gen_id 1, sig_id 1, track by_rule, ip 1.1.1.1":                                    `track "by_rule" is not by_src, by_dst or by_either`,
		"threshold gen_id 1, sig_id 1, type most, track by_src, count 1, seconds 1":                 `type "most" is not limit, threshold, both or backoff`,
		"threshold gen_id 1, sig_id 1, type limit, track by_src, count 0, seconds 1":                `count "0" is not a number above 0`,
		"rate_filter gen_id 1, sig_id 1, track by_src, count 1, seconds 1, new_action x, timeout 1": `new_action "x" is not alert, drop, pass or reject`,
		"suppress gen_id 1, gen_id 2, sig_id 1":                                                     "gen_id is given twice",
	} {
		_, errs := ParseConfig(line)
		if len(errs) != 1 || errs[0].Error() != "line 1: "+want {
			t.Errorf("%s: %v, want line 1: %s", line, errs, want)
		}
	}
}

func TestParseRule(t *testing.T) {
	s, err := ParseRule("type backoff, track by_flow, count 1, multiplier 10")
	if want := (Spec{Kind: Backoff, Track: ByFlow, Count: 1, Multiplier: 10}); err != nil || s != want {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := ParseRule("type backoff, track by_src, count 1, multiplier 10"); err == nil || !strings.Contains(err.Error(), "by_flow only") {
		t.Errorf("%v", err)
	}
	if s, err := ParseRule("type limit,track by_src,count 1,seconds 60,forgotten thing"); err != nil || s.Count != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add("suppress gen_id 1, sig_id 4, track by_either, ip [10.0.0.0/8, !10.1.1.1]\n# x\nthreshold gen_id 1, sig_id 2, type limit, \\\n track by_src, count 3, seconds 60")
	f.Fuzz(func(t *testing.T, text string) {
		entries, errs := ParseConfig(text)
		if lines := strings.Count(text, "\n") + 1; len(entries)+len(errs) > lines {
			t.Fatalf("%d entries and %d errors in %d lines", len(entries), len(errs), lines)
		}
	})
}
