package collector

import (
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

func TestDefaultNeedsNoFile(t *testing.T) {
	c, err := LoadConfig("")
	if err != nil {
		t.Fatal(err)
	}
	if c.API.Listen != "127.0.0.1:8443" || c.Bus.Listen != "127.0.0.1:4222" || len(c.Policy.Block) != 0 {
		t.Errorf("default %+v", c)
	}
	empty := filepath.Join(t.TempDir(), "collector.yaml")
	if err := os.WriteFile(empty, []byte("# nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadConfig(empty); err != nil {
		t.Errorf("a file of comments: %v", err)
	}
}

func TestOpen(t *testing.T) {
	for text, want := range map[string][2]bool{ // from loopback, from elsewhere
		"":                                  {true, false},
		"bus: {open: true}":                 {true, true},
		"bus: {open: false}":                {false, false},
		"bus: {open: []}":                   {false, false},
		"bus: {open: [192.0.2.0/24]}":       {false, true},
		"bus: {open: [192.0.2.7, \"::1\"]}": {false, true},
	} {
		path := filepath.Join(t.TempDir(), "collector.yaml")
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := LoadConfig(path)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for i, a := range []string{"127.0.0.1", "192.0.2.7"} {
			got := false
			for _, p := range c.Bus.Open {
				got = got || p.Contains(netip.MustParseAddr(a))
			}
			if got != want[i] {
				t.Errorf("%q: %s needs no credentials: %v, want %v", text, a, got, want[i])
			}
		}
	}
}

func TestSensorState(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		silent time.Duration
		state  string
		want   string
	}{
		{time.Second, "ok", "ok"}, {time.Second, "", "ok"}, {time.Second, "no packets for 3s", "blind"},
		{late, "no packets for 3s", "late"}, {gone, "ok", "gone"},
	} {
		r := &bus.Report{Health: wire.Health{State: c.state}, Seen: now.Add(-c.silent)}
		if got := state(r, now); got != c.want {
			t.Errorf("silent for %s, %q: %s, want %s", c.silent, c.state, got, c.want)
		}
	}
}

func TestLag(t *testing.T) {
	for _, c := range []struct{ epoch, seq, want uint64 }{{9, 10, 0}, {9, 7, 3}, {8, 10, 10}, {9, 11, 0}, {0, 0, 10}} {
		r := &bus.Report{Health: wire.Health{Epoch: c.epoch, Seq: c.seq}}
		if got := lag(r, 9, 10); got != c.want {
			t.Errorf("at %d/%d: lag %d, want %d", c.epoch, c.seq, got, c.want)
		}
	}
}

func TestApplied(t *testing.T) {
	report := func(id, group string, epoch, seq uint64) *bus.Report {
		return &bus.Report{Health: wire.Health{Sensor: id, Group: group, Epoch: epoch, Seq: seq}}
	}
	w := &view{
		epoch:   9,
		sensors: []*bus.Report{report("a", "edge", 9, 5), report("b", "edge", 9, 3), report("c", "", 8, 9), report("d", "", 9, 7)},
		refused: map[string]map[string]bool{"v": {"d": true}},
		spread: func(string) bus.Spread {
			return bus.Spread{Sensors: 2, First: bus.Reached{Sensor: "b"}, Last: bus.Reached{Sensor: "a"}}
		},
	}
	for scope, want := range map[string][2]int{"all": {1, 4}, "edge": {1, 2}, "a": {1, 1}, "c": {0, 1}, "x": {0, 0}} {
		s := w.status(verdict.Verdict{ID: "v", Seq: 5, Scope: scope}, stateActive)
		if got := [2]int{s.Applied.Sensors, s.Applied.Of}; got != want || len(s.Applied.Missing) != want[1]-want[0] {
			t.Errorf("scope %s: applied on %v of which %v are missing, want %v", scope, got, s.Applied.Missing, want)
		}
		if s.Applied.First.Sensor != "b" || s.Applied.Last.Sensor != "a" {
			t.Errorf("scope %s: first on %+v, last on %+v", scope, s.Applied.First, s.Applied.Last)
		}
	}
}

func TestAddresses(t *testing.T) {
	for p, want := range map[string]uint64{
		"203.0.113.7/32": 1, "203.0.113.0/24": 256, "0.0.0.0/0": 1 << 32, "2001:db8::/65": 1 << 63, "2001:db8::/64": math.MaxUint64,
	} {
		if got := addresses(netip.MustParsePrefix(p)); got != want {
			t.Errorf("%s covers %d, want %d", p, got, want)
		}
	}
}

// A sensor that lies about what it needs must not keep the internet from being blocked.
func TestAllowancesAreNarrow(t *testing.T) {
	var s bus.Sensors
	c := &collector{sensors: &s}
	s.Put(&bus.Report{Health: wire.Health{Sensor: "liar", Allowances: []string{"0.0.0.0/0", "10.0.0.0/8", "10.0.0.1", "::/0", "2001:db8::1/128", "nonsense"}}})
	got := c.allowances()
	if len(got) != 2 || got[0].String() != "10.0.0.1/32" || got[1].String() != "2001:db8::1/128" {
		t.Errorf("spares %v", got)
	}
}
