package rollout

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/pkg/wire"
)

// world is a book, its clock, and what its sensors report.
type world struct {
	*Book
	t       *testing.T
	now     time.Time
	reports map[string]*bus.Report
	audit   []string
}

func rule(sid, msg string) string {
	return "alert tcp any any -> any any (msg:\"" + msg + "\"; sid:" + sid + ";)\n"
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), reports: map[string]*bus.Report{}}
	for _, id := range []string{"edge-1", "edge-2", "proxy-1"} {
		w.reports[id] = &bus.Report{Health: wire.Health{Sensor: id, Group: id[:len(id)-2], State: "ok", Boot: "b", Started: w.now.Add(-time.Hour), Time: w.now}, Seen: w.now}
	}
	w.open(t.TempDir())
	return w
}

func (w *world) open(dir string) {
	var err error
	w.Book, err = Open(Options{
		Dir: dir, Now: func() time.Time { return w.now }, Sensors: w.sensors,
		Report: func(_, action, _ string, detail map[string]any) error { w.audit = append(w.audit, action); return nil },
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) sensors() []*bus.Report {
	var out []*bus.Report
	for _, id := range []string{"edge-1", "edge-2", "proxy-1"} {
		r := *w.reports[id]
		out = append(out, &r)
	}
	return out
}

// pass lets time go by: every sensor reports, with so many packets more and what change does to it, and has loaded what it is told.
func (w *world) pass(d time.Duration, change func(id string, h *wire.Health)) {
	w.now = w.now.Add(d)
	runs := w.Assignments()
	for id, r := range w.reports {
		next := *r
		next.Seen, next.Time, next.Packets = w.now, w.now, r.Packets+10_000
		next.Counters = map[string]uint64{}
		for name, n := range r.Counters {
			next.Counters[name] = n
		}
		for _, scope := range []string{wire.ScopeAll, r.Group, id} {
			if v, ok := runs[scope]; ok {
				next.Bundle = v
			}
		}
		if change != nil {
			change(id, &next.Health)
		}
		w.reports[id] = &next
	}
	w.Look()
}

func (w *world) add(text string) string {
	w.t.Helper()
	b, err := w.Add(text, "ann")
	if err != nil {
		w.t.Fatal(err)
	}
	return b.Version
}

func (w *world) stage(version string) Rollout {
	w.t.Helper()
	r, err := w.Stage(Request{Version: version, Scope: "edge", Canary: "edge-2", WatchSeconds: 60}, "ann")
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) expect(id string, want State) Rollout {
	w.t.Helper()
	r, err := w.Rollout(id)
	if err != nil || r.State != want {
		w.t.Fatalf("rollout is %s (%s, %v), want %s", r.State, r.Reason, err, want)
	}
	return r
}

func TestABundlePassesOnOneSensorAndGoesToItsGroup(t *testing.T) {
	w := newWorld(t)
	old, next := w.add(rule("1", "a")+rule("2", "b")), w.add(rule("2", "changed")+rule("3", "c"))
	if _, err := w.Run(wire.ScopeAll, old, "ann"); err != nil {
		t.Fatal(err)
	}
	r := w.stage(next)
	if c := r.Changes; !slices.Equal(c.Added, []SID{3}) || !slices.Equal(c.Removed, []SID{1}) || !slices.Equal(c.Changed, []SID{2}) {
		t.Errorf("changes %+v", c)
	}
	w.pass(time.Second, nil)
	w.expect(r.ID, Watching)
	if runs := w.Assignments(); runs["edge-2"] != next || runs[wire.ScopeAll] != old || runs["edge"] != "" {
		t.Errorf("while one tries it: %v", runs)
	}
	if _, err := w.Promote(r.ID, "bob"); err == nil {
		t.Error("promoted before it has passed")
	}
	w.pass(30*time.Second, nil)
	w.expect(r.ID, Watching)
	w.pass(31*time.Second, nil)
	if got := w.expect(r.ID, Passed); got.Canaried.Packets != 20_000 || got.Others.Sensors != 1 {
		t.Errorf("measured %+v, others %+v", got.Canaried, got.Others)
	}
	if _, err := w.Promote(r.ID, "bob"); err != nil {
		t.Fatal(err)
	}
	if runs := w.Assignments(); runs["edge"] != next || runs[wire.ScopeAll] != old || runs["edge-2"] != "" {
		t.Errorf("promoted: %v", runs)
	}
	w.open(w.o.Dir) // another process
	if runs := w.Assignments(); runs["edge"] != next {
		t.Errorf("after a restart: %v", runs)
	}
	if _, err := w.Rollback(r.ID, "bob"); err != nil {
		t.Fatal(err)
	}
	if runs := w.Assignments(); len(runs) != 1 || runs[wire.ScopeAll] != old {
		t.Errorf("rolled back: %v", runs)
	}
	if want := []string{"rules.rollout.watching", "rules.rollout.passed"}; !slices.Equal(w.audit, want) {
		t.Errorf("audit %v, want %v", w.audit, want)
	}
}

func TestACanaryThatDoesBadlyGoesBack(t *testing.T) {
	more := func(name string, n uint64) func(*wire.Health) { return func(h *wire.Health) { h.Counters[name] += n } }
	for _, c := range []struct {
		name, reason string
		loaded       bool // before it happens
		does         func(*wire.Health)
	}{
		{"does not load", "no such keyword", false, func(h *wire.Health) {
			h.BundleError, h.Bundle = "version "+h.Bundle[:12]+": no such keyword", ""
		}},
		{"loses packets", "lost 5000", true, more(wire.CounterLost, 5000)},
		{"lets packets through", "lost 5000", true, more(wire.CounterUninspected, 5000)},
		{"cries wolf", "alerts of", true, more(wire.CounterAlerts, 5000)},
		{"panics", "panicked 1", true, more(wire.CounterPanics, 1)},
		{"is busy", "processors busy", true, more(wire.CounterCPU, 40_000)},
		{"is not well", "blind", true, func(h *wire.Health) { h.State = "blind" }},
		{"was restarted", "started anew", true, func(h *wire.Health) { h.Boot = "c" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			old, next := w.add(rule("1", "a")), w.add(rule("2", "b"))
			if _, err := w.Run(wire.ScopeAll, old, "ann"); err != nil {
				t.Fatal(err)
			}
			r := w.stage(next)
			if c.loaded {
				w.pass(time.Second, nil)
				w.expect(r.ID, Watching)
			}
			w.pass(20*time.Second, func(id string, h *wire.Health) {
				if id == "edge-2" {
					c.does(h)
				}
			})
			if got := w.expect(r.ID, Failed); !strings.Contains(got.Reason, c.reason) {
				t.Errorf("reason %q, want %q", got.Reason, c.reason)
			}
			if runs := w.Assignments(); len(runs) != 1 || runs[wire.ScopeAll] != old {
				t.Errorf("afterwards: %v", runs)
			}
		})
	}
}

func TestWhatAllSensorsDoIsNoFaultOfTheRules(t *testing.T) {
	w := newWorld(t)
	next := w.add(rule("2", "b"))
	r := w.stage(next)
	w.pass(time.Second, nil)
	w.pass(61*time.Second, func(_ string, h *wire.Health) { // an attack on all of them
		h.Counters[wire.CounterLost] += 5000
		h.Counters[wire.CounterAlerts] += 5000
	})
	w.expect(r.ID, Passed)
}

func TestASilentCanaryFails(t *testing.T) {
	w := newWorld(t)
	r := w.stage(w.add(rule("2", "b")))
	w.now = w.now.Add(time.Minute)
	w.Look()
	if got := w.expect(r.ID, Failed); !strings.Contains(got.Reason, "silent") {
		t.Error(got.Reason)
	}
}

func TestStageRefuses(t *testing.T) {
	w := newWorld(t)
	next := w.add(rule("2", "b"))
	w.reports["proxy-1"].State = "blind"
	w.stage(next)
	for name, q := range map[string]Request{
		"an unknown bundle":    {Version: "0123", Canary: "edge-1"},
		"a scope under way":    {Version: next, Scope: "edge"},
		"a canary of another":  {Version: next, Scope: "edge", Canary: "proxy-1"},
		"a canary that is ill": {Version: next, Canary: "proxy-1"},
		"a canary at work":     {Version: next, Canary: "edge-2"},
		"nobody":               {Version: next, Scope: "nobody"},
		"a watch for ever":     {Version: next, Canary: "edge-1", WatchSeconds: 1 << 30},
	} {
		if r, err := w.Stage(q, "ann"); err == nil {
			t.Errorf("%s: staged %+v", name, r)
		}
	}
}

func TestOldBundlesAreForgottenUnlessTheyRun(t *testing.T) {
	w := newWorld(t)
	runs := w.add(rule("1", "runs"))
	if _, err := w.Run("edge", runs, "ann"); err != nil {
		t.Fatal(err)
	}
	second := w.add(rule("1", "second"))
	for i := range MaxBundles + 5 {
		w.add(rule("1", strings.Repeat("x", i+1)))
	}
	if n := len(w.Bundles()); n != MaxBundles {
		t.Errorf("%d bundles, want %d", n, MaxBundles)
	}
	if text, err := w.Text(runs); err != nil || text == "" {
		t.Errorf("what runs is forgotten: %v", err)
	}
	if _, err := w.Text(second); !errors.Is(err, ErrUnknown) {
		t.Errorf("what nobody runs: %v", err)
	}
	if files, err := os.ReadDir(w.o.Dir + "/" + Folder); err != nil || len(files) != MaxBundles {
		t.Errorf("%d files (%v), want %d", len(files), err, MaxBundles)
	}
}

func TestABrokenTextIsNotKept(t *testing.T) {
	w := newWorld(t)
	var faults Faults
	if _, err := w.Add("alert tcp any any -> any any (msg:\"x\"; sid:1", "ann"); !errors.As(err, &faults) || len(w.Bundles()) != 0 {
		t.Errorf("%v, %d bundles", err, len(w.Bundles()))
	}
}
