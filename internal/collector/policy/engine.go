package policy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-ips/weir/internal/telemetry"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// Decider puts a verdict into force, or says why not.
type Decider interface {
	Decide(ctx context.Context, v verdict.Verdict) error
}

// maxAge is how old an alert may be to be acted on: one that was spooled for an hour says nothing about who holds the
// address now.
const maxAge = 5 * time.Minute

// Bounds of what the engine remembers and of what waits to be decided.
const (
	maxRemembered = 100_000
	maxQueued     = 4096
)

// Engine turns alerts into verdicts. Make one by New.
type Engine struct {
	mu      sync.Mutex // guards all but queue and counts
	config  Config
	limits  *limiter
	decider Decider
	log     *slog.Logger
	now     func() time.Time
	queue   chan verdict.Verdict
	done    map[string]time.Time // by verdict id: do not decide again before
	quiet   telemetry.Throttle

	storms      storms
	offences    map[string]offence // by verdict id
	testimonies map[string]*testimony

	counts struct {
		considered, matched, unproven, proxied, stale, repeated, waiting, limited, storms, overflow, refused, decided atomic.Uint64
	}
}

// Stats counts alerts since the start.
type Stats struct {
	Considered uint64
	Matched    uint64 // by a rule, all conditions met
	Unproven   uint64 // by a rule, but without the handshake it requires
	Proxied    uint64 // by a rule, but the address is a proxy's: the client's is in a header
	Stale      uint64 // too old to act on
	Repeated   uint64 // the source is dealt with already
	Waiting    uint64 // the quorum is not reached yet
	Limited    uint64 // more than the limits allow
	Storms     uint64 // times a limit was met, and automation held for it
	Overflow   uint64 // more than wait to be decided
	Refused    uint64 // by the guard or the log
	Decided    uint64 // verdicts put into force
}

// New makes an engine of a checked configuration. now is nil for the clock.
func New(c Config, d Decider, log *slog.Logger, now func() time.Time) *Engine {
	if now == nil {
		now = time.Now
	}
	return &Engine{
		config: c, limits: newLimiter(c.Limits), decider: d, log: log, now: now,
		queue: make(chan verdict.Verdict, maxQueued), done: map[string]time.Time{},
		storms: storms{held: map[Subject]time.Time{}, told: make(chan Storm, maxStorms)}, offences: map[string]offence{}, testimonies: map[string]*testimony{},
	}
}

// Replace puts another checked configuration into force. What was decided stays; what was held is not held any more.
func (e *Engine) Replace(c Config) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.config, e.limits = c, newLimiter(c.Limits)
	clear(e.storms.held)
}

// Config is the configuration in force.
func (e *Engine) Config() Config {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.config
}

// Consider looks at alerts and waits for nothing but Replace. One goroutine calls it.
func (e *Engine) Consider(events []wire.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.config.Block) == 0 {
		return
	}
	for i := range events {
		e.consider(&events[i])
	}
}

func (e *Engine) consider(ev *wire.Event) {
	c := &e.counts
	c.considered.Add(1)
	r := e.match(ev)
	if r == nil {
		return
	}
	now := e.now()
	if now.Sub(ev.Time) > maxAge {
		c.stale.Add(1)
		return
	}
	c.matched.Add(1)
	id := autoID(ev.Src.Addr().Unmap(), r.Scope)
	if now.Before(e.done[id]) {
		c.repeated.Add(1)
		return
	}
	if !e.agreed(&r.Quorum, id, ev, now) {
		c.waiting.Add(1)
		return
	}
	life := e.life(r, id, now)
	if !e.calm(ev, now) {
		c.limited.Add(1)
		return
	}
	select {
	case e.queue <- r.verdict(ev, now, life):
		e.remember(id, now, life)
		e.climb(r, id, now, life)
	default:
		c.overflow.Add(1)
	}
}

// proxied is in a record whose connection a proxy made for its client: to stop the address would stop all of the proxy's.
const proxied = `"xff":"`

