// Package log is the verdict log: it numbers verdicts without gaps, signs them, writes them to disk, and brings every sensor to
// the same set.
//
// The stream VERDICTS is the truth: deltas, and now and then a snapshot that lets the deltas before it go. What is in memory
// follows from it, and whenever a write's outcome is in doubt it is read again. Sensors hear the same messages on a plain
// subscription at the moment they are written; one that missed some asks on v.sync, and the beacon tells it that it did.
package log

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// Errors of Add and Remove.
var (
	ErrUnknown = errors.New("no such verdict")
	ErrFull    = errors.New("the verdict log is full")
	ErrFollows = errors.New("another collector leads: this one may not write")
	ErrRevoked = errors.New("a person revoked this verdict; automation may decide anew when it would have expired")
)

// Options is what a log needs. Conn and Key are required.
type Options struct {
	Conn         *nats.Conn // with permission for everything
	Key          ed25519.PrivateKey
	Max          int                                          // verdicts in force; 1,000,000 if 0
	CompactAfter int                                          // deltas in the stream before a snapshot replaces them; 50,000 if 0
	Rules        func() (all string, other map[string]string) // versions of the rules that the beacon names; nil: none
	Kill         func() wire.KillSwitch                       // that the beacon carries; nil: never touched
	Follower     bool                                         // another collector may be writing: only Lead lets this one write
	Observe      func([]Change)                               // called with what was written, in order; must not block. nil: nobody
	Now          func() time.Time                             // nil: time.Now
	Log          *slog.Logger                                 // nil: slog.DiscardHandler
}

// Log is the verdict log. It is safe for concurrent use.
type Log struct {
	o  Options
	js jetstream.JetStream

	write sync.Mutex // held over a whole append, so that numbers are given and written in one order
	leads atomic.Bool
	doubt bool // the last append's outcome is unknown: read the stream before the next. Guarded by write.

	mu sync.RWMutex // guards state
	state

	snapshots snapshotCache
	asking    *inquiries
	counts    counters
}

type counters struct {
	adds, removes, revokes, expiries, syncs, snapshots, reloads, badRequests atomic.Uint64
}

// Stats counts since the start; the gauges are current.
type Stats struct {
	Verdicts    int // gauge
	Seq         uint64
	Adds        uint64
	Removes     uint64
	Revokes     uint64
	Expiries    uint64
	Syncs       uint64 // answers to v.sync
	Snapshots   uint64 // of those, with the whole set
	Reloads     uint64 // times the stream was read again because a write's outcome was unknown
	BadRequests uint64
}

// Open reads the log back from the stream, which bus.EnsureStreams has made. An empty stream begins a new epoch.
func Open(ctx context.Context, o Options) (*Log, error) {
	if o.Max == 0 {
		o.Max = 1_000_000
	}
	if o.CompactAfter == 0 {
		o.CompactAfter = 50_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	js, err := jetstream.New(o.Conn, jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		return nil, fmt.Errorf("verdict log: %w", err)
	}
	l := &Log{o: o, js: js, asking: newInquiries()}
	l.leads.Store(!o.Follower)
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.reload(ctx); err != nil {
		return nil, fmt.Errorf("verdict log: %w", err)
	}
	return l, nil
}

// Add puts v into force everywhere in its scope, or replaces the verdict with the same ID, and returns it with its number.
// When it returns, v survives a crash.
func (l *Log) Add(ctx context.Context, v verdict.Verdict) (verdict.Verdict, error) {
	vs, err := l.AddAll(ctx, []verdict.Verdict{v})
	if err != nil {
		return v, err
	}
	return vs[0], nil
}

// AddAll is Add for many, written together. What cannot be in force refuses all; when the writing itself fails, the first of
// them may be in force.
func (l *Log) AddAll(ctx context.Context, vs []verdict.Verdict) ([]verdict.Verdict, error) {
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.admit(vs); err != nil {
		return nil, err
	}
	ds := additions(vs)
	if err := l.append(ctx, ds); err != nil {
		return nil, fmt.Errorf("add verdict: %w", err)
	}
	l.counts.adds.Add(uint64(len(ds)))
	out := make([]verdict.Verdict, len(ds))
	for i := range ds {
		out[i] = *ds[i].Verdict
	}
	return out, nil
}

// additions are the deltas that put vs into force.
func additions(vs []verdict.Verdict) []wire.Delta {
	ds := make([]wire.Delta, len(vs))
	for i := range vs {
		v := vs[i]
		v.Match.Src, v.Match.Dst = v.Match.Src.Masked(), v.Match.Dst.Masked()
		v.CreatedAt, v.ExpiresAt = v.CreatedAt.UTC().Round(0), v.ExpiresAt.UTC().Round(0)
		ds[i] = wire.Delta{Op: wire.OpAdd, Verdict: &v}
	}
	return ds
}

// admit refuses what would make the set too large, and what a person has revoked.
func (l *Log) admit(vs []verdict.Verdict) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	grow := 0
	for i := range vs {
		v := &vs[i]
		if _, replaces := l.verdicts[v.ID]; !replaces {
			grow++
		}
		if until, ok := l.revoked[keyOf(v)]; ok && v.Origin != verdict.OriginAnalyst && l.o.Now().Before(until) {
			return fmt.Errorf("verdict %s: %w (%s)", v.ID, ErrRevoked, until.Format(time.RFC3339))
		}
	}
	if n := len(l.verdicts) + grow; n > l.o.Max {
		return fmt.Errorf("%w: %d verdicts would be in force, at most %d", ErrFull, n, l.o.Max)
	}
	return nil
}

