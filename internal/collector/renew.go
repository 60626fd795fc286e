package collector

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// renewals prolongs verdicts from alerts while there is something left to stop: when one is about to expire and sensors have counted
// packets against it lately, it lasts as long again. What nobody sends any more lapses, and a source that comes back has to be caught again.
// Without a new alert nothing is prolonged beyond a day.
type renewals struct {
	govern  *governor
	renewed func(id string, until time.Time) // tells the policy
	audit   func(actor, action, object string, detail map[string]any)
	log     *slog.Logger

	mu   sync.Mutex
	book map[string]*lifetime // by verdict id

	count atomic.Uint64
}

type lifetime struct {
	life    time.Duration
	first   time.Time // it came into force
	packets uint64    // counted against it at the last look
	last    time.Time // they grew; zero: not since this collector looks
	known   bool      // packets is
}

const (
	renewEvery   = wire.HealthEvery
	renewAhead   = 2 * wire.HealthEvery // of the expiry
	renewLongest = 24 * time.Hour
	maxRenewed   = 100_000
)

// add begins to look after v.
func (r *renewals) add(v *verdict.Verdict) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.book == nil {
		r.book = map[string]*lifetime{}
	}
	if len(r.book) < maxRenewed {
		r.book[v.ID] = &lifetime{life: v.ExpiresAt.Sub(v.CreatedAt), first: v.CreatedAt}
	}
}

// run works until ctx ends. It begins with what an earlier leader left.
func (r *renewals) run(ctx context.Context) error {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for found := false; ; {
		select {
		case <-ctx.Done():
			r.mu.Lock()
			clear(r.book)
			r.mu.Unlock()
			return nil
		case <-tick.C:
		}
		if !found {
			found = true
			r.find()
		}
		r.look(ctx, time.Now())
	}
}

func (r *renewals) find() {
	for _, v := range r.govern.log.List() {
		if byPolicy(&v) {
			r.add(&v)
			r.renewed(v.ID, v.ExpiresAt)
		}
	}
}

// byPolicy reports whether the policy made v of an alert.
func byPolicy(v *verdict.Verdict) bool {
	return v.Origin == verdict.OriginRule && strings.HasPrefix(v.CreatedBy, "sensor:") && strings.HasPrefix(v.ID, "auto-")
}

func (r *renewals) look(ctx context.Context, now time.Time) {
	hits := r.govern.view().hits
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, l := range r.book {
		v, ok := r.govern.log.Get(id)
		if !ok {
			delete(r.book, id)
			continue
		}
		if n := hits[id].Packets; n != l.packets || !l.known {
			if l.known && n > l.packets {
				l.last = now
			}
			l.packets, l.known = n, true
		}
		if v.ExpiresAt.Sub(now) < renewAhead && l.fresh(now) {
			r.renew(ctx, v, l, now)
		}
	}
}

// fresh reports whether packets were counted in the last quarter of a life, and at least within three looks.
func (l *lifetime) fresh(now time.Time) bool {
	return !l.last.IsZero() && now.Sub(l.last) <= max(l.life/4, 3*renewEvery) && now.Add(l.life).Sub(l.first) <= renewLongest
}

func (r *renewals) renew(ctx context.Context, v verdict.Verdict, l *lifetime, now time.Time) {
	v.ExpiresAt = now.Add(l.life)
	if err := r.govern.guard.Check(&v); err != nil {
		return
	}
	added, err := r.govern.log.Add(ctx, v)
	if err != nil {
		if ctx.Err() == nil {
			r.log.Warn("verdict not renewed", "verdict", v.ID, "error", err)
		}
		return
	}
	r.count.Add(1)
	r.renewed(added.ID, added.ExpiresAt)
	r.audit("policy", "verdict.renew", added.ID, map[string]any{"until": added.ExpiresAt, "packets": l.packets})
}