// match finds the rule that decides; one that only lacks the handshake is counted and passed over.
func (e *Engine) match(ev *wire.Event) *Rule {
	for i := range e.config.Block {
		r := &e.config.Block[i]
		if !r.matches(ev) || !ev.Src.IsValid() {
			continue
		}
		if r.Require == RequireHandshake && !ev.Handshake {
			e.counts.unproven.Add(1)
			continue
		}
		if bytes.Contains(ev.EVE, []byte(proxied)) {
			e.counts.proxied.Add(1)
			return nil
		}
		return r
	}
	return nil
}

// remember keeps a source from being decided on again before its time is up: while what it sends is still counted, Renewed tells of
// more time.
func (e *Engine) remember(id string, now time.Time, ttl time.Duration) {
	if len(e.done) >= maxRemembered {
		for old, until := range e.done {
			if !until.After(now) {
				delete(e.done, old)
			}
		}
		if len(e.done) >= maxRemembered {
			clear(e.done) // at worst sources are decided on again, which changes nothing
		}
	}
	e.done[id] = now.Add(ttl)
}

// Renewed says that the verdict id, decided by this engine or an earlier one, lasts until then.
func (e *Engine) Renewed(id string, until time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.done[id] = until
	if o, ok := e.offences[id]; ok {
		o.until = until
		e.offences[id] = o
	}
}

// verdict is what r makes of ev. Its ID follows from source and scope: however many alerts and rules agree, there is one.
func (r *Rule) verdict(ev *wire.Event, now time.Time, life time.Duration) verdict.Verdict {
	src := ev.Src.Addr().Unmap()
	return verdict.Verdict{
		ID:        autoID(src, r.Scope),
		Match:     verdict.Match{Src: netip.PrefixFrom(src, src.BitLen())},
		Action:    actions[r.Action],
		Scope:     r.Scope,
		Origin:    verdict.OriginRule,
		Rule:      ev.SID,
		Evidence:  []string{ev.ID},
		Spoofable: !ev.Handshake,
		Rate:      r.Rate,
		Reason:    fmt.Sprintf("signature %d on %s", ev.SID, ev.Sensor),
		CreatedBy: "sensor:" + ev.Sensor,
		CreatedAt: now,
		ExpiresAt: now.Add(life),
	}
}

func autoID(src netip.Addr, scope string) string {
	sum := sha256.Sum256([]byte(src.String() + " " + scope))
	return "auto-" + hex.EncodeToString(sum[:8])
}

// Run carries decisions out until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case v := <-e.queue:
			e.decide(ctx, v)
		}
	}
}

func (e *Engine) decide(ctx context.Context, v verdict.Verdict) {
	if err := e.decider.Decide(ctx, v); err != nil {
		e.counts.refused.Add(1)
		var final *Refused
		if !errors.As(err, &final) { // the next alert may try again
			e.mu.Lock()
			delete(e.done, v.ID)
			e.mu.Unlock()
		}
		if ok, skipped := e.quiet.Allow(e.now()); ok && ctx.Err() == nil {
			e.log.Warn("no verdict from an alert", "src", v.Match.Src, "sid", v.Rule, "reason", err, "more", skipped)
		}
		return
	}
	e.counts.decided.Add(1)
	e.log.Info("verdict from an alert", "verdict", v.ID, "src", v.Match.Src, "sid", v.Rule, "by", v.CreatedBy, "until", v.ExpiresAt)
}

// Stats is a snapshot.
func (e *Engine) Stats() Stats {
	c := &e.counts
	return Stats{
		Considered: c.considered.Load(), Matched: c.matched.Load(), Unproven: c.unproven.Load(), Proxied: c.proxied.Load(), Stale: c.stale.Load(),
		Repeated: c.repeated.Load(), Waiting: c.waiting.Load(), Limited: c.limited.Load(), Storms: c.storms.Load(), Overflow: c.overflow.Load(), Refused: c.refused.Load(), Decided: c.decided.Load(),
	}
}
