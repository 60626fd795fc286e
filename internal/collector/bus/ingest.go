package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-ips/weir/internal/telemetry"
	"github.com/weir-ips/weir/pkg/wire"
)

// Store keeps alerts; *store.Store is one.
type Store interface {
	// Insert keeps those of events whose ID is not known yet and returns them: when it returns they survive a crash. After an
	// error the same events will be offered again.
	Insert(ctx context.Context, events []wire.Event) (fresh []wire.Event, err error)
}

// Ingest moves alerts from the stream into the store: a batch leaves the stream only when the store has it, and what was made of it has
// been kept.
type Ingest struct {
	JetStream jetstream.JetStream
	Store     Store
	Fresh     func([]wire.Event, []uint64) // called with what was new, after it was stored, and where in the stream each came: see place; must not block long
	// Again is called before Fresh with what the store had already, of which an earlier run may have died before anything was made.
	Again  func([]wire.Event, []uint64)
	Began  time.Time                   // when nobody had taken what came to the stream since: the start of the bus inside the collector; zero: unknown
	Settle func(context.Context) error // keeps what Fresh and Again have made of events; nil: nothing was
	Log    *slog.Logger                // nil: slog.DiscardHandler

	horizon uint64          // end of the stream when Run began: what an earlier run may have taken
	doubted map[uint64]bool // messages that the store failed at, by number: it may have kept a part of them
	settled settling

	events, batches, duplicates, malformed, failures, unsettled atomic.Uint64
	quiet                                                       telemetry.Throttle
}

// IngestStats counts since the start.
type IngestStats struct {
	Events      uint64 // stored
	Batches     uint64
	Duplicates  uint64 // events the store had already
	Malformed   uint64 // batches that did not decode or name another sensor than their subject
	StoreErrors uint64
	Unsettled   uint64 // times that what was made of alerts could not be kept
}

// Stats is a snapshot.
func (in *Ingest) Stats() IngestStats {
	return IngestStats{
		Events: in.events.Load(), Batches: in.batches.Load(), Duplicates: in.duplicates.Load(),
		Malformed: in.malformed.Load(), StoreErrors: in.failures.Load(), Unsettled: in.unsettled.Load(),
	}
}

const (
	ingestBatches = 32 // messages in one store transaction
	ingestRetry   = time.Second
)

// Run works until ctx ends.
func (in *Ingest) Run(ctx context.Context) error {
	if in.Log == nil {
		in.Log = slog.New(slog.DiscardHandler)
	}
	iter, err := in.open(ctx)
	for err != nil && ctx.Err() == nil { // a cluster whose servers have yet to agree on who keeps the stream
		in.Log.Warn("no alerts are taken from the bus; will try again", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(ingestRetry):
		}
		iter, err = in.open(ctx)
	}
	if err != nil {
		return nil
	}
	defer iter.Stop()
	var settle sync.WaitGroup
	defer settle.Wait()
	settle.Go(func() { in.settle(ctx) })
	in.pump(ctx, messages(ctx, iter, in.Log))
	return nil
}

func (in *Ingest) open(ctx context.Context) (jetstream.MessagesContext, error) {
	consumer, err := in.consumer(ctx)
	if err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	iter, err := consumer.Messages(jetstream.PullMaxMessages(2 * ingestBatches))
	if err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	return iter, nil
}

// consumer begins anew: what an earlier run had taken and not acknowledged is still in the stream, and would otherwise be
// offered again only after its time to acknowledge.
func (in *Ingest) consumer(ctx context.Context) (jetstream.Consumer, error) {
	const name = "store"
	if err := in.JetStream.DeleteConsumer(ctx, wire.StreamAlerts, name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, err
	}
	c, err := in.JetStream.CreateConsumer(ctx, wire.StreamAlerts, jetstream.ConsumerConfig{
		Durable: name, AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Minute, MaxAckPending: maxUnsettled, MaxDeliver: -1,
	})
	if err != nil {
		return nil, err
	}
	stream, err := in.JetStream.Stream(ctx, wire.StreamAlerts)
	if err != nil {
		return nil, err
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return nil, err
	}
	in.horizon = info.State.LastSeq // asked now that nobody else takes any more
	return c, nil
}

