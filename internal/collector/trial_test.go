package collector

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/collector/policy"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// newTrial decides about one source, which sensor a, of a, b and a mirror, tries.
func newTrial(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.decided.Canary = 3 * time.Second
	for _, id := range []string{"a", "b"} {
		r.report(id, nil)
	}
	r.report("m", func(h *wire.Health) { h.Mode = "mirror" })
	r.decide(auto("1", "203.0.113.7/32", time.Hour))
	if got := r.scope("auto-1"); got != "a" || !r.trials.tries("auto-1") {
		t.Fatalf("scope %q: the sensor that saw it must try it", got)
	}
	return r
}

func TestCanaryThenEverybody(t *testing.T) {
	r := newTrial(t)
	r.report("a", nil)
	r.trials.look(context.Background(), time.Now())
	if got := r.scope("auto-1"); got != "a" {
		t.Fatalf("scope %q before its time", got)
	}
	r.trials.look(context.Background(), time.Now().Add(4*time.Second))
	if got := r.scope("auto-1"); got != wire.ScopeAll || r.trials.tries("auto-1") {
		t.Errorf("scope %q after its time", got)
	}
	if !slices.Equal(r.audited, []string{"verdict.promote auto-1"}) {
		t.Errorf("audited %v", r.audited)
	}
}

// Whatever goes wrong with the sensor that tries, nobody else is harmed, and automation does not come back to it.
func TestCanaryThatDoesHarmIsLifted(t *testing.T) {
	for name, harm := range map[string]func(*wire.Health){
		"it is not well any more":            func(h *wire.Health) { h.State = "blind: the rings are full" },
		"it was started anew":                func(h *wire.Health) { h.Boot = "c" },
		"its breaker has suspended it":       func(h *wire.Health) { h.Suspended = []string{"auto-1"} },
		"it refuses it":                      func(h *wire.Health) { h.Refusals = []wire.Refusal{{ID: "auto-1", Reason: "never-block"}} },
		"it never says that it has it (lag)": func(h *wire.Health) { h.Seq = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			r := newTrial(t)
			r.report("a", harm)
			at := time.Now().Add(4 * time.Second)
			if strings.Contains(name, "lag") {
				r.trials.look(context.Background(), at)
				at = at.Add(trialGrace)
				for _, report := range r.sensors.All() {
					report.Seen = at // it goes on reporting
				}
			}
			r.trials.look(context.Background(), at)
			if got := r.scope("auto-1"); got != "" {
				t.Fatalf("still in force on %q", got)
			}
			if len(r.audited) != 1 || r.audited[0] != "verdict.lift auto-1" || r.trials.Stats().Lifted != 1 {
				t.Errorf("audited %v, %+v", r.audited, r.trials.Stats())
			}
			if err := r.Decide(context.Background(), auto("1", "203.0.113.7/32", time.Hour)); err == nil {
				t.Error("automation decides the same again")
			}
		})
	}
}

// A conversation that both ends have proved, and that was going on for long, is somebody's work.
func TestCanaryThatHitsSomebodysWorkIsLifted(t *testing.T) {
	r := newTrial(t)
	if _, err := r.surveyor.conn.Subscribe(wire.SubjectSurvey, surveyed(r, wire.Findings{Sensor: "a", Window: time.Minute, Flows: 1, Established: 1, LongLived: 1})); err != nil {
		t.Fatal(err)
	}
	r.report("a", nil)
	for end := time.Now().Add(20 * time.Second); r.scope("auto-1") != "" && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		r.trials.look(context.Background(), time.Now())
	}
	if got := r.scope("auto-1"); got != "" {
		t.Fatalf("in force on %q", got)
	}
}

// A person's word on a trial ends it.
func TestCanaryTakenBackByAPerson(t *testing.T) {
	r := newTrial(t)
	if _, err := r.Remove(context.Background(), "auto-1", "ana"); err != nil {
		t.Fatal(err)
	}
	r.report("a", nil)
	r.trials.look(context.Background(), time.Now().Add(4*time.Second))
	if got := r.scope("auto-1"); got != "" || r.trials.tries("auto-1") {
		t.Errorf("in force on %q", got)
	}
	if err := r.Decide(context.Background(), auto("1", "203.0.113.7/32", time.Hour)); err == nil {
		t.Error("automation decides again what a person took back")
	}
}

func TestWhatNeedsNoCanary(t *testing.T) {
	r := newRig(t)
	r.decided.Canary = time.Second
	r.report("a", nil)
	observe, one := auto("1", "203.0.113.1/32", time.Hour), auto("2", "203.0.113.2/32", time.Hour)
	observe.Action = verdict.Observe
	r.decide(observe)
	r.decide(one) // no other sensor would carry it out
	r.report("b", nil)
	here := auto("3", "203.0.113.3/32", time.Hour)
	here.Scope = "b"
	r.decide(here)
	r.decided.Canary = 0
	r.decide(auto("4", "203.0.113.4/32", time.Hour))
	for id, want := range map[string]string{"auto-1": "all", "auto-2": "all", "auto-3": "b", "auto-4": "all"} {
		if got := r.scope(id); got != want {
			t.Errorf("%s in scope %q, want %q", id, got, want)
		}
	}
}

// Automation stops only so many addresses at once, a feed that covers the internet in small pieces included.
func TestAutomationStopsSoManyAddresses(t *testing.T) {
	r := newRig(t)
	r.decided.Limits = policy.Limits{Addresses: 2, FeedAddresses: 300}
	r.decide(auto("1", "203.0.113.1/32", time.Hour))
	r.decide(auto("2", "2001:db8::/64", time.Hour))
	if err := r.Decide(context.Background(), auto("3", "203.0.113.3/32", time.Hour)); err == nil || !strings.Contains(err.Error(), "at most 2") {
		t.Errorf("a third: %v", err)
	}
	if _, err := r.log.Remove(context.Background(), "auto-1", "ana"); err != nil {
		t.Fatal(err)
	}
	r.decide(auto("3", "203.0.113.3/32", time.Hour))
	list := func(texts ...string) (out []netip.Prefix) {
		for _, s := range texts {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	drop := feedConfig("drop")
	if err := r.SetFeed(context.Background(), drop, list("198.51.100.0/24")); err != nil {
		t.Fatal(err)
	}
	if err := r.SetFeed(context.Background(), drop, list("198.51.100.0/24", "192.0.2.0/25")); err == nil || !strings.Contains(err.Error(), "384 addresses, at most 300") {
		t.Errorf("too much: %v", err)
	}
	if r.scope("feed-drop-198.51.100.0/24") == "" {
		t.Error("the list that was in force is gone")
	}
	if err := r.SetFeed(context.Background(), drop, list("192.0.2.0/25")); err != nil {
		t.Error(err)
	}
}
