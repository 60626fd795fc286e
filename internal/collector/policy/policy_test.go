package policy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// decisions is a Decider that remembers.
type decisions struct {
	made []verdict.Verdict
	err  error
}

func (d *decisions) Decide(_ context.Context, v verdict.Verdict) error {
	if d.err == nil {
		d.made = append(d.made, v)
	}
	return d.err
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func newEngine(t *testing.T, c Config) (*Engine, *decisions, *time.Time) {
	t.Helper()
	if c.Limits == (Limits{}) {
		c.Limits = DefaultLimits()
	}
	if faults := c.Check(); len(faults) > 0 {
		t.Fatalf("configuration: %v", faults)
	}
	d, now := &decisions{}, noon
	return New(c, d, slog.New(slog.DiscardHandler), func() time.Time { return now }), d, &now
}

// drain carries out what is queued.
func (e *Engine) drain() {
	for len(e.queue) > 0 {
		e.decide(context.Background(), <-e.queue)
	}
}

func event(src string, change func(*wire.Event)) wire.Event {
	e := wire.Event{
		ID: "edge:b:1:0", Sensor: "edge", Time: noon, SID: 1000, Severity: 1, Proto: 6, Handshake: true, Category: "Attempted Administrator Privilege Gain",
		Src: netip.AddrPortFrom(netip.MustParseAddr(src), 4444), Dst: netip.MustParseAddrPort("10.0.0.1:80"),
	}
	if change != nil {
		change(&e)
	}
	return e
}

func TestWhatBecomesAVerdict(t *testing.T) {
	rules := Config{Block: []Rule{
		{Severity: 1, Action: "drop"},
		{Signatures: []uint32{2000, 2001}, Action: "ratelimit", Rate: 100, Require: "none", TTL: time.Minute, Scope: "edge"},
		{Categories: []string{"Web Application Attack"}, Severity: 2, Action: "observe", Require: "none"},
	}}
	for name, c := range map[string]struct {
		change func(*wire.Event)
		action verdict.Action
		none   bool
	}{
		"severe":                             {nil, verdict.Drop, false},
		"severe without handshake":           {func(e *wire.Event) { e.Handshake = false }, 0, true},
		"severe over UDP":                    {func(e *wire.Event) { e.Handshake, e.Proto = false, 17 }, 0, true},
		"not severe":                         {func(e *wire.Event) { e.Severity = 3 }, 0, true},
		"no severity":                        {func(e *wire.Event) { e.Severity = 0 }, 0, true},
		"a listed signature":                 {func(e *wire.Event) { e.Severity, e.SID, e.Handshake = 3, 2001, false }, verdict.RateLimit, false},
		"severe and listed, no handshake":    {func(e *wire.Event) { e.SID, e.Handshake = 2000, false }, verdict.RateLimit, false},
		"the category":                       {func(e *wire.Event) { e.Severity, e.Category = 2, "Web Application Attack" }, verdict.Observe, false},
		"the category, less severe":          {func(e *wire.Event) { e.Severity, e.Category = 3, "Web Application Attack" }, 0, true},
		"an hour old, out of the spool":      {func(e *wire.Event) { e.Time = noon.Add(-time.Hour) }, 0, true},
		"without addresses, as of ARP":       {func(e *wire.Event) { e.Src = netip.AddrPort{} }, 0, true},
		"from the future of a sensors clock": {func(e *wire.Event) { e.Time = noon.Add(time.Hour) }, verdict.Drop, false},
	} {
		t.Run(name, func(t *testing.T) {
			e, d, _ := newEngine(t, rules)
			e.Consider([]wire.Event{event("203.0.113.7", c.change)})
			e.drain()
			if c.none {
				if len(d.made) > 0 {
					t.Fatalf("became %+v", d.made[0])
				}
				return
			}
			if len(d.made) != 1 || d.made[0].Action != c.action {
				t.Fatalf("decided %+v, want one of action %d", d.made, c.action)
			}
		})
	}
}

func TestVerdictOfAnAlert(t *testing.T) {
	e, d, _ := newEngine(t, Config{Block: []Rule{{Severity: 1, TTL: time.Minute}}})
	e.Consider([]wire.Event{event("::ffff:203.0.113.7", nil), event("2001:db8::7", nil)})
	e.drain()
	if len(d.made) != 2 {
		t.Fatalf("%d verdicts, want 2", len(d.made))
	}
	v := d.made[0]
	if v.Match.Src != netip.MustParsePrefix("203.0.113.7/32") || v.Origin != verdict.OriginRule || v.Rule != 1000 || v.Spoofable ||
		len(v.Evidence) != 1 || v.Evidence[0] != "edge:b:1:0" || !v.ExpiresAt.Equal(noon.Add(time.Minute)) || v.CreatedBy != "sensor:edge" {
		t.Errorf("verdict %+v", v)
	}
	if d.made[1].Match.Src != netip.MustParsePrefix("2001:db8::7/128") {
		t.Errorf("IPv6 source became %s", d.made[1].Match.Src)
	}
	if err := wire.CheckVerdict(&v); err != nil {
		t.Errorf("not fit to travel: %v", err)
	}
}

func TestOneSourceOneVerdict(t *testing.T) {
	e, d, now := newEngine(t, Config{Block: []Rule{{Severity: 1, TTL: 10 * time.Minute}}})
	for range 100 {
		e.Consider([]wire.Event{event("203.0.113.7", func(ev *wire.Event) { ev.Time = *now })})
	}
	e.drain()
	if len(d.made) != 1 || e.Stats().Repeated != 99 {
		t.Fatalf("%d verdicts, %d repeated; want 1, 99", len(d.made), e.Stats().Repeated)
	}
	again := func(after time.Duration, want int) {
		t.Helper()
		*now = now.Add(after)
		e.Consider([]wire.Event{event("203.0.113.7", func(ev *wire.Event) { ev.Time = *now })})
		e.drain()
		if len(d.made) != want || d.made[0].ID != d.made[want-1].ID {
			t.Fatalf("%d verdicts, want %d of one id: %+v", len(d.made), want, d.made)
		}
	}
	again(9*time.Minute, 1) // alerts do not prolong it
	e.Renewed(d.made[0].ID, now.Add(10*time.Minute))
	again(9*time.Minute, 1) // what is counted did
	again(2*time.Minute, 2) // and when it has lapsed, the source is caught again
}

func TestLimits(t *testing.T) {
	e, d, now := newEngine(t, Config{Block: []Rule{{Severity: 1}}, Limits: Limits{PerMinute: 10, PerSensorMinute: 6, PerSignatureMinute: 4}})
	n := 0
	try := func(sensor string, sid uint32, times int) int {
		before := len(d.made)
		for range times {
			n++
			src := netip.AddrFrom4([4]byte{203, 0, byte(n >> 8), byte(n)}).String()
			e.Consider([]wire.Event{event(src, func(ev *wire.Event) { ev.Sensor, ev.SID, ev.Time = sensor, sid, *now })})
		}
		e.drain()
		return len(d.made) - before
	}
	for _, c := range []struct {
		what   string
		sensor string
		sid    uint32
		want   int
	}{
		{"one signature", "a", 1, 4}, {"the rest of its sensor", "a", 2, 2}, {"another sensor up to all", "b", 3, 4}, {"nothing more", "c", 4, 0},
	} {
		if got := try(c.sensor, c.sid, 20); got != c.want {
			t.Errorf("%s: %d verdicts, want %d", c.what, got, c.want)
		}
	}
	*now = now.Add(time.Minute)
	if got := try("a", 1, 20); got != 0 {
		t.Errorf("in the next minute %d verdicts: automation must be held", got)
	}
	*now = now.Add(10 * time.Minute)
	if got := try("a", 1, 20); got != 4 {
		t.Errorf("after the hold %d verdicts, want 4", got)
	}
}

// One signature's storm holds that signature, is told once, and is over when a person changes the policy or time is up.
func TestStormIsHeldAndToldOnce(t *testing.T) {
	c := Config{Block: []Rule{{Severity: 1}}, Limits: Limits{PerMinute: 100, PerSensorMinute: 100, PerSignatureMinute: 3, Hold: time.Hour}}
	e, d, now := newEngine(t, c)
	n := 0
	try := func(sid uint32, times int) int {
		before := len(d.made)
		for range times {
			n++
			e.Consider([]wire.Event{event(fmt.Sprintf("203.0.%d.%d", n>>8, n&255), func(ev *wire.Event) { ev.SID, ev.Time = sid, *now })})
		}
		e.drain()
		return len(d.made) - before
	}
	if got := try(7, 50); got != 3 {
		t.Errorf("%d verdicts of the signature, want 3", got)
	}
	*now = now.Add(30 * time.Minute)
	if got := try(7, 50); got != 0 {
		t.Errorf("%d verdicts while it is held", got)
	}
	if got := try(8, 1); got != 1 {
		t.Error("another signature is held, too")
	}
	s := <-e.Storms()
	if s.Subject != (Subject{SID: 7}) || len(e.Storms()) != 0 || e.Stats().Storms != 1 || e.Stats().Limited != 97 {
		t.Errorf("told of %+v and %d more; %+v", s, len(e.Storms()), e.Stats())
	}
	e.Replace(c)
	if got := try(7, 1); got != 1 {
		t.Error("held after a person changed the policy")
	}
}

// The address in a connection that a proxy made is the proxy's.
func TestProxiesAreNotStopped(t *testing.T) {
	e, d, _ := newEngine(t, Config{Block: []Rule{{Severity: 1, Action: "drop"}}})
	e.Consider([]wire.Event{event("203.0.113.7", func(ev *wire.Event) { ev.EVE = []byte(`{"xff":"192.0.2.1","alert":{}}`) })})
	e.drain()
	if len(d.made) > 0 || e.Stats().Proxied != 1 {
		t.Errorf("decided %+v, %+v", d.made, e.Stats())
	}
}

func TestAtMost(t *testing.T) {
	for _, c := range []struct {
		most   AtMost
		origin verdict.Origin
		want   verdict.Action
		rate   uint32
	}{
		{AtMost{}, verdict.OriginRule, verdict.Drop, 0}, {AtMost{Alerts: "drop"}, verdict.OriginRule, verdict.Drop, 0},
		{AtMost{Alerts: "ratelimit"}, verdict.OriginRule, verdict.RateLimit, limitedRate}, {AtMost{Alerts: "observe"}, verdict.OriginRule, verdict.Observe, 0},
		{AtMost{Alerts: "observe"}, verdict.OriginFeed, verdict.Drop, 0}, {AtMost{Feeds: "observe"}, verdict.OriginFeed, verdict.Observe, 0},
	} {
		v := verdict.Verdict{Action: verdict.Drop, Origin: c.origin}
		if c.most.Rung(&v); v.Action != c.want || v.Rate != c.rate {
			t.Errorf("%+v, %v: %v at %d a second", c.most, c.origin, v.Action, v.Rate)
		}
	}
}

func TestRefusalIsCounted(t *testing.T) {
	e, d, _ := newEngine(t, Config{Block: []Rule{{Severity: 1}}})
	d.err = errors.New("no")
	e.Consider([]wire.Event{event("203.0.113.7", nil)})
	e.drain()
	if st := e.Stats(); st.Refused != 1 || st.Decided != 0 {
		t.Errorf("counted %+v", st)
	}
}

func TestNothingWithoutRules(t *testing.T) {
	e, d, _ := newEngine(t, Config{})
	e.Consider([]wire.Event{event("203.0.113.7", nil)})
	e.drain()
	if len(d.made) > 0 {
		t.Error("the default decides")
	}
}

func TestConfigCheck(t *testing.T) {
	for name, c := range map[string]struct {
		rule Rule
		want string // key and part of the reason
	}{
		"everything":        {Rule{}, "block[0]: would block"},
		"unknown action":    {Rule{Severity: 1, Action: "reject"}, `block[0].action: "reject"`},
		"rate without":      {Rule{Severity: 1, Rate: 5}, "block[0].rate: "},
		"ratelimit without": {Rule{Severity: 1, Action: "ratelimit"}, "block[0].rate: "},
		"drop unproven":     {Rule{Severity: 1, Require: "none", Action: "drop"}, "block[0].require: without a handshake"},
		"unknown proof":     {Rule{Severity: 1, Require: "syn"}, `block[0].require: "syn"`},
		"too long":          {Rule{Severity: 1, TTL: 25 * time.Hour}, "block[0].ttl: 25h0m0s"},
		"bad scope":         {Rule{Severity: 1, Scope: "a b"}, "block[0].scope: "},
	} {
		cfg := Config{Block: []Rule{c.rule}, Limits: DefaultLimits()}
		faults := cfg.Check()
		if len(faults) != 1 || !strings.Contains(faults[0].Key+": "+faults[0].Reason, c.want) {
			t.Errorf("%s: %v, want %s", name, faults, c.want)
		}
	}
	none := Config{}
	if faults := none.Check(); len(faults) != 3 {
		t.Errorf("limits of 0: %v, want three faults", faults)
	}
}

// What comes back after its time is up is stopped for longer; after quiet days it begins lower again.
func TestEscalation(t *testing.T) {
	e, d, now := newEngine(t, Config{Block: []Rule{{Severity: 1, Escalate: []time.Duration{5 * time.Minute, 30 * time.Minute, 4 * time.Hour}}}})
	attack := func(after, want time.Duration) {
		t.Helper()
		*now = now.Add(after)
		e.Consider([]wire.Event{event("192.0.2.1", func(ev *wire.Event) { ev.Time = *now })})
		made := len(d.made)
		e.drain()
		if want == 0 && len(d.made) == made {
			return
		}
		if len(d.made) != made+1 || d.made[made].ExpiresAt.Sub(*now) != want {
			t.Fatalf("after %s: %+v, want one for %s", after, d.made[made:], want)
		}
	}
	attack(0, 5*time.Minute)
	attack(time.Minute, 0)                          // dealt with
	attack(3*time.Minute, 0)                        // still
	attack(2*time.Minute, 30*time.Minute)           // back again
	attack(31*time.Minute, 4*time.Hour)             // and again
	attack(5*time.Hour, 4*time.Hour)                // no further step
	attack(28*time.Hour+time.Minute, 4*time.Hour)   // one day: down one, up one
	attack(76*time.Hour+time.Minute, 5*time.Minute) // three days
}

// One sensor's word, or one signature's, is not enough when the rule asks for more.
func TestQuorum(t *testing.T) {
	e, d, now := newEngine(t, Config{Block: []Rule{{Severity: 1, Quorum: Quorum{Sensors: 2, Signatures: 2, Within: time.Minute}}}})
	say := func(sensor string, sid uint32) {
		e.Consider([]wire.Event{event("192.0.2.1", func(ev *wire.Event) { ev.Sensor, ev.SID, ev.Time = sensor, sid, *now })})
		e.drain()
	}
	say("a", 1)
	say("a", 2)
	*now = now.Add(2 * time.Minute)
	say("b", 1) // the others spoke too long ago
	say("b", 2)
	if len(d.made) > 0 {
		t.Fatalf("decided on too little: %+v", d.made)
	}
	say("c", 1)
	if len(d.made) != 1 || e.Stats().Waiting != 4 {
		t.Errorf("%d verdicts, %+v", len(d.made), e.Stats())
	}
}

func TestNewRulesObserve(t *testing.T) {
	e, d, _ := newEngine(t, Config{Block: []Rule{{Severity: 1}}})
	e.Consider([]wire.Event{event("192.0.2.1", nil)})
	e.drain()
	if len(d.made) != 1 || d.made[0].Action != verdict.Observe {
		t.Errorf("decided %+v", d.made)
	}
}
