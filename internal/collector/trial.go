package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-ips/weir/internal/collector/bus"
	vlog "github.com/weir-ips/weir/internal/collector/log"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// trials has one sensor carry out, for a few seconds, what automation wants of many: the sensor that saw the attack, if it can. The others
// follow if it goes on being well and nobody's work was hit; else the verdict is lifted, and automation keeps away from its source until it
// would have expired. What is under way when the collector stops stays with the one sensor, and expires there.
type trials struct {
	govern *governor
	length func() time.Duration // 0: nothing is tried
	audit  func(actor, action, object string, detail map[string]any)
	log    *slog.Logger

	mu    sync.Mutex
	open  map[string]*trial // by verdict id
	since time.Time         // of run

	counts struct{ begun, promoted, lifted atomic.Uint64 }
}

// trial is one of them.
type trial struct {
	wanted verdict.Verdict // for all of its scope
	canary string
	began  time.Time
	before *bus.Report // the canary's, when it began

	mu     sync.Mutex
	asking bool
	asked  bool   // whose conversations it hits
	hit    string // somebody's: says whose
}

// TrialStats counts since the start.
type TrialStats struct {
	Begun    uint64 // verdicts that one sensor tried first
	Promoted uint64 // of those, that the others carry out too
	Lifted   uint64 // of those, that did harm
	Open     int    // gauge
}

const (
	maxTrials  = 10_000
	trialEvery = 250 * time.Millisecond
	trialGrace = 15 * time.Second // for the canary's report, after the trial's time
)

// choose names the sensor that tries v first; "" if it need not be tried, or nobody else would carry it out.
func (t *trials) choose(v *verdict.Verdict) string {
	if t == nil || t.length() == 0 || !v.Stops() {
		return ""
	}
	var can []string
	for _, r := range t.govern.view().sensors {
		if wire.InScope(v.Scope, r.Sensor, r.Group) && enforces(r) {
			can = append(can, r.Sensor)
		}
	}
	slices.Sort(can)
	for _, id := range can {
		if len(can) > 1 && v.CreatedBy == "sensor:"+id {
			return id
		}
	}
	switch reporter, ok := strings.CutPrefix(v.CreatedBy, "sensor:"); {
	case len(can) > 1:
		return can[0]
	case ok && t.young(): // others may be about to report
		return reporter
	}
	return ""
}

// young reports whether not all sensors can have reported yet.
func (t *trials) young() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Since(t.since) < late
}

// enforces reports whether a sensor drops what it is told to.
func enforces(r *bus.Report) bool { return r.Mode != "mirror" && r.Policy != "observe" }

func (t *trials) begin(wanted verdict.Verdict, canary string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = map[string]*trial{}
	}
	if len(t.open) < maxTrials { // beyond it they stay with one sensor
		t.open[wanted.ID] = &trial{wanted: wanted, canary: canary, began: time.Now(), before: t.govern.sensors.Get(canary)}
	}
	t.counts.begun.Add(1)
}

// tries reports whether the verdict is being tried.
func (t *trials) tries(id string) bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open[id] != nil
}

// Stats is a snapshot.
func (t *trials) Stats() TrialStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return TrialStats{Begun: t.counts.begun.Load(), Promoted: t.counts.promoted.Load(), Lifted: t.counts.lifted.Load(), Open: len(t.open)}
}

// run judges what is under way until ctx ends, and then forgets it.
func (t *trials) run(ctx context.Context) error {
	t.mu.Lock()
	t.since = time.Now()
	t.mu.Unlock()
	tick := time.NewTicker(trialEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			t.mu.Lock()
			clear(t.open)
			t.mu.Unlock()
			return nil
		case <-tick.C:
			t.look(ctx, time.Now())
		}
	}
}

func (t *trials) look(ctx context.Context, now time.Time) {
	t.mu.Lock()
	all := make([]*trial, 0, len(t.open))
	for _, each := range t.open {
		all = append(all, each)
	}
	t.mu.Unlock()
	slices.SortFunc(all, func(a, b *trial) int { return a.began.Compare(b.began) })
	for _, each := range all {
		if over := t.judge(ctx, each, now); over {
			t.mu.Lock()
			delete(t.open, each.wanted.ID)
			t.mu.Unlock()
		}
	}
}

