package export

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/pkg/wire"
)

// Sink delivers to one destination. One goroutine uses it.
type Sink interface {
	// Send delivers all of events or returns an error, after which it is called with the same events again. An error that
	// wraps ErrRefused says that trying again is of no use.
	Send(ctx context.Context, events []Event) error
	Close() error
}

// ErrRefused is wrapped by errors of a destination that will never take these events.
var ErrRefused = errors.New("the destination refuses this")

// Exporter moves events to one destination.
type Exporter struct {
	Config
	sink  Sink
	queue *queue
	spool *Spool
	log   *slog.Logger
	pause time.Duration // before the second try; doubles up to maxPause

	offered, sent, dropped, refused, retries atomic.Uint64
	failing                                  atomic.Bool
}

// Stats counts since the start.
type Stats struct {
	Offered uint64 // events that the destination is to have
	Sent    uint64
	Dropped uint64 // events that a full queue could not take
	Refused uint64 // events that the destination would not take, or not in time: the latest are kept as dead letters
	Faults  uint64 // times that the queue on disk could not be read or written
	Retries uint64 // tries after the first
	Waiting int    // gauge
	Failing int    // gauge: 1 while the destination takes nothing
	Dead    int    // gauge: dead letters, events that can be sent again
}

const (
	firstPause = time.Second
	maxPause   = time.Minute
	tryTimeout = time.Minute
	lastGasp   = 5 * time.Second // to empty the queue when the collector stops
)

// New opens the destination that c, which Check has passed, describes. What an earlier run left in the spool is sent first.
func New(c Config, spool *Spool, version string, log *slog.Logger) (*Exporter, error) {
	log = log.With("export", c.Name)
	sink, err := open(&c, version, log)
	if err != nil {
		return nil, fmt.Errorf("export %s: %w", c.Name, err)
	}
	return newExporter(c, spool, sink, log)
}

func newExporter(c Config, spool *Spool, sink Sink, log *slog.Logger) (*Exporter, error) {
	q, err := spool.queue(c.Name, c.Queue)
	if err != nil {
		return nil, fmt.Errorf("export %s: %w", c.Name, err)
	}
	return &Exporter{Config: c, sink: sink, queue: q, spool: spool, log: log, pause: firstPause}, nil
}

func open(c *Config, version string, log *slog.Logger) (Sink, error) {
	switch c.Type {
	case TypeFile:
		return openFile(c, version)
	case TypeHTTP:
		return openHTTP(c, version)
	case TypeSyslog:
		return openSyslog(c, version)
	case TypeWebhook:
		return openWebhook(c, version)
	case TypeSlack:
		return openSlack(c, version)
	case TypePagerDuty:
		return openPagerDuty(c, version)
	case TypeKafka:
		return openKafka(c, version)
	case TypeSecurityLake:
		return openLake(c, version)
	case TypeSecurityHub:
		return openHub(c, version, log)
	}
	return nil, fmt.Errorf("there is no destination of type %q", c.Type)
}

// Stats is a snapshot.
func (x *Exporter) Stats() Stats {
	s := Stats{
		Offered: x.offered.Load(), Sent: x.sent.Load(), Dropped: x.dropped.Load(), Refused: x.refused.Load(),
		Retries: x.retries.Load(), Faults: x.queue.faults.Load(), Waiting: x.queue.len(), Dead: int(x.queue.dead.Load()),
	}
	if x.failing.Load() {
		s.Failing = 1
	}
	return s
}

// Offer puts events into the queue on disk, which they survive there: a destination has each of them at least once.
func (x *Exporter) Offer(events []Event) { x.OfferAt(events, nil, false) }

// Retry puts what the destination refused back into the queue and returns how many events that were.
func (x *Exporter) Retry(ctx context.Context) (int, error) { return x.queue.again(ctx) }

// OfferAt is Offer for events that come from a stream, at positions that grow. Those that come again, as an earlier run may have died before
// it took them, are taken if nothing at their position or after it was.
func (x *Exporter) OfferAt(events []Event, at []uint64, again bool) {
	var wanted []Event
	var upto uint64
	for i := range events {
		if !x.wants(&events[i]) || again && x.queue.had(at[i]) {
			continue
		}
		wanted = append(wanted, events[i])
		if at != nil {
			upto = max(upto, at[i])
		}
	}
	x.offered.Add(uint64(len(wanted)))
	x.dropped.Add(uint64(len(wanted) - x.queue.put(wanted, upto)))
}

