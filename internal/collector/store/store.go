package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	idleConn    = time.Minute
	maxBatch    = 4096 // alerts in one transaction
	maxDays     = 1000 // files; more can only come from sensors with broken clocks
	defaultAge  = 30 * 24 * time.Hour
	sweepPeriod = time.Minute
)

// ErrClosed says that the store was closed.
var ErrClosed = errors.New("store is closed")

// Store keeps alerts. Its methods may be called from many goroutines.
type Store struct {
	opt   Options
	codec *codec
	live  *Recent

	mu   sync.RWMutex
	days []*day // oldest first

	suppressions suppressions

	queue   chan request
	quit    chan struct{} // closed by Close
	stopped chan struct{} // closed when the writer is done
	closed  sync.Once
	stats   counters
}

type request struct {
	alerts []Alert
	reply  chan reply
}

type reply struct {
	kept []string // ids
	err  error
}

type counters struct {
	stored, duplicate, refused, truncated, unlinked atomic.Uint64
}

// Stats counts what the store did since it was opened, and what it holds.
type Stats struct {
	Stored     uint64 // alerts kept
	Duplicates uint64 // alerts delivered again
	Refused    uint64 // alerts without id or time, or of a day too many
	Truncated  uint64 // texts cut, EVE records left out for their length
	Unlinked   uint64 // days given up
	Days       int
	Bytes      int64
	Last       uint64 // Seq of the newest alert
}

// Open opens the store in opt.Dir, making it if need be. Close it to let go of the files.
func Open(opt Options) (*Store, error) {
	if opt.MaxAge == 0 {
		opt.MaxAge = defaultAge
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if err := os.MkdirAll(opt.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	c, err := newCodec()
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	s := &Store{
		opt: opt, codec: c, live: newRing(liveSize),
		queue: make(chan request, 64), quit: make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := s.openDays(); err != nil {
		s.closeDays()
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := s.suppressions.open(opt.Dir); err != nil {
		s.closeDays()
		return nil, fmt.Errorf("store: %w", err)
	}
	go s.write()
	return s, nil
}

func (s *Store) openDays() error {
	paths, err := filepath.Glob(filepath.Join(s.opt.Dir, "alerts-*.db"))
	if err != nil {
		return err
	}
	slices.Sort(paths)
	var last uint64
	for _, path := range paths {
		d, err := openDay(path, s.codec)
		if err != nil {
			return err
		}
		s.days = append(s.days, d)
		last = max(last, d.last)
	}
	s.live.start(last)
	return nil
}

// Append keeps alerts and returns how many were new: an alert whose id is known is left as it is. When it returns without
// error, they are on disk. Callers that wait at the same time share a transaction. On error some may have been kept; append
// them again.
func (s *Store) Append(ctx context.Context, alerts []Alert) (int, error) {
	kept, err := s.keep(ctx, alerts)
	return len(kept), err
}

// keep returns the ids of those of alerts that were new.
func (s *Store) keep(ctx context.Context, alerts []Alert) ([]string, error) {
	if len(alerts) == 0 {
		return nil, nil
	}
	r := request{alerts: alerts, reply: make(chan reply, 1)}
	select {
	case s.queue <- r:
	case <-s.quit:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case got := <-r.reply:
		return got.kept, got.err
	case <-s.stopped:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close writes what was appended and closes the files.
func (s *Store) Close() error {
	s.closed.Do(func() { close(s.quit) })
	<-s.stopped
	return s.closeDays()
}

func (s *Store) closeDays() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, d := range s.days {
		errs = append(errs, d.close())
	}
	s.days = nil
	return errors.Join(errs...)
}

// Stats returns the counters.
func (s *Store) Stats() Stats {
	st := Stats{
		Stored:     s.stats.stored.Load(),
		Duplicates: s.stats.duplicate.Load(),
		Refused:    s.stats.refused.Load(),
		Truncated:  s.stats.truncated.Load(),
		Unlinked:   s.stats.unlinked.Load(),
		Last:       s.live.last(),
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	st.Days = len(s.days)
	for _, d := range s.days {
		st.Bytes += d.size()
	}
	return st
}
