package log

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weir-ips/weir/pkg/wire"
)

// A change of many verdicts is written as a snapshot of what they lead to, under one number: a few messages to bring to the disk
// instead of thousands, and sensors swap the whole set as they do after a restart. It pays once the changes are many, and not
// few beside the verdicts that the snapshot repeats.
const (
	bulkLeast = 512
	bulkShare = 50 // verdicts in force for each change
)

func (l *Log) isBulk(changes int) bool {
	return changes > bulkLeast && changes*bulkShare > len(l.verdicts)
}

// appendBulk is append by snapshot. What is before the snapshot stays in the stream, so that the change can be rolled back.
func (l *Log) appendBulk(ctx context.Context, ds []wire.Delta) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 6*ackTimeout)
	defer cancel()
	now := l.o.Now()
	next, changes := l.withAll(ds, now), l.changes(ds, now)
	err := l.writeSnapshot(ctx, &next)
	if err == nil {
		next.streamSeq = l.streamSeq
		l.install(next)
		l.tell(changes)
		return l.beacon() // sensors need not wait for the next
	}
	if reloadErr := l.reload(ctx); reloadErr != nil {
		return errors.Join(err, fmt.Errorf("read the log again: %w", reloadErr))
	}
	if l.seq == next.seq && l.set.Hash() == next.set.Hash() {
		return nil
	}
	return err
}

// withAll is the state with ds applied as one entry.
func (l *Log) withAll(ds []wire.Delta, now time.Time) state {
	s := newState(l.epoch)
	s.seq, s.revoked, s.ended = l.seq+1, maps.Clone(l.revoked), slices.Clone(l.ended)
	for _, v := range l.verdicts {
		s.put(v)
	}
	for i := range ds {
		d := &ds[i]
		d.Epoch, d.Seq = s.epoch, s.seq
		if d.Op == wire.OpAdd {
			d.Verdict.Epoch, d.Verdict.Seq = d.Epoch, d.Seq
			s.put(d.Verdict)
			continue
		}
		if v, ok := s.verdicts[d.ID]; ok {
			s.finish(v, d, now)
		}
	}
	s.sinceSnapshot = l.sinceSnapshot + len(ds)
	return s
}
