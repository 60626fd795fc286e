package incident

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/pkg/wire"
)

// Part is the incidents' tables, for a database that several collectors share.
func Part() store.Part { return store.Part{Name: "incidents", Schema: schema, Version: schemaVersion} }

// Options is where incidents are kept and when they end. Dir or Database is required.
type Options struct {
	Dir       string
	Database  *store.Database // with Part's tables, which Close closes; nil: a file in Dir
	Quiet     time.Duration   // an attack is over after so long without an alert; DefaultQuiet if 0
	AutoClose time.Duration   // an incident that nobody took up resolves itself after so long; DefaultAutoClose if 0
	Keep      time.Duration   // incidents are forgotten so long after their last alert; 30 days if 0
	Log       *slog.Logger
	Now       func() time.Time
}

// When incidents end unless configured otherwise.
const (
	DefaultQuiet     = time.Hour
	DefaultAutoClose = 24 * time.Hour
)

const (
	maxActive    = 10_000         // incidents that alerts can join
	maxSpan      = 24 * time.Hour // then the same attacker's next alert begins another one
	floodRest    = 10 * time.Minute
	ownSources   = 5  // attackers of the same target by the same signature that have incidents of their own
	ownIncidents = 32 // incidents that begin with the same signature before further ones are one
	flushEvery   = time.Second
	maxKinds     = 20_000
	merging      = 10 * time.Minute // a flood takes over what its first packets set off within this time
)

// Tracker keeps incidents. Its methods may be called from many goroutines.
type Tracker struct {
	opt   Options
	db    *store.Database
	kinds *lru.Cache[kindKey, *kind]

	flushing sync.Mutex // held while changes are written: who waits for it finds all before on disk

	mu       sync.Mutex
	active   map[string]*live
	index    map[key]*live
	begun    map[uint32]int // active incidents by the signature they began with
	byTarget map[netip.Addr]map[*live]bool
	follows  bool   // another collector keeps the incidents: see Lead
	rev      uint64 // counts changes, from 1: 0 asks where it stands
	stats    counters
}

type counters struct {
	considered, opened, joined, recounted, merged, crowded, unreadable, failures uint64
}

// Stats counts since the start.
type Stats struct {
	Considered uint64 // alerts
	Opened     uint64 // incidents
	Joined     uint64 // alerts that joined one
	Recounted  uint64 // alerts that came again after a crash, and were counted already
	Merged     uint64 // incidents that turned out to be part of a flood
	Crowded    uint64 // incidents ended early: more were active than can be kept
	Unreadable uint64 // EVE records
	Failures   uint64 // writes that failed; they are tried again
	Active     int
}

// Open opens the incidents in opt.Dir, making the file if need be. Run keeps it.
func Open(opt Options) (*Tracker, error) {
	if opt.Quiet == 0 {
		opt.Quiet = DefaultQuiet
	}
	if opt.AutoClose == 0 {
		opt.AutoClose = DefaultAutoClose
	}
	if opt.Keep == 0 {
		opt.Keep = 30 * 24 * time.Hour
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	db := opt.Database
	if db == nil {
		if err := os.MkdirAll(opt.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("incidents: %w", err)
		}
		var err error
		if db, err = store.OpenFile(filepath.Join(opt.Dir, "incidents.db"), schema, schemaVersion); err != nil {
			return nil, fmt.Errorf("incidents: %w", err)
		}
	}
	kinds, err := lru.New[kindKey, *kind](maxKinds)
	if err != nil {
		return nil, err
	}
	t := &Tracker{opt: opt, db: db, kinds: kinds, follows: db.Shared()}
	t.clear()
	if t.follows {
		return t, nil
	}
	if err := t.restore(context.Background()); err != nil {
		db.Close()
		return nil, fmt.Errorf("incidents: %w", err)
	}
	return t, nil
}

func (t *Tracker) clear() {
	t.active, t.index, t.begun, t.byTarget = map[string]*live{}, map[key]*live{}, map[uint32]int{}, map[netip.Addr]map[*live]bool{}
}

// Lead takes the incidents of a shared database over from the collector that kept them before; until then, and after Follow, they are
// read from the database.
func (t *Tracker) Lead(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.db.Shared() {
		return nil
	}
	t.clear()
	if err := t.restore(ctx); err != nil {
		return fmt.Errorf("incidents: %w", err)
	}
	t.follows = false
	return nil
}

// Follow writes what is left and leaves the incidents of a shared database to the collector that leads now: what that one has written
// since is not undone.
func (t *Tracker) Follow(ctx context.Context) error {
	if !t.db.Shared() {
		return nil
	}
	err := t.flush(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear()
	t.follows = true
	return err
}

// Close writes what has changed and closes the file.
func (t *Tracker) Close() error {
	err := t.flush(context.Background())
	if e := t.db.Close(); err == nil {
		err = e
	}
	return err
}

// Run writes changes to disk and ends what is over, until ctx ends.
func (t *Tracker) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil // Close writes the rest
		case <-tick.C:
		}
		t.sweep()
		if err := t.flush(ctx); err != nil && ctx.Err() == nil {
			t.opt.Log.Error("incidents not written; will try again", "error", err)
		}
		if n%60 == 0 {
			if err := t.retire(ctx); err != nil && ctx.Err() == nil {
				t.opt.Log.Error("incidents not retired; will try again", "error", err)
			}
		}
	}
}

// Consider puts alerts, which the store has just taken, into incidents. It does not wait for the disk.
func (t *Tracker) Consider(events []wire.Event) { t.ConsiderAt(events, nil, false) }

// ConsiderAt is Consider for alerts whose position in a stream is known (0: of one it is not). Those that come again, as an earlier run may
// have died before it counted them, are counted by incidents that have not counted anything at their position or after it.
func (t *Tracker) ConsiderAt(events []wire.Event, at []uint64, again bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.opt.Now().UTC()
	for i := range events {
		a := t.read(&events[i])
		t.stats.considered++
		in := t.place(&a)
		if in == nil {
			in = t.begin(&a)
		} else if again && at[i] <= in.upto {
			t.stats.recounted++
			continue
		} else {
			t.stats.joined++
		}
		if at != nil {
			in.upto = max(in.upto, at[i])
		}
		in.add(&a, now)
		t.learn(in, &a)
		t.touch(in)
	}
}

// Stats is a snapshot.
func (t *Tracker) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.stats
	return Stats{s.considered, s.opened, s.joined, s.recounted, s.merged, s.crowded, s.unreadable, s.failures, len(t.active)}
}

func newID() string { return "i-" + strings.ToLower(rand.Text()[:12]) }
