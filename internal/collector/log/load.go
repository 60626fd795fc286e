package log

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// reload replaces the state by what the stream says. The caller holds write.
func (l *Log) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	stream, err := l.js.Stream(ctx, wire.StreamVerdicts)
	if err != nil {
		return fmt.Errorf("stream %s: %w", wire.StreamVerdicts, err)
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("stream %s: %w", wire.StreamVerdicts, err)
	}
	ld := loader{log: l}
	if info.State.Msgs > 0 {
		if err := ld.read(ctx, stream, info.State.LastSeq); err != nil {
			return fmt.Errorf("stream %s: %w", wire.StreamVerdicts, err)
		}
	}
	l.counts.reloads.Add(1)
	switch {
	case ld.fault == nil && ld.state.epoch > 0:
		ld.state.streamSeq = info.State.LastSeq
		l.install(ld.state)
		return nil
	case ld.fault == nil && !l.leads.Load(): // the leader has yet to begin
		s := newState(0)
		s.streamSeq = info.State.LastSeq
		l.install(s)
		return nil
	case !l.leads.Load():
		return ld.fault
	}
	return l.begin(ctx, ld, info.State.LastSeq)
}

func (l *Log) install(s state) {
	l.mu.Lock()
	l.state = s
	l.mu.Unlock()
	l.doubt = false
}

// begin starts a new epoch with what could be read of the old, so that every sensor takes a whole new set.
func (l *Log) begin(ctx context.Context, ld loader, streamSeq uint64) error {
	epoch := uint64(max(l.o.Now().UnixMilli(), 1))
	if ld.fault != nil {
		l.o.Log.Error("the verdict log is damaged: going on with what could be read, in a new epoch",
			"error", ld.fault, "old_epoch", ld.state.epoch, "verdicts", len(ld.state.verdicts))
	}
	s := newState(max(epoch, ld.state.epoch+1))
	s.streamSeq = streamSeq
	for _, v := range ld.state.verdicts {
		s.put(v)
	}
	if ld.state.revoked != nil {
		s.revoked = ld.state.revoked
	}
	l.install(s)
	return l.compact(ctx)
}

// readStall is how long the next message may take to come: a server of a cluster that dies may leave a reader waiting for ever.
const readStall = 5 * time.Second

// loader rebuilds the state message by message.
type loader struct {
	log   *Log
	state state
	until uint64 // stop after the delta of this number; 0: read everything
	fault error  // the first message that could not be used; what follows it is not read

	parts   []verdict.Verdict // of a snapshot being read
	revoked map[matchKey]time.Time
	next    int // part expected
}

func (ld *loader) read(ctx context.Context, stream jetstream.Stream, last uint64) error {
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	iter, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer iter.Stop()
	stop := context.AfterFunc(ctx, iter.Stop)
	defer stop()
	stalled := time.AfterFunc(readStall, iter.Stop)
	defer stalled.Stop()
	for {
		m, err := iter.Next()
		stalled.Reset(readStall)
		if err != nil {
			return fmt.Errorf("read: %w", errors.Join(err, ctx.Err()))
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if err := ld.take(m, meta.Timestamp); err != nil {
			ld.fault = fmt.Errorf("message %d: %w", meta.Sequence.Stream, err)
			return nil
		}
		if meta.Sequence.Stream >= last || ld.until > 0 && ld.state.seq >= ld.until {
			return nil
		}
	}
}

func (ld *loader) take(m jetstream.Msg, at time.Time) error {
	pub := ld.log.public()
	if m.Subject() == wire.SubjectSnapshot {
		return ld.snapshot(m.Data())
	}
	d, err := wire.OpenDelta(pub, m.Data())
	if err != nil {
		return err
	}
	return ld.state.apply(d, append([]byte(nil), m.Data()...), at)
}

// snapshot takes one part. A snapshot that was cut short by a crash is followed by a new one or by nothing: what it would
// have replaced is still there.
func (ld *loader) snapshot(msg []byte) error {
	p, err := wire.OpenSyncPart(ld.log.public(), msg)
	if err != nil {
		return err
	}
	if p.Part == 0 {
		ld.parts, ld.revoked, ld.next = nil, map[matchKey]time.Time{}, 0
	}
	if p.Part != ld.next {
		return fmt.Errorf("snapshot part %d follows %d", p.Part, ld.next-1)
	}
	ld.next++
	if p.Kind == wire.PartRevoked {
		err = ld.revocations(p)
	} else {
		var vs []verdict.Verdict
		vs, err = p.Verdicts()
		ld.parts = append(ld.parts, vs...)
	}
	if err != nil || p.Part+1 < p.Parts {
		return err
	}
	ended := ld.state.ended
	ld.state = newState(p.Epoch)
	ld.state.seq, ld.state.revoked, ld.state.ended = p.Seq, ld.revoked, ended
	for i := range ld.parts {
		ld.state.put(&ld.parts[i])
	}
	ld.parts = nil
	return nil
}

// revocation is how a snapshot keeps one.
type revocation struct {
	Match verdict.Match `json:"match"`
	Scope string        `json:"scope"`
	Until time.Time     `json:"until"`
}

func (ld *loader) revocations(p *wire.SyncPart) error {
	raw, err := p.Raw()
	if err != nil {
		return err
	}
	var rs []revocation
	if err := json.Unmarshal(raw, &rs); err != nil {
		return fmt.Errorf("revocations: %w", err)
	}
	for _, r := range rs {
		ld.revoked[keyOf(&verdict.Verdict{Match: r.Match, Scope: r.Scope})] = r.Until
	}
	return nil
}