// messages turns the iterator into a channel, so that what waits already can be taken together.
func messages(ctx context.Context, iter jetstream.MessagesContext, log *slog.Logger) <-chan jetstream.Msg {
	out := make(chan jetstream.Msg)
	go func() {
		defer close(out)
		for ctx.Err() == nil {
			m, err := iter.Next()
			if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
				return
			}
			if err != nil {
				log.Debug("waiting for alerts", "error", err)
				continue
			}
			select {
			case out <- m:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

func (in *Ingest) pump(ctx context.Context, waiting <-chan jetstream.Msg) {
	for {
		select {
		case <-ctx.Done():
			return
		case m, ok := <-waiting:
			if !ok {
				return
			}
			in.handle(ctx, gather(m, waiting))
		}
	}
}

// gather takes first and what waits behind it.
func gather(first jetstream.Msg, more <-chan jetstream.Msg) []jetstream.Msg {
	out := []jetstream.Msg{first}
	for len(out) < ingestBatches {
		select {
		case m, ok := <-more:
			if !ok {
				return out
			}
			out = append(out, m)
		default:
			return out
		}
	}
	return out
}

func (in *Ingest) handle(ctx context.Context, msgs []jetstream.Msg) {
	var events []wire.Event
	received := time.Now()
	at := map[string]uint64{}
	good := msgs[:0]
	for _, m := range msgs {
		b, err := decode(m)
		if err != nil {
			in.reject(m, err)
			continue
		}
		good = append(good, m)
		in.place(at, m, b.Events, received)
		events = append(events, b.Events...)
	}
	if len(good) == 0 {
		return
	}
	fresh, err := in.Store.Insert(ctx, events)
	if err != nil {
		in.doubt(at)
		in.retry(ctx, good, err)
		return
	}
	in.events.Add(uint64(len(fresh)))
	in.duplicates.Add(uint64(len(events) - len(fresh)))
	in.batches.Add(uint64(len(good)))
	if len(fresh) < len(events) {
		var old []wire.Event
		if fresh, old = in.before(at, events, fresh); len(old) > 0 && in.Again != nil {
			in.Again(old, positions(at, old))
		}
	}
	if len(fresh) > 0 && in.Fresh != nil {
		in.Fresh(fresh, positions(at, fresh))
	}
	if len(in.doubted) > 0 {
		for _, pos := range at {
			delete(in.doubted, pos>>16)
		}
	}
	in.settled.add(good)
}

// decode also holds the batch against its subject, which permissions tie to the sender.
func decode(m jetstream.Msg) (*wire.Batch, error) {
	sensor, err := wire.SubjectSensor(m.Subject())
	if err != nil {
		return nil, err
	}
	b, err := wire.DecodeBatch(m.Data())
	if err != nil {
		return nil, err
	}
	if b.Sensor != sensor {
		return nil, fmt.Errorf("batch of sensor %q on %s", b.Sensor, m.Subject())
	}
	return b, nil
}

// reject drops a batch that will never be good.
func (in *Ingest) reject(m jetstream.Msg, err error) {
	in.malformed.Add(1)
	if ok, skipped := in.quiet.Allow(time.Now()); ok {
		in.Log.Warn("alerts thrown away", "subject", m.Subject(), "error", err, "more", skipped)
	}
	_ = m.Term()
}

// retry gives the messages back and pauses, so that a store in trouble is not hammered.
func (in *Ingest) retry(ctx context.Context, msgs []jetstream.Msg, err error) {
	in.failures.Add(1)
	if ctx.Err() == nil {
		in.Log.Error("alerts not stored; will try again", "batches", len(msgs), "error", err)
	}
	for _, m := range msgs {
		_ = m.NakWithDelay(ingestRetry)
	}
	select {
	case <-ctx.Done():
	case <-time.After(ingestRetry):
	}
}
