package bus

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Of several collectors on one cluster one leads. It holds a lease, an entry of a replicated key-value bucket that it renews; one
// that is not renewed in time goes to whoever replaces exactly that revision first. Clocks are not compared: who waits measures
// how long the revision has not changed.
const (
	leaseBucket = "WEIR_COLLECTORS"
	leaseKey    = "leader"
	leaseRenew  = time.Second
	leaseLook   = 500 * time.Millisecond
	leaseLife   = 4 * time.Second // unchanged for so long, it is free
	leaseYield  = 3 * time.Second // not renewed for so long, its holder stops leading
)

// Holder is who leads.
type Holder struct {
	ID   string    `json:"id"` // of one run of a collector
	Name string    `json:"name"`
	URL  string    `json:"url"`  // of its console
	Term uint64    `json:"term"` // grows by one with each change of leader
	At   time.Time `json:"at"`   // of the last renewal, by its clock; for people
}

// Lease elects the leader.
type Lease struct {
	kv   jetstream.KeyValue
	self Holder
	log  *slog.Logger

	holder   atomic.Pointer[Holder] // nil: not known yet
	revision uint64                 // of the entry last seen
	seen     time.Time              // when it was first seen
}

// OpenLease opens the bucket, which is made if need be, for the collector that self describes.
func OpenLease(ctx context.Context, js jetstream.JetStream, replicas int, self Holder, log *slog.Logger) (*Lease, error) {
	kv, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: leaseBucket, History: 1, Replicas: replicas})
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", leaseBucket, err)
	}
	self.ID = rand.Text()
	return &Lease{kv: kv, self: self, log: log}, nil
}

// Holder returns who leads; false while nobody is known to.
func (l *Lease) Holder() (Holder, bool) {
	if h := l.holder.Load(); h != nil {
		return *h, true
	}
	return Holder{}, false
}

// Leads reports whether this collector is the leader.
func (l *Lease) Leads() bool {
	h, ok := l.Holder()
	return ok && h.ID == l.self.ID
}

// Run calls lead whenever this collector holds the lease and follow whenever it does not, each with a context that ends when that
// changes, until ctx ends or one of them fails.
func (l *Lease) Run(ctx context.Context, lead, follow func(context.Context) error) error {
	for ctx.Err() == nil {
		if err := l.during(ctx, follow, l.acquire); err != nil {
			return err
		}
		if ctx.Err() != nil {
			break
		}
		h, _ := l.Holder()
		l.log.Info("this collector leads", "term", h.Term)
		err := l.during(ctx, lead, l.hold)
		l.release()
		if err != nil {
			return err
		}
		l.log.Warn("this collector leads no more", "term", h.Term)
	}
	return nil
}

// during runs work until wait returns.
func (l *Lease) during(ctx context.Context, work func(context.Context) error, wait func(context.Context)) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- work(inner); cancel() }()
	wait(inner)
	cancel()
	return <-done
}

// acquire returns once the lease is held.
func (l *Lease) acquire(ctx context.Context) {
	l.revision, l.seen = 0, time.Now()
	tick := time.NewTicker(leaseLook)
	defer tick.Stop()
	for !l.tryAcquire(ctx) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (l *Lease) tryAcquire(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, leaseYield)
	defer cancel()
	entry, err := l.kv.Get(ctx, leaseKey)
	next := l.self
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		next.Term = 1
		if h := l.holder.Load(); h != nil {
			next.Term = h.Term + 1
		}
		return l.write(ctx, next, func(text []byte) (uint64, error) { return l.kv.Create(ctx, leaseKey, text) })
	case err != nil:
		return false
	}
	var have Holder
	if json.Unmarshal(entry.Value(), &have) == nil {
		l.holder.Store(&have)
	}
	if entry.Revision() != l.revision {
		l.revision, l.seen = entry.Revision(), time.Now()
	}
	if have.ID != "" && time.Since(l.seen) < leaseLife {
		return false
	}
	next.Term = have.Term + 1
	return l.write(ctx, next, func(text []byte) (uint64, error) { return l.kv.Update(ctx, leaseKey, text, entry.Revision()) })
}

func (l *Lease) write(ctx context.Context, h Holder, put func([]byte) (uint64, error)) bool {
	began := time.Now()
	h.At = began.UTC()
	text, err := json.Marshal(&h)
	if err != nil {
		return false
	}
	revision, err := put(text)
	if err != nil {
		return false
	}
	l.revision, l.seen = revision, began
	l.holder.Store(&h)
	return ctx.Err() == nil
}

// hold renews the lease and returns when it is lost.
func (l *Lease) hold(ctx context.Context) {
	tick := time.NewTicker(leaseRenew)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if lost := l.renew(ctx); lost || time.Since(l.seen) > leaseYield {
			l.holder.Store(nil)
			return
		}
	}
}

// renew reports whether somebody else has the lease. An answer that does not come leaves it open.
func (l *Lease) renew(ctx context.Context) (lost bool) {
	ctx, cancel := context.WithTimeout(ctx, leaseRenew)
	defer cancel()
	h, _ := l.Holder()
	was := l.revision
	if l.write(ctx, h, func(text []byte) (uint64, error) { return l.kv.Update(ctx, leaseKey, text, was) }) {
		return false
	}
	entry, err := l.kv.Get(ctx, leaseKey)
	if err != nil {
		return false
	}
	var have Holder
	if json.Unmarshal(entry.Value(), &have) != nil || have.ID != l.self.ID {
		return true
	}
	l.revision = max(entry.Revision(), was) // our own write, whose answer was lost
	return false
}

// release lets another take over at once. It keeps the entry, for its term.
func (l *Lease) release() {
	h, ok := l.Holder()
	if !ok || h.ID != l.self.ID {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaseRenew)
	defer cancel()
	if text, err := json.Marshal(&Holder{Term: h.Term, At: time.Now().UTC()}); err == nil {
		_, _ = l.kv.Update(ctx, leaseKey, text, l.revision) // else it runs out
	}
	l.holder.Store(nil)
}
