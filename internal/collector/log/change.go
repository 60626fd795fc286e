package log

import (
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// Change is one verdict that came into force or ended.
type Change struct {
	Op      wire.Op
	Verdict verdict.Verdict
	By      string // who ended it, "expiry" when its time was up; for wire.OpAdd who made it
	At      time.Time
}

// changes says what ds will do to s. It is asked before they are applied, because a removal names no more than an id.
func (s *state) changes(ds []wire.Delta, now time.Time) []Change {
	out := make([]Change, 0, len(ds))
	for i := range ds {
		d := &ds[i]
		if d.Op == wire.OpAdd {
			out = append(out, Change{Op: d.Op, Verdict: *d.Verdict, By: d.Verdict.CreatedBy, At: now})
		} else if v, ok := s.verdicts[d.ID]; ok {
			out = append(out, Change{Op: d.Op, Verdict: *v, By: d.By, At: now})
		}
	}
	return out
}

// tell calls the observer. The caller holds write, not mu.
func (l *Log) tell(changes []Change) {
	if l.o.Observe != nil && len(changes) > 0 {
		l.o.Observe(changes)
	}
}