// Run delivers until ctx ends, and then for a few seconds what still waits. The rest waits on disk for the next run.
func (x *Exporter) Run(ctx context.Context) {
	for x.wait(ctx) {
		for batch := x.queue.take(x.Batch); len(batch) > 0 && ctx.Err() == nil; batch = x.next(batch) {
			x.deliver(ctx, batch)
		}
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastGasp)
	defer cancel()
	for batch := x.queue.take(x.Batch); len(batch) > 0 && end.Err() == nil; batch = x.queue.take(x.Batch) {
		x.deliver(end, batch)
	}
	if err := x.sink.Close(); err != nil {
		x.log.Warn("not closed cleanly", "error", err)
	}
}

// next goes on at once only where a whole batch was waiting.
func (x *Exporter) next(last []Event) []Event {
	if len(last) < x.Batch || x.queue.len() < x.Batch {
		return nil
	}
	return x.queue.take(x.Batch)
}

// wait returns when there is something to send: Every after the first event, or when a batch is full. It is false when ctx ends.
func (x *Exporter) wait(ctx context.Context) bool {
	if x.queue.len() == 0 {
		select {
		case <-ctx.Done():
			return false
		case <-x.queue.more:
		}
	}
	every := time.NewTimer(x.Every)
	defer every.Stop()
	for x.queue.len() < x.Batch {
		select {
		case <-ctx.Done():
			return false
		case <-x.queue.more:
		case <-every.C:
			return true
		}
	}
	return ctx.Err() == nil
}

// deliver sends batch, again and again until it arrives, is refused, or is too old, or ctx ends.
func (x *Exporter) deliver(ctx context.Context, batch []Event) {
	pause, began := x.pause, time.Now()
	for {
		err := x.try(ctx, batch)
		switch {
		case err == nil:
			x.queue.done()
			x.sent.Add(uint64(len(batch)))
			if x.failing.Swap(false) {
				x.log.Info("the destination takes events again")
			}
			return
		case errors.Is(err, ErrRefused) || time.Since(began) > x.GiveUp:
			x.queue.bury(batch, err)
			x.refused.Add(uint64(len(batch)))
			x.log.Error("events not exported", "events", len(batch), "error", err)
			return
		case !x.failing.Swap(true):
			x.log.Warn("the destination does not take events; will try again", "error", err)
		}
		x.retries.Add(1)
		wait := pause/2 + rand.N(pause/2+1)
		var asked *later
		if errors.As(err, &asked) {
			wait = max(wait, asked.after)
		}
		select {
		case <-ctx.Done():
			return // the batch stays in the queue
		case <-time.After(wait):
		}
		pause = min(2*pause, maxPause)
	}
}

func (x *Exporter) try(ctx context.Context, batch []Event) error {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	return x.sink.Send(ctx, batch)
}

// later is a destination's wish to be left alone.
type later struct {
	after time.Duration
	err   error
}

func (l *later) Error() string { return fmt.Sprintf("%v (asks for a pause of %s)", l.err, l.after) }
func (l *later) Unwrap() error { return l.err }

// Try opens a destination of its own by c, which Check has passed, and hands it one event that says it is a test.
func Try(ctx context.Context, c Config, version string, log *slog.Logger) error {
	sink, err := open(&c, version, log)
	if err != nil {
		return fmt.Errorf("export %s: %w", c.Name, err)
	}
	defer sink.Close()
	return sink.Send(ctx, []Event{testEvent(c.Events)})
}

// testEvent is of a kind that the destination takes.
func testEvent(kinds []Kind) Event {
	now, nobody := time.Now().UTC(), netip.MustParseAddr("192.0.2.1") // RFC 5737: for documentation
	if !slices.Contains(kinds, KindAlert) {
		return Event{Kind: KindIncident, Incident: &Incident{ID: "i-test", State: "closed", Title: testTitle, Severity: 3, Alerts: 1, First: now, Last: now, Sources: []netip.Addr{nobody}, Targets: []netip.Addr{nobody}}}
	}
	e := wire.Event{ID: "collector:test:0", Sensor: "collector", Time: now, SID: 1, Severity: 3, Proto: 6, Src: netip.AddrPortFrom(nobody, 1), Dst: netip.AddrPortFrom(nobody, 1)}
	e.EVE = fmt.Appendf(nil, `{"timestamp":%q,"event_type":"alert","src_ip":%q,"src_port":1,"dest_ip":%q,"dest_port":1,"proto":"TCP","alert":{"action":"allowed","gid":1,"signature_id":1,"rev":1,"signature":%q,"category":"","severity":3}}`,
		now.Format("2006-01-02T15:04:05.000000-0700"), nobody, nobody, testTitle)
	a := store.FromEvent(&e)
	return Event{Kind: KindAlert, Alert: &a}
}

const testTitle = "Weir: a test of this export, nothing has happened"
