package log

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-ips/weir/pkg/wire"
)

// Lead makes this log the one that writes, and is then Run, until ctx ends. Should two believe that they lead, the stream decides:
// every message says which one it follows, so that the second to write is refused, reads what the first wrote, and goes on from
// there. No number is given twice.
func (l *Log) Lead(ctx context.Context) error {
	for {
		err := l.takeOver(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil
		}
		l.o.Log.Warn("the verdict log cannot be read; will try again", "error", err) // a cluster whose servers have yet to agree
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followRetry):
		}
	}
	defer l.leads.Store(false)
	return l.Run(ctx)
}

// Leads reports whether this log writes.
func (l *Log) Leads() bool { return l.leads.Load() }

func (l *Log) takeOver(ctx context.Context) error {
	l.write.Lock()
	defer l.write.Unlock()
	l.leads.Store(true)
	err := l.reload(ctx)
	if err != nil {
		l.leads.Store(false)
	}
	return err
}

// followRetry is the pause after the stream could not be read.
const followRetry = 500 * time.Millisecond

// Follow keeps the state equal to what another collector writes, until ctx ends.
func (l *Log) Follow(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := l.follow(ctx); err != nil && ctx.Err() == nil {
			l.o.Log.Warn("cannot follow the verdict log; will try again", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(followRetry):
		}
	}
	return nil
}

func (l *Log) follow(ctx context.Context) error {
	if err := l.catchUp(ctx); err != nil {
		return err
	}
	consumer, err := l.js.OrderedConsumer(ctx, wire.StreamVerdicts, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: l.position() + 1,
	})
	if err != nil {
		return fmt.Errorf("stream %s: %w", wire.StreamVerdicts, err)
	}
	iter, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("stream %s: %w", wire.StreamVerdicts, err)
	}
	defer iter.Stop()
	stop := context.AfterFunc(ctx, iter.Stop)
	defer stop()
	for {
		m, err := iter.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return nil
		}
		if err == nil {
			err = l.hear(ctx, m)
		}
		if err != nil {
			return err
		}
	}
}

func (l *Log) catchUp(ctx context.Context) error {
	l.write.Lock()
	defer l.write.Unlock()
	return l.reload(ctx)
}

func (l *Log) position() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.streamSeq
}

// hear takes one message in. A snapshot is read from the stream once it is whole.
func (l *Log) hear(ctx context.Context, m jetstream.Msg) error {
	meta, err := m.Metadata()
	if err != nil {
		return err
	}
	if m.Subject() == wire.SubjectSnapshot {
		p, err := wire.OpenSyncPart(l.public(), m.Data())
		if err != nil {
			return err
		}
		if p.Part+1 == p.Parts {
			return l.catchUp(ctx)
		}
		return nil
	}
	d, err := wire.OpenDelta(l.public(), m.Data())
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if meta.Sequence.Stream <= l.streamSeq { // a reload was faster
		return nil
	}
	if err := l.apply(d, append([]byte(nil), m.Data()...), meta.Timestamp); err != nil {
		return err
	}
	l.streamSeq = meta.Sequence.Stream
	return nil
}
