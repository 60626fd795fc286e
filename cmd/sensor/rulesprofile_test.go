package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRulesProfile(t *testing.T) {
	capture := dnsCapture(t)
	rules := write(t, "p.rules", []byte(goodRule+"\n"+strings.NewReplacer("sid:7", "sid:9", `content:"evil";`, `content:"evil"; content:"good"; msg:"no match";`, `msg:"evil name"; `, "").Replace(goodRule)+"\n"+
		strings.NewReplacer("sid:7", "sid:10", "evil", "none").Replace(goodRule)+"\n"))
	code, stdout, stderr := run("rules", "profile", "--json", "--pcap", capture, "--pcap", capture, "--rules", rules)
	if code != 0 {
		t.Fatalf("exit %d, %s", code, stderr)
	}
	costs := map[uint32]ruleCost{}
	share := 0.0
	for line := range strings.Lines(stdout) {
		var c ruleCost
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		costs[c.SID] = c
		share += c.Share
	}
	if a, b := costs[7], costs[9]; len(costs) != 2 || a.Checks != 2 || a.Matches != 2 || b.Checks != 2 || b.Matches != 0 || share < 0.99 || share > 1.01 {
		t.Errorf("got %+v; want sid 7 checked and matched twice, sid 9 checked twice and never matched, and shares that add up to 1", costs)
	}
	if a := costs[7]; a.FastPattern != `"evil"` || a.Time < a.Longest || a.Longest < a.Average || a.Average <= 0 {
		t.Errorf("got %+v", a)
	}
	for _, c := range []struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		{[]string{"--pcap", capture, "--rules", rules, "--top", "1", "--sort", "matches"}, 0, `evil name; "evil" in dns.query`, ""},
		{[]string{"--pcap", capture, "--rules", rules}, 0, "1 packets", ""},
		{[]string{"--rules", rules}, 2, "", "--pcap"},
		{[]string{"--pcap", capture}, 2, "", "--rules"},
		{[]string{"--pcap", capture, "--rules", rules, "--sort", "name"}, 2, "", "time, checks, matches or average"},
		{[]string{"--pcap", "/nonexistent.pcap", "--rules", rules}, 1, "", "/nonexistent.pcap"},
		{[]string{"--pcap", capture, "--rules", write(t, "b.rules", []byte(badRule))}, 1, "", "unknown keyword"},
	} {
		code, stdout, stderr := run(append([]string{"rules", "profile"}, c.args...)...)
		if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
			t.Errorf("%v: exit %d, stdout %q, stderr %q; want %d, %q, %q", c.args, code, stdout, stderr, c.code, c.stdout, c.stderr)
		}
	}
}
