package daemon

import (
	"strings"
	"testing"
	"time"
)

func TestExceededAllowancesBlind(t *testing.T) {
	var a allowances
	start := time.Unix(1000, 0)
	for _, step := range []struct {
		after         time.Duration
		pps, left     uint64
		begins, blind bool
	}{
		{0, 7, 100, false, false}, // what was before the sensor does not count
		{5 * time.Second, 7, 90, false, false},
		{10 * time.Second, 8, 80, true, true},
		{15 * time.Second, 9, 80, false, true},
		{40 * time.Second, 9, 80, false, true},
		{50 * time.Second, 9, 80, false, false},
		{60 * time.Second, 10, 80, true, true},
	} {
		now := start.Add(step.after)
		began := a.note("eth0", map[string]uint64{"pps_allowance_exceeded": step.pps, "conntrack_allowance_available": step.left, "rx_packets": 5}, now)
		s := a.stats(now)
		if (began != "") != step.begins || strings.HasPrefix(a.blindness(now), "blind: eth0/pps_allowance_exceeded") != step.blind || (s.Blind == 1) != step.blind {
			t.Errorf("after %v: begins %q, %q", step.after, began, a.blindness(now))
		}
		if len(s.Exceeded) != 1 || s.Exceeded["eth0/pps"] != step.pps || s.Left["eth0"] != step.left {
			t.Errorf("after %v: %+v", step.after, s)
		}
	}
}
