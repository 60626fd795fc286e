package log

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// ErrTooOld is for a position that the log no longer or not yet reaches.
var ErrTooOld = errors.New("the log does not reach this position")

// RolledBack is what a rollback changed.
type RolledBack struct {
	Removed  int `json:"removed"`  // verdicts made since
	Restored int `json:"restored"` // verdicts removed or replaced since, with new numbers
	Skipped  int `json:"skipped"`  // verdicts of then that have expired or may not be in force any more
}

// Rollback makes the set what it was after the delta numbered to, by new deltas in by's name: the log itself is never shortened.
// Verdicts of then come back only if allowed says so.
func (l *Log) Rollback(ctx context.Context, to uint64, by string, allowed func(*verdict.Verdict) bool) (RolledBack, error) {
	l.write.Lock()
	defer l.write.Unlock()
	then, err := l.at(ctx, to)
	if err != nil {
		return RolledBack{}, fmt.Errorf("roll back to %d: %w", to, err)
	}
	var done RolledBack
	ds := l.difference(then, by, allowed, &done)
	if len(ds) == 0 {
		return done, nil
	}
	if err := l.append(ctx, ds); err != nil {
		return RolledBack{}, fmt.Errorf("roll back to %d: %w", to, err)
	}
	return done, nil
}

// at reads the verdicts as they were after delta seq. The caller holds write.
func (l *Log) at(ctx context.Context, seq uint64) (map[string]*verdict.Verdict, error) {
	epoch, now := l.Position()
	if seq > now {
		return nil, fmt.Errorf("%w: it stands at %d", ErrTooOld, now)
	}
	stream, err := l.js.Stream(ctx, wire.StreamVerdicts)
	if err != nil {
		return nil, err
	}
	ld := loader{log: l, until: max(seq, 1)}
	if err := ld.read(ctx, stream, l.streamSeq); err != nil {
		return nil, err
	}
	switch {
	case ld.fault != nil:
		return nil, ld.fault
	case ld.state.epoch != epoch || ld.state.seq > max(seq, 1):
		return nil, fmt.Errorf("%w: what was before %d has been compacted", ErrTooOld, ld.state.seq)
	case seq == 0:
		return nil, nil
	}
	return ld.state.verdicts, nil
}

// difference is the deltas from now to then.
func (l *Log) difference(then map[string]*verdict.Verdict, by string, allowed func(*verdict.Verdict) bool, done *RolledBack) []wire.Delta {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var ds []wire.Delta
	for id, v := range l.verdicts {
		if old := then[id]; old == nil || old.Seq != v.Seq && !allowed(old) {
			ds = append(ds, wire.Delta{Op: wire.OpRemove, ID: id, By: by})
			done.Removed++
		}
	}
	for id, old := range then {
		if v := l.verdicts[id]; v != nil && v.Seq == old.Seq {
			continue
		}
		if !old.ExpiresAt.After(l.o.Now()) || !allowed(old) {
			done.Skipped++
			continue
		}
		again := *old
		ds = append(ds, wire.Delta{Op: wire.OpAdd, Verdict: &again})
		done.Restored++
	}
	return ds
}

// RemoveAll ends verdicts together and returns how many there were. Like Remove it keeps automation from bringing its own back.
func (l *Log) RemoveAll(ctx context.Context, ids []string, by string) (int, error) {
	l.write.Lock()
	defer l.write.Unlock()
	var ds []wire.Delta
	for _, id := range ids {
		v, ok := l.Get(id)
		switch {
		case !ok:
		case v.Origin == verdict.OriginAnalyst:
			ds = append(ds, wire.Delta{Op: wire.OpRemove, ID: id, By: by})
		default:
			ds = append(ds, wire.Delta{Op: wire.OpRevoke, ID: id, By: by, Until: v.ExpiresAt})
		}
	}
	if len(ds) == 0 {
		return 0, nil
	}
	if err := l.append(ctx, ds); err != nil {
		return 0, fmt.Errorf("remove %d verdicts: %w", len(ds), err)
	}
	l.counts.removes.Add(uint64(len(ds)))
	return len(ds), nil
}

// Change adds and removes together, in one entry if they are many. Unlike Remove it revokes nothing.
func (l *Log) Change(ctx context.Context, add []verdict.Verdict, remove []string, by string) error {
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.admit(add); err != nil {
		return err
	}
	ds := additions(add)
	for _, id := range remove {
		if _, ok := l.Get(id); ok {
			ds = append(ds, wire.Delta{Op: wire.OpRemove, ID: id, By: by})
		}
	}
	if len(ds) == 0 {
		return nil
	}
	if err := l.append(ctx, ds); err != nil {
		return fmt.Errorf("change %d verdicts: %w", len(ds), err)
	}
	l.counts.adds.Add(uint64(len(add)))
	l.counts.removes.Add(uint64(len(ds) - len(add)))
	return nil
}

// RevokedAnywhere reports whether a verdict on what v is about was revoked, in whatever scope, and until when.
func (l *Log) RevokedAnywhere(v *verdict.Verdict) (until time.Time, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	key, now := keyOf(v), l.o.Now()
	for k, end := range l.revoked {
		if key.scope = k.scope; k == key && end.After(now) && end.After(until) {
			until, ok = end, true
		}
	}
	return until, ok
}

// Revoked reports whether a person has revoked what v says, so that automation may not decide it again yet.
func (l *Log) Revoked(v *verdict.Verdict) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	until, ok := l.revoked[keyOf(v)]
	return ok && l.o.Now().Before(until)
}
