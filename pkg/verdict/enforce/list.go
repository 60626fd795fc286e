package enforce

import (
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
)

// Enforced is a verdict and what it has done.
type Enforced struct {
	verdict.Verdict
	Packets, Bytes uint64 // it decided about, or would have
	Applied        time.Time
	Suspended      bool // by the drop-share breaker
	Held           bool // by a kill switch for its origin or rule
}

// Verdicts lists the table, in no order.
func (e *Enforcer) Verdicts() []Enforced {
	e.lock()
	defer e.mu.Unlock()
	list := make([]Enforced, 0, e.table.Len())
	for entry := range e.table.All() {
		list = append(list, e.enforced(entry))
	}
	return list
}

// Verdict returns the verdict with this ID; ok is false if there is none.
func (e *Enforcer) Verdict(id string) (v Enforced, ok bool) {
	e.lock()
	defer e.mu.Unlock()
	entry := e.table.Get(id)
	if entry == nil {
		return Enforced{}, false
	}
	return e.enforced(entry), true
}

func (e *Enforcer) enforced(entry *verdict.Entry) Enforced {
	packets, bytes := e.hits(entry)
	return Enforced{entry.Verdict, packets, bytes, entry.Applied, entry.Suspended, e.held.covers(&entry.Verdict)}
}

// Len is the number of verdicts in the table.
func (e *Enforcer) Len() int {
	e.lock()
	defer e.mu.Unlock()
	return e.table.Len()
}

// Position is the collector's epoch and sequence number of the last Replace.
func (e *Enforcer) Position() (epoch, seq uint64) {
	e.lock()
	defer e.mu.Unlock()
	return e.maps.Control.Epoch, e.maps.Control.Seq
}