// Remove ends a verdict everywhere and returns what it was. One that automation made counts as revoked: until it would have
// expired, automation does not bring it back.
func (l *Log) Remove(ctx context.Context, id, by string) (verdict.Verdict, error) {
	l.write.Lock()
	defer l.write.Unlock()
	v, ok := l.Get(id)
	if !ok {
		return v, fmt.Errorf("remove verdict %q: %w", id, ErrUnknown)
	}
	d := wire.Delta{Op: wire.OpRemove, ID: id, By: by}
	if v.Origin != verdict.OriginAnalyst {
		d = wire.Delta{Op: wire.OpRevoke, ID: id, By: by, Until: v.ExpiresAt}
	}
	if err := l.append(ctx, []wire.Delta{d}); err != nil {
		return v, fmt.Errorf("remove verdict %q: %w", id, err)
	}
	if d.Op == wire.OpRevoke {
		l.counts.revokes.Add(1)
	}
	l.counts.removes.Add(1)
	return v, nil
}

// Run answers sensors, sends beacons, ends verdicts whose time is up, and compacts, until ctx ends.
func (l *Log) Run(ctx context.Context) error {
	sub, err := l.o.Conn.QueueSubscribe(wire.SubjectSync, "collector", l.hearSync)
	if err != nil {
		return fmt.Errorf("verdict log: answer %s: %w", wire.SubjectSync, err)
	}
	defer sub.Unsubscribe()
	answering, stop := context.WithCancel(ctx)
	var answers sync.WaitGroup
	answers.Go(func() { l.answerSyncs(answering) })
	defer answers.Wait()
	defer stop()
	beacon := time.NewTicker(wire.BeaconEvery)
	defer beacon.Stop()
	for {
		if err := l.beacon(); err != nil {
			l.o.Log.Warn("no beacon sent", "error", err)
		}
		if err := l.tidy(ctx); err != nil && ctx.Err() == nil {
			l.o.Log.Error("verdict log not tidied; will try again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-beacon.C:
		}
	}
}

// Announce sends a beacon now instead of at the next second.
func (l *Log) Announce() error { return l.beacon() }

func (l *Log) beacon() error {
	l.mu.RLock()
	b := wire.Beacon{Epoch: l.epoch, Seq: l.seq, Count: l.set.Len(), Hash: l.set.Hash(), Time: l.o.Now()}
	l.mu.RUnlock()
	if l.o.Rules != nil {
		b.Rules, b.Other = l.o.Rules()
	}
	if l.o.Kill != nil {
		b.Kill = l.o.Kill()
	}
	msg, err := b.Seal(l.o.Key)
	if err != nil {
		return err
	}
	return l.o.Conn.Publish(wire.SubjectBeacon, msg)
}

// expireAtOnce bounds what one tick removes, so that an append stays short.
const expireAtOnce = 5000

// tidy removes expired verdicts and compacts when it is time.
func (l *Log) tidy(ctx context.Context) error {
	l.write.Lock()
	defer l.write.Unlock()
	l.mu.Lock()
	ids := l.expired(l.o.Now(), expireAtOnce)
	l.mu.Unlock()
	if len(ids) > 0 {
		ds := make([]wire.Delta, len(ids))
		for i, id := range ids {
			ds[i] = wire.Delta{Op: wire.OpRemove, ID: id, By: byExpiry}
		}
		if err := l.append(ctx, ds); err != nil {
			return fmt.Errorf("expire %d verdicts: %w", len(ids), err)
		}
		l.counts.expiries.Add(uint64(len(ids)))
	}
	if l.sinceSnapshot >= l.o.CompactAfter {
		return l.compact(ctx)
	}
	return nil
}
