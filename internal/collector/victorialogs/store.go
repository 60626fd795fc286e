// Package victorialogs keeps alerts on a VictoriaLogs server, which several collectors may share.
//
// An alert is one log entry of the stream {weir="alert",sensor=…}; its fields have EVE's names where EVE has them, and eve is the
// record itself. The server keeps whatever it is sent, so that each id is asked for before it is sent. What people decide about
// alerts is not on the server: entries there never change.
package victorialogs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/weir-ips/weir/internal/collector/store"
)

// Options is where the server is. URL, Client and Desk are required.
type Options struct {
	URL           string // such as https://logs.example:9428
	Client        *http.Client
	Authorization func() (string, error) // the whole header; nil or "": none
	Account       uint32                 // tenant
	Project       uint32
	Desk          *store.Desk   // keeps what people decide. Whoever opened it closes it
	Keep          time.Duration // decisions are forgotten so long after their alert; 30 days if 0
	Log           *slog.Logger
}

// Store keeps alerts. Its methods may be called from many goroutines.
type Store struct {
	opt    Options
	recent *store.Recent

	mu    sync.Mutex // one insertion at a time
	known *lru.Cache[string, struct{}]
	last  time.Time // of the last insertion that went well

	listened atomic.Int64 // Unix nanoseconds: when a stream last asked

	stop    context.CancelFunc
	stopped chan struct{}

	stored, duplicates, refused, truncated atomic.Uint64
}

// knownIDs is how many ids are remembered: more than arrive until the server finds what it was sent.
const knownIDs = 1 << 17

const defaultKeep = 30 * 24 * time.Hour

// Open does not wait for the server.
func Open(o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Keep == 0 {
		o.Keep = defaultKeep
	}
	known, err := lru.New[string, struct{}](knownIDs)
	if err != nil {
		return nil, fmt.Errorf("victorialogs: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Store{
		opt: o, known: known, stop: stop, stopped: make(chan struct{}),
		// Numbers go on where another collector's, or those before a restart, have been.
		recent: store.NewRecent(uint64(time.Now().UnixMicro())),
	}
	go s.work(ctx)
	return s, nil
}

// Close ends what works in the background. What was inserted is on the server already.
func (s *Store) Close() error {
	s.stop()
	<-s.stopped
	s.opt.Client.CloseIdleConnections()
	return nil
}

// Stats returns the counters; what the server holds is its own to tell.
func (s *Store) Stats() store.Stats {
	return store.Stats{
		Stored: s.stored.Load(), Duplicates: s.duplicates.Load(), Refused: s.refused.Load(), Truncated: s.truncated.Load(), Last: s.recent.Last(),
	}
}

const (
	lookEvery   = time.Second
	listenFor   = 10 * time.Second // a stream that has not asked for so long is gone
	forgetEvery = time.Hour
)

// work brings streams what other collectors insert, and forgets old decisions.
func (s *Store) work(ctx context.Context) {
	defer close(s.stopped)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	since, forget := time.Now(), time.Now()
	for failing := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		if now.After(forget) {
			forget = now.Add(forgetEvery)
			if err := s.opt.Desk.Forget(ctx, now.Add(-s.opt.Keep)); err != nil && ctx.Err() == nil {
				s.opt.Log.Error("old decisions not forgotten; will try again", "error", err)
			}
		}
		if now.Sub(time.Unix(0, s.listened.Load())) > listenFor {
			since = now
			continue
		}
		err := s.look(ctx, since)
		if err == nil {
			since = now
		} else if !failing && ctx.Err() == nil {
			s.opt.Log.Error("streams do not have what other collectors insert; will try again", "error", err)
		}
		failing = err != nil
	}
}

// overlap is how late an entry may be found after it was sent.
const overlap = 5 * time.Second

// look takes what arrived since then and is not known yet.
func (s *Store) look(ctx context.Context, since time.Time) error {
	found, err := s.alerts(ctx, []string{between("arrived", uint64(since.Add(-overlap).UnixMilli()), 1<<52)}, "sort by (arrived) limit 8192 | "+listed)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var fresh []store.Alert
	for _, a := range found {
		if seen, _ := s.known.ContainsOrAdd(a.ID, struct{}{}); !seen {
			fresh = append(fresh, a)
		}
	}
	s.recent.Add(fresh)
	return nil
}

// After returns what arrived after seq at this collector, or at another within seconds.
func (s *Store) After(_ context.Context, f store.Filter, seq uint64, limit int) (store.Arrivals, error) {
	s.listened.Store(time.Now().UnixNano())
	return s.recent.After(s.opt.Desk.Resolve(f), seq, limit), nil
}

// Suppressions is store.Store's.
func (s *Store) Suppressions() []store.Suppression { return s.opt.Desk.Suppressions() }

// Suppress is store.Store's.
func (s *Store) Suppress(x store.Suppression) (store.Suppression, error) {
	return s.opt.Desk.Suppress(x)
}

// Unsuppress is store.Store's.
func (s *Store) Unsuppress(id string) (store.Suppression, error) { return s.opt.Desk.Unsuppress(id) }

// Triage decides about all alerts that f chooses, unless they are more than store.MaxDecisions.
func (s *Store) Triage(ctx context.Context, f store.Filter, t store.Triage) (int, error) {
	f = s.opt.Desk.Resolve(f)
	var all []store.Alert
	for cursor := ""; ; {
		page, err := s.Search(ctx, f, cursor, store.MaxLimit)
		if err != nil {
			return 0, err
		}
		all = append(all, page.Alerts...)
		if len(all) > store.MaxDecisions {
			return 0, store.ErrTooMany
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	return len(all), s.opt.Desk.Decide(ctx, all, t)
}

// TriageOne decides about one alert; store.ErrNotFound if there is none of that id.
func (s *Store) TriageOne(ctx context.Context, id string, t store.Triage) error {
	a, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	return s.opt.Desk.Decide(ctx, []store.Alert{a}, t)
}

var errAnswer = errors.New("not an answer of VictoriaLogs")
