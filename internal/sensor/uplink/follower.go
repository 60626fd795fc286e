package uplink

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/weir-ips/weir/internal/telemetry"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

const (
	maxPending = 8192 // deltas kept while an earlier one is missing
	syncPause  = 250 * time.Millisecond
	appliedFor = 3 * wire.HealthEvery // how long reports say when a verdict came into force: one may be lost

	// How long an answer is awaited before it is asked for again: at first, and at most.
	syncTimeout    = 5 * time.Second
	maxSyncTimeout = time.Minute
)

// follower keeps the sensor's verdicts equal to the collector's log. One goroutine feeds it messages; position, refusals and
// counts may be read by others.
type follower struct {
	sensor, group string
	applier       Applier
	log           *slog.Logger
	now           func() time.Time
	request       func(*wire.SyncRequest) error // sends it; the answer comes as messages
	arm           func(*wire.Arming)            // nil: not heard
	keys          *keyring
	rules         *rulesKeeper
	kill          *killSwitch
	clock         clock

	pending   map[uint64]*wire.Delta // by seq, while an earlier one is missing
	elsewhere map[string]bool        // ids in the set that the applier does not hold: of another scope, expired, refused
	answer    answer                 // the one awaited
	asked     time.Time              // when it was asked for or last heard of, zero when none is awaited
	patience  time.Duration          // how long to wait for it
	again     time.Time              // not before this
	quiet     telemetry.Throttle

	mu       sync.Mutex // guards what follows
	epoch    uint64
	seq      uint64
	set      wire.Set
	refusals map[string]string // reason by verdict id; at most wire.MaxRefusals
	refused  uint64
	applied  []wire.Applied // that came into force last, oldest first; at most wire.MaxApplied
	counts   followerCounts
}

type followerCounts struct {
	syncs, gaps, badMessages, badSignatures uint64
}

func newFollower(o *Options, keys *keyring, rules *rulesKeeper, kill *killSwitch) *follower {
	wall := o.Wall
	if wall == nil {
		wall = time.Now
	}
	return &follower{
		clock:  clock{wall: wall},
		sensor: o.Sensor, group: o.Group, applier: o.Applier, arm: o.Arm, log: o.Log, now: time.Now, keys: keys, rules: rules, kill: kill,
		pending: map[uint64]*wire.Delta{}, elsewhere: map[string]bool{}, refusals: map[string]string{},
	}
}

// delta takes one entry of the log.
func (f *follower) delta(msg []byte) {
	pub := f.keys.collector()
	if pub == nil {
		return // no beacon yet; what is missed is asked for after it
	}
	d, err := wire.OpenDelta(pub, msg)
	if err != nil {
		f.bad(err)
		return
	}
	switch {
	case d.Epoch != f.epoch || d.Seq > f.seq+1:
		f.hold(d)
		f.sync()
	case d.Seq == f.seq+1:
		f.apply(d)
		f.catchUp()
	}
}

// hold keeps a delta that cannot be applied yet.
func (f *follower) hold(d *wire.Delta) {
	if len(f.pending) < maxPending {
		f.pending[d.Seq] = d
	}
	f.count(func(c *followerCounts) { c.gaps++ })
}

// catchUp applies the held deltas that have become the next.
func (f *follower) catchUp() {
	for {
		d := f.pending[f.seq+1]
		if d == nil || d.Epoch != f.epoch {
			break
		}
		f.apply(d)
	}
	for seq, d := range f.pending {
		if d.Epoch < f.epoch || d.Epoch == f.epoch && seq <= f.seq {
			delete(f.pending, seq)
		}
	}
}

func (f *follower) apply(d *wire.Delta) {
	id := d.ID
	if d.Op == wire.OpAdd {
		id = d.Verdict.ID
	}
	held := f.set.Has(id) && !f.elsewhere[id]
	f.mu.Lock()
	f.seq = d.Seq
	if d.Op == wire.OpAdd {
		f.set.Add(id, d.Seq)
	} else {
		f.set.Remove(id)
	}
	delete(f.refusals, id)
	f.mu.Unlock()
	delete(f.pending, d.Seq)
	delete(f.elsewhere, id)
	if d.Op == wire.OpAdd && f.concerns(d.Verdict) {
		f.enforce(d.Verdict, held)
		return
	}
	if d.Op == wire.OpAdd {
		f.elsewhere[id] = true
	}
	if held {
		f.lift(id)
	}
}

// concerns reports whether v is for this sensor and still runs.
func (f *follower) concerns(v *verdict.Verdict) bool { return f.concernsAt(v, f.clock.now()) }

func (f *follower) concernsAt(v *verdict.Verdict, now time.Time) bool {
	return wire.InScope(v.Scope, f.sensor, f.group) && v.ExpiresAt.After(now)
}

// enforce has a verdict applied; held says that the applier has an earlier one of the same id.
func (f *follower) enforce(v *verdict.Verdict, held bool) {
	err := f.applier.Apply(f.clock.here(*v))
	if err == nil {
		if !held {
			f.noteApplied(v)
		}
		return
	}
	if held {
		f.lift(v.ID) // the one it was to replace must not stay in its stead
	}
	f.elsewhere[v.ID] = true
	f.refuse(v.ID, err)
}

