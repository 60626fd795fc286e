package rollout

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/pkg/wire"
)

// Rollout is a bundle on its way into a scope.
type Rollout struct {
	ID           string    `json:"id"`
	Version      string    `json:"version"`
	Scope        string    `json:"scope"`
	Canary       string    `json:"canary"` // sensor that tries it first
	WatchSeconds int       `json:"watch_seconds"`
	Auto         bool      `json:"auto"` // promote without being told when the canary has passed
	State        State     `json:"state"`
	Reason       string    `json:"reason"` // of failure
	By           string    `json:"by"`
	At           time.Time `json:"at"`
	LoadedAt     time.Time `json:"loaded_at,omitzero"` // by the canary
	EndedAt      time.Time `json:"ended_at,omitzero"`
	Before       string    `json:"before"` // version that the scope ran
	Changes      Changes   `json:"changes"`
	Canaried     Measures  `json:"canaried"` // the canary while it was watched
	Others       Measures  `json:"others"`   // the other sensors of the scope at the same time
	Usual        Measures  `json:"usual"`    // the canary from its start until it was staged
}

// State is how far a rollout has come.
type State string

// States.
const (
	Loading    State = "loading"
	Watching   State = "watching"
	Passed     State = "passed"
	Failed     State = "failed"
	Promoted   State = "promoted"
	RolledBack State = "rolled-back"
)

func (r *Rollout) open() bool { return r.State == Loading || r.State == Watching || r.State == Passed }

// Bounds of Request.WatchSeconds.
const (
	DefaultWatch = 10 * time.Minute
	MaxWatch     = 24 * time.Hour
)

// Request asks for a rollout.
type Request struct {
	Version      string `json:"version"`
	Scope        string `json:"scope"`         // empty: all
	Canary       string `json:"canary"`        // empty: a sensor of the scope
	WatchSeconds int    `json:"watch_seconds"` // 0: ten minutes
	Auto         bool   `json:"auto"`
}

// lateAfter is how long a sensor may be silent and still be given something to try.
const lateAfter = 30 * time.Second

// Stage gives a bundle to a canary.
func (b *Book) Stage(q Request, by string) (Rollout, error) {
	if q.Scope == "" {
		q.Scope = wire.ScopeAll
	}
	if q.WatchSeconds == 0 {
		q.WatchSeconds = int(DefaultWatch / time.Second)
	}
	if err := wire.CheckName(q.Scope); err != nil {
		return Rollout{}, refuse("scope: %v", err)
	}
	if q.WatchSeconds < 1 || q.WatchSeconds > int(MaxWatch/time.Second) {
		return Rollout{}, refuse("watching for %d s is not from 1 to %d", q.WatchSeconds, int(MaxWatch/time.Second))
	}
	canary, err := b.canary(&q)
	if err != nil {
		return Rollout{}, err
	}
	before := b.Running(q.Scope).Version
	changes, err := b.Compare(before, q.Version)
	if err != nil {
		return Rollout{}, err
	}
	r := Rollout{
		ID: "r-" + strings.ToLower(rand.Text()[:10]), Version: q.Version, Scope: q.Scope, Canary: canary.Sensor, WatchSeconds: q.WatchSeconds,
		Auto: q.Auto, State: Loading, By: by, At: b.o.Now().UTC(), Before: before, Changes: changes, Usual: lifetime(canary),
	}
	defer b.changed()
	b.mu.Lock()
	defer b.mu.Unlock()
	err = b.change(func(k *kept) error {
		for i := range k.Rollouts {
			if o := &k.Rollouts[i]; o.open() && (o.Scope == r.Scope || o.Canary == r.Canary) {
				return refuse("rollout %s to %s, canary %s, is under way: promote it or roll it back first", o.ID, o.Scope, o.Canary)
			}
		}
		k.Rollouts = append(k.Rollouts, r)
		if n := len(k.Rollouts) - MaxRollouts; n > 0 {
			k.Rollouts = slices.DeleteFunc(k.Rollouts, func(o Rollout) bool { n--; return n >= 0 && !o.open() })
		}
		return nil
	})
	if err == nil && len(b.assignments()) > wire.MaxBundles+1 {
		err = b.close(r.ID, RolledBack, "", by)
		return Rollout{}, refuse("%d scopes and canaries have rules of their own already (%v)", wire.MaxBundles, err)
	}
	return r, err
}

