package bus

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-ips/weir/pkg/wire"
)

const (
	maxUnsettled = 32_768                 // batches in the stream that are stored, and of which not all is kept
	settleEvery  = 500 * time.Millisecond // how long a stored batch stays in the stream
	settleRetry  = time.Second
)

// place notes where in the stream the events of a message come: its number there, and theirs in it. Positions are the same however often a
// message is delivered, whoever takes it, and grow. Events learn on the way when they were where.
func (in *Ingest) place(at map[string]uint64, m jetstream.Msg, events []wire.Event, received time.Time) {
	meta, err := m.Metadata()
	if err != nil {
		return // not of a stream: position 0, which nothing is held against
	}
	if !in.Began.IsZero() && meta.Timestamp.After(in.Began) { // nobody before this run can have taken it, or one after it
		in.horizon = min(in.horizon, meta.Sequence.Stream-1)
	}
	sent := wire.ParseSent(m.Headers().Get(wire.HeaderSent))
	for i := range events {
		s := &events[i].Stages
		s.Sent, s.Bus, s.Received = sent, meta.Timestamp, received
		at[events[i].ID] = meta.Sequence.Stream<<16 | uint64(i&0xffff)
	}
}

func positions(at map[string]uint64, events []wire.Event) []uint64 {
	out := make([]uint64, len(events))
	for i := range events {
		out[i] = at[events[i].ID]
	}
	return out
}

// doubt notes that the store has failed at messages. What it kept of them nevertheless, it has when they come again, and nobody knows of.
func (in *Ingest) doubt(at map[string]uint64) {
	if in.doubted == nil {
		in.doubted = map[uint64]bool{}
	}
	for _, pos := range at {
		if len(in.doubted) < maxUnsettled {
			in.doubted[pos>>16] = true
		}
	}
}

// before sorts out what of events the store had already: what is of a message that it has failed at is as good as fresh, and what an earlier
// run may have taken is old.
func (in *Ingest) before(at map[string]uint64, events, fresh []wire.Event) (news, old []wire.Event) {
	isFresh := make(map[string]bool, len(fresh))
	for i := range fresh {
		isFresh[fresh[i].ID] = true
	}
	for i := range events {
		switch pos := at[events[i].ID]; {
		case isFresh[events[i].ID] || pos == 0:
		case pos>>16 <= in.horizon:
			old = append(old, events[i])
		case in.doubted[pos>>16]:
			fresh = append(fresh, events[i])
		}
	}
	return fresh, old
}

// settling are stored batches that are still in the stream, by the subjects that acknowledge them.
type settling struct {
	mu   sync.Mutex
	acks []string
}

func (s *settling) add(msgs []jetstream.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range msgs {
		s.acks = append(s.acks, m.Reply()) // the message itself would keep its bytes
	}
}

func (s *settling) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	acks := s.acks
	s.acks = nil
	return acks
}

// settle lets batches go once what was made of them is kept, until ctx ends. What it does not come to is delivered again, to the next run.
func (in *Ingest) settle(ctx context.Context) {
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	var acks []string
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		acks = append(acks, in.settled.take()...)
		if len(acks) == 0 {
			continue
		}
		if in.Settle != nil {
			if err := in.Settle(ctx); err != nil {
				in.unsettled.Add(1)
				if ok, skipped := in.quiet.Allow(time.Now()); ok && ctx.Err() == nil {
					in.Log.Error("what was made of alerts is not kept; will try again", "error", err, "more", skipped)
				}
				select {
				case <-ctx.Done():
				case <-time.After(settleRetry):
				}
				continue
			}
		}
		nc := in.JetStream.Conn()
		for _, reply := range acks {
			_ = nc.Publish(reply, []byte("+ACK")) // unacknowledged, it comes again and is recognised as a duplicate
		}
		acks = acks[:0]
	}
}
