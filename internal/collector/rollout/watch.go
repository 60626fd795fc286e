package rollout

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/pkg/wire"
)

// loadTimeout is how long a canary may take to load a bundle.
const loadTimeout = 2 * time.Minute

// watch is what sensors had counted when a canary had loaded its bundle. It is not kept over a restart: the watch begins anew.
type watch struct {
	from  map[string]*bus.Report // by sensor
	since time.Time
}

// Watch looks after open rollouts until ctx ends.
func (b *Book) Watch(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			b.Look()
		}
	}
}

// Look judges every open rollout by what sensors have reported.
func (b *Book) Look() {
	reports := map[string]*bus.Report{}
	for _, s := range b.o.Sensors() {
		reports[s.Sensor] = s
	}
	for _, r := range b.Rollouts() {
		if r.State == Loading || r.State == Watching {
			b.look(&r, reports)
		}
	}
}

func (b *Book) look(r *Rollout, reports map[string]*bus.Report) {
	canary := reports[r.Canary]
	if reason := b.unfit(r, canary); reason != "" {
		b.settle(r, Failed, reason)
		return
	}
	w := b.watches[r.ID]
	switch {
	case canary.Bundle != r.Version:
		return
	case w == nil:
		b.watches[r.ID] = &watch{from: reports, since: b.o.Now()}
		if r.State == Loading {
			r.LoadedAt = b.o.Now().UTC()
			b.settle(r, Watching, "")
		}
		return
	}
	r.Canaried, r.Others = b.measure(r, w, reports)
	if w.from[r.Canary].Boot != canary.Boot {
		b.settle(r, Failed, "the sensor was started anew while it was watched")
	} else if reason := worse(&r.Canaried, &r.Others, &r.Usual); reason != "" {
		b.settle(r, Failed, reason)
	} else if b.o.Now().Sub(w.since) >= time.Duration(r.WatchSeconds)*time.Second && canary.Seen.After(w.since) {
		b.settle(r, Passed, "")
	}
}

// unfit says why a canary cannot go on trying; empty if it can.
func (b *Book) unfit(r *Rollout, canary *bus.Report) string {
	now := b.o.Now()
	switch {
	case canary == nil:
		return "the sensor is unknown by now"
	case now.Sub(canary.Seen) > lateAfter:
		return fmt.Sprintf("the sensor has been silent for %s", now.Sub(canary.Seen).Round(time.Second))
	case strings.Contains(canary.BundleError, fmt.Sprintf("%.12s", r.Version)):
		return canary.BundleError
	case canary.Bundle != r.Version && r.State == Watching:
		return "the sensor does not run it any more"
	case canary.Bundle != r.Version && now.Sub(r.At) > loadTimeout:
		return fmt.Sprintf("the sensor has not loaded it within %s", loadTimeout)
	case canary.Bundle == r.Version && canary.State != "ok":
		return "the sensor is not well: " + canary.State
	}
	return ""
}

// measure compares the canary with the scope's other sensors since it has loaded the bundle.
func (b *Book) measure(r *Rollout, w *watch, reports map[string]*bus.Report) (canary, others Measures) {
	for id, from := range w.from {
		now := reports[id]
		switch {
		case now == nil || now.Boot != from.Boot && id != r.Canary:
		case id == r.Canary:
			canary = between(from, now)
		case wire.InScope(r.Scope, id, now.Group) && now.Bundle != r.Version:
			others.add(between(from, now))
		}
	}
	return canary, others
}

// settle moves a rollout on, tells the audit log, and promotes what was to be promoted by itself.
func (b *Book) settle(r *Rollout, state State, reason string) {
	b.mu.Lock()
	err := b.change(func(k *kept) error {
		for i := range k.Rollouts {
			if o := &k.Rollouts[i]; o.ID == r.ID && o.State == r.State {
				o.State, o.Reason, o.LoadedAt, o.Canaried, o.Others = state, reason, r.LoadedAt, r.Canaried, r.Others
				if !o.open() {
					o.EndedAt = b.o.Now().UTC()
				}
			}
		}
		return nil
	})
	if state != Watching {
		delete(b.watches, r.ID)
	}
	b.mu.Unlock()
	if err != nil { // looked at again in a second
		return
	}
	b.tell("rules.rollout."+string(state), r, map[string]any{"scope": r.Scope, "canary": r.Canary, "version": r.Version, "reason": reason})
	if state == Passed && r.Auto {
		if _, err := b.Promote(r.ID, r.By); err == nil {
			b.tell("rules.promote", r, map[string]any{"scope": r.Scope, "version": r.Version, "before": r.Before})
		}
		return
	}
	b.changed()
}

func (b *Book) tell(action string, r *Rollout, detail map[string]any) {
	if b.o.Report != nil {
		b.o.Report("rollout", action, r.ID, detail)
	}
}