// canary is the sensor that q names, or the first of the scope that is well.
func (b *Book) canary(q *Request) (*bus.Report, error) {
	now := b.o.Now()
	for _, s := range b.o.Sensors() {
		well := now.Sub(s.Seen) < lateAfter && s.State == "ok"
		switch {
		case q.Canary == "" && well && wire.InScope(q.Scope, s.Sensor, s.Group):
			return s, nil
		case q.Canary == "" || s.Sensor != q.Canary:
			continue
		case !wire.InScope(q.Scope, s.Sensor, s.Group):
			return nil, refuse("sensor %s is not of %s", q.Canary, q.Scope)
		case !well:
			return nil, refuse("sensor %s is not well (%s, last heard of %s ago): what it says of the rules would mean nothing", q.Canary, s.State, now.Sub(s.Seen).Round(time.Second))
		default:
			return s, nil
		}
	}
	if q.Canary != "" {
		return nil, refuse("no sensor %s reports", q.Canary)
	}
	return nil, refuse("no sensor of %s is well: nobody could try the rules", q.Scope)
}

// Rollouts lists them, the newest first.
func (b *Book) Rollouts() []Rollout {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := slices.Clone(b.kept.Rollouts)
	slices.Reverse(out)
	return out
}

// Rollout returns one.
func (b *Book) Rollout(id string) (Rollout, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.kept.Rollouts, func(r Rollout) bool { return r.ID == id })
	if i < 0 {
		return Rollout{}, fmt.Errorf("rollout %s: %w", id, ErrUnknown)
	}
	return b.kept.Rollouts[i], nil
}

// Promote brings a bundle that its canary has passed to the whole scope.
func (b *Book) Promote(id, by string) (Rollout, error) {
	return b.end(id, func(r *Rollout, k *kept) error {
		if r.State != Passed {
			return refuse("rollout %s is %s; one that has passed can be promoted", id, r.State)
		}
		r.State = Promoted
		return k.run(r.Scope, r.Version, by, b.o.Now().UTC())
	})
}

// Rollback takes a bundle from the canary, or, after it was promoted, gives the scope back what it ran before.
func (b *Book) Rollback(id, by string) (Rollout, error) {
	return b.end(id, func(r *Rollout, k *kept) error {
		a := k.Running[r.Scope]
		if a == nil {
			a = k.Running[wire.ScopeAll]
		}
		switch {
		case r.open():
		case r.State == Promoted && a.Version != r.Version:
			return refuse("%s runs another version by now: roll that one back", r.Scope)
		case r.State == Promoted:
			if r.Before != "" && !slices.ContainsFunc(k.Bundles, func(x Bundle) bool { return x.Version == r.Before }) {
				return refuse("the bundle before, %.12s, is not kept any more", r.Before)
			}
			if err := k.run(r.Scope, r.Before, by, b.o.Now().UTC()); err != nil {
				return err
			}
		default:
			return refuse("rollout %s is %s already", id, r.State)
		}
		r.State = RolledBack
		return nil
	})
}

func (b *Book) end(id string, edit func(*Rollout, *kept) error) (done Rollout, err error) {
	defer b.changed()
	b.mu.Lock()
	defer b.mu.Unlock()
	err = b.change(func(k *kept) error {
		i := slices.IndexFunc(k.Rollouts, func(r Rollout) bool { return r.ID == id })
		if i < 0 {
			return fmt.Errorf("rollout %s: %w", id, ErrUnknown)
		}
		r := &k.Rollouts[i]
		if err := edit(r, k); err != nil {
			return err
		}
		r.EndedAt = b.o.Now().UTC()
		done = *r
		return nil
	})
	return done, err
}

// close ends an open rollout. b.mu is held.
func (b *Book) close(id string, state State, reason, by string) error {
	return b.change(func(k *kept) error {
		for i := range k.Rollouts {
			if r := &k.Rollouts[i]; r.ID == id {
				r.State, r.Reason, r.EndedAt = state, reason, b.o.Now().UTC()
			}
		}
		return nil
	})
}