// noteApplied notes when a verdict came into force. What came with a whole set is not noted: it may be in force for long.
func (f *follower) noteApplied(v *verdict.Verdict) {
	at := f.clock.wall()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.applied) == wire.MaxApplied {
		f.applied = append(f.applied[:0], f.applied[1:]...)
	}
	f.applied = append(f.applied, wire.Applied{ID: v.ID, Seq: v.Seq, At: at})
}

func (f *follower) lift(id string) {
	if err := f.applier.Remove(id); err != nil {
		f.log.Error("verdict not removed; it stays until it expires", "verdict", id, "error", err)
	}
}

func (f *follower) refuse(id string, err error) {
	f.mu.Lock()
	f.refused++
	if len(f.refusals) < wire.MaxRefusals {
		f.refusals[id] = err.Error()
	}
	f.mu.Unlock()
	if ok, skipped := f.quiet.Allow(f.now()); ok {
		f.log.Warn("verdict refused", "verdict", id, "reason", err, "more", skipped)
	}
}

// replace takes a whole set.
func (f *follower) replace(epoch, seq uint64, vs []verdict.Verdict) {
	set, now := wire.NewSet(len(vs)), f.clock.now()
	clear(f.elsewhere)
	all, here := len(vs), 0
	for i := range vs {
		set.Add(vs[i].ID, vs[i].Seq)
		if !f.concernsAt(&vs[i], now) {
			f.elsewhere[vs[i].ID] = true
			continue
		}
		if here != i {
			vs[here] = vs[i]
		}
		vs[here].ExpiresAt = vs[here].ExpiresAt.Add(f.clock.ahead)
		here++
	}
	clear(vs[here:])
	vs = vs[:here]
	if epoch != f.epoch || seq < f.seq {
		clear(f.pending) // deltas of a log that was lost
	}
	f.mu.Lock()
	f.epoch, f.seq, f.set = epoch, seq, set
	clear(f.refusals)
	f.mu.Unlock()
	if err := f.applier.Replace(epoch, seq, vs); err != nil {
		f.refuseAll(err)
	}
	f.log.Info("verdicts synchronised", "epoch", epoch, "seq", seq, "verdicts", all, "here", len(vs))
}

// refuseAll takes Replace's error apart.
func (f *follower) refuseAll(err error) {
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		for _, e := range many.Unwrap() {
			f.refuseAll(e)
		}
		return
	}
	var one *Refusal
	if errors.As(err, &one) {
		f.elsewhere[one.ID] = true
		f.refuse(one.ID, one.Err)
		return
	}
	f.refuse("*", err)
}

// arming takes what the collector says is under attack.
func (f *follower) arming(msg []byte) {
	pub := f.keys.collector()
	if pub == nil || f.arm == nil {
		return // no beacon yet; the next arming says it again
	}
	a, err := wire.OpenArming(pub, msg)
	if err != nil {
		f.bad(err)
		return
	}
	f.arm(a)
}

// beacon compares positions.
func (f *follower) beacon(msg []byte) {
	b, err := f.keys.openBeacon(msg)
	if err != nil {
		f.bad(err)
		return
	}
	f.checkClock(b)
	f.kill.offer(&b.Kill)
	f.rules.offer(b.RulesFor(f.sensor, f.group), f.now())
	if b.Epoch != f.epoch || b.Seq != f.seq || b.Hash != f.set.Hash() {
		f.count(func(c *followerCounts) { c.gaps++ })
		f.sync()
	}
}

func (f *follower) bad(err error) {
	hint := ""
	f.count(func(c *followerCounts) {
		if errors.Is(err, wire.ErrSignature) {
			c.badSignatures++
			hint = f.keys.hint()
		} else {
			c.badMessages++
		}
	})
	if ok, skipped := f.quiet.Allow(f.now()); ok {
		f.log.Error("message from the collector's side ignored", "error", err, "hint", hint, "more", skipped)
	}
}

func (f *follower) count(add func(*followerCounts)) {
	f.mu.Lock()
	add(&f.counts)
	f.mu.Unlock()
}

// position is where the sensor stands.
func (f *follower) position() (epoch, seq, hash uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.epoch, f.seq, f.set.Hash()
}

// report fills in what the follower knows.
func (f *follower) report(h *wire.Health) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h.Epoch, h.Seq, h.Hash, h.Verdicts = f.epoch, f.seq, f.set.Hash(), uint64(f.set.Len())
	for id, reason := range f.refusals {
		h.Refusals = append(h.Refusals, wire.Refusal{ID: id, Reason: reason})
	}
	h.Refused = f.refused
	now := f.clock.wall()
	for _, a := range f.applied {
		if now.Sub(a.At) < appliedFor {
			h.Applied = append(h.Applied, a)
		}
	}
	u, c := &h.Uplink, &f.counts
	u.Syncs, u.Gaps, u.BadMessages, u.BadSignatures = c.syncs, c.gaps, c.badMessages, c.badSignatures
}