// judge moves one on and reports whether it is over.
func (t *trials) judge(ctx context.Context, tr *trial, now time.Time) (over bool) {
	have, ok := t.govern.log.Get(tr.wanted.ID)
	if !ok || have.Scope != tr.canary {
		return true // expired, revoked or rolled back
	}
	if hit := t.ask(ctx, tr); hit != "" {
		return t.lift(ctx, tr, hit)
	}
	r := t.govern.sensors.Get(tr.canary)
	switch harm := harmed(tr, r, now); {
	case harm != "":
		return t.lift(ctx, tr, harm)
	case now.Sub(tr.began) < t.length() || r.Seq < have.Seq || !r.Seen.After(tr.began):
		if now.Sub(tr.began) > t.length()+trialGrace {
			return t.lift(ctx, tr, "the sensor has not reported that it carries it out")
		}
		return false
	}
	return t.promote(ctx, tr)
}

// harmed says what has gone wrong with the sensor since it began; empty if nothing has.
func harmed(tr *trial, r *bus.Report, now time.Time) string {
	switch {
	case r == nil || now.Sub(r.Seen) > late:
		return "the sensor has fallen silent"
	case tr.before != nil && r.Boot != tr.before.Boot:
		return "the sensor was started anew"
	case r.State != "" && r.State != "ok" && (tr.before == nil || r.State != tr.before.State):
		return "the sensor is not well: " + r.State
	case slices.Contains(r.Suspended, tr.wanted.ID):
		return "the sensor's drop-share breaker has suspended it"
	}
	for _, f := range r.Refusals {
		if f.ID == tr.wanted.ID {
			return "the sensor refuses it: " + f.Reason
		}
	}
	return ""
}

// ask has the canary look through its conversations: one with the source that both ends have proved and that has gone on for long is
// somebody's work. An answer that does not come is asked for again while the trial lasts, and counts as none after it.
func (t *trials) ask(ctx context.Context, tr *trial) (hit string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.asked || tr.asking {
		return tr.hit
	}
	tr.asking = true
	go func() {
		s := t.govern.surveyor
		found, err := s.ask(ctx, s.trials, &wire.Survey{Scope: tr.canary, Match: tr.wanted.Match, Window: previewWindow}, map[string]bool{tr.canary: true})
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.asking = false
		if f := found[tr.canary]; err == nil && f != nil {
			if tr.asked = true; f.LongLived > 0 {
				tr.hit = fmt.Sprintf("%d conversations with it had been going on for more than %s, both ends proved", f.LongLived, wire.LongLived)
			}
		}
	}()
	return ""
}

// answered reports whether the canary has looked.
func (tr *trial) answered() bool {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.asked
}

func (t *trials) lift(ctx context.Context, tr *trial, why string) bool {
	v, err := t.govern.log.Remove(ctx, tr.wanted.ID, "canary")
	if err != nil && !errors.Is(err, vlog.ErrUnknown) {
		t.log.Error("a verdict that does harm is not lifted; will try again", "verdict", tr.wanted.ID, "sensor", tr.canary, "error", err)
		return false
	}
	t.counts.lifted.Add(1)
	t.log.Warn("a verdict was lifted from the sensor that tried it", "verdict", tr.wanted.ID, "src", tr.wanted.Match.Src, "sensor", tr.canary, "reason", why)
	t.audit("canary", "verdict.lift", tr.wanted.ID, map[string]any{"before": v, "canary": tr.canary, "scope": tr.wanted.Scope, "reason": why})
	return true
}

// promote brings the verdict to all of its scope, if it is still allowed.
func (t *trials) promote(ctx context.Context, tr *trial) bool {
	if err := t.govern.guard.Check(&tr.wanted); err != nil {
		return t.lift(ctx, tr, err.Error())
	}
	added, err := t.govern.log.Add(ctx, tr.wanted)
	switch {
	case errors.Is(err, vlog.ErrRevoked):
		return t.lift(ctx, tr, err.Error())
	case err != nil:
		t.log.Error("a verdict stays with the sensor that tried it; will try again", "verdict", tr.wanted.ID, "error", err)
		return false
	}
	t.counts.promoted.Add(1)
	t.audit("canary", "verdict.promote", added.ID, map[string]any{"after": added, "canary": tr.canary, "asked": tr.answered(), "seconds": time.Since(tr.began).Seconds()})
	return true
}
