package uplink

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-ips/weir/internal/telemetry"
	"github.com/weir-ips/weir/pkg/wire"
)

const (
	sendWindow  = 32 // batches under way
	sendTimeout = 5 * time.Second
	sendPause   = 250 * time.Millisecond // after a failure
)

// sender moves batches from the spool to the collector's stream, the most severe first.
type sender struct {
	sensor string
	spool  *spool
	stored <-chan struct{}
	log    *slog.Logger

	flying []flight // oldest first
	sent   atomic.Uint64
	quiet  telemetry.Throttle
}

type flight struct {
	*parcel
	ack jetstream.PubAckFuture
}

// run sends until ctx ends. nc may be disconnected at any time. What is under way then goes back to the spool.
func (s *sender) run(ctx context.Context, nc *nats.Conn) error {
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(2*sendWindow), jetstream.WithPublishAsyncTimeout(sendTimeout))
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		err := s.fill(js)
		if err == nil {
			err = s.await(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.pause(ctx, err)
		}
	}
	for _, f := range s.flying {
		s.spool.returned(f.parcel)
	}
	s.flying = nil
	return nil
}

// fill sends what waits, up to the window.
func (s *sender) fill(js jetstream.JetStream) error {
	for len(s.flying) < sendWindow {
		p := s.spool.next()
		if p == nil {
			return nil
		}
		ack, err := js.PublishMsgAsync(&nats.Msg{
			Subject: wire.AlertsSubject(s.sensor), Data: p.payload, Header: nats.Header{wire.HeaderSent: {wire.FormatSent(time.Now())}},
		}, jetstream.WithMsgID(p.id))
		if err != nil {
			s.spool.returned(p)
			return err
		}
		s.flying = append(s.flying, flight{p, ack})
	}
	return nil
}

// await waits until the oldest batch under way has its answer, or there is more to send.
func (s *sender) await(ctx context.Context) error {
	if len(s.flying) == 0 {
		select {
		case <-s.stored:
		case <-time.After(time.Second): // a batch may have come back
		case <-ctx.Done():
		}
		return nil
	}
	more := s.stored
	if len(s.flying) == sendWindow {
		more = nil
	}
	oldest := s.flying[0]
	select {
	case <-oldest.ack.Ok():
		s.flying = s.flying[1:]
		s.spool.delivered(oldest.parcel)
		s.sent.Add(uint64(oldest.events))
		return nil
	case err := <-oldest.ack.Err():
		s.flying = s.flying[1:]
		s.spool.returned(oldest.parcel)
		return err
	case <-more:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *sender) pause(ctx context.Context, err error) {
	if ok, skipped := s.quiet.Allow(time.Now()); ok {
		s.log.Debug("alerts wait in the spool", "error", err, "more", skipped)
	}
	select {
	case <-time.After(sendPause):
	case <-ctx.Done():
	}
}
