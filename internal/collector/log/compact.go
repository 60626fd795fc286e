package log

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

func (l *Log) public() ed25519.PublicKey { return l.o.Key.Public().(ed25519.PublicKey) }

// compact writes the state as a snapshot and lets go of what is before it. The caller holds write. A crash between the two
// leaves both, which reads the same.
func (l *Log) compact(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 6*ackTimeout)
	defer cancel()
	first := l.streamSeq + 1
	if err := l.writeSnapshot(ctx, &l.state); err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	stream, err := l.js.Stream(ctx, wire.StreamVerdicts)
	if err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeSequence(first)); err != nil {
		return fmt.Errorf("compact: purge before %d: %w", first, err)
	}
	l.mu.Lock()
	l.sinceSnapshot = 0
	l.mu.Unlock()
	return nil
}

// writeSnapshot appends s to the stream. The caller holds write.
func (l *Log) writeSnapshot(ctx context.Context, s *state) error {
	parts, err := l.storedParts(s)
	if err != nil {
		return err
	}
	for i := range parts {
		msg, err := parts[i].Seal(l.o.Key)
		if err != nil {
			return err
		}
		ack, err := l.js.PublishMsg(ctx, &nats.Msg{Subject: wire.SubjectSnapshot, Data: msg}, jetstream.WithExpectLastSequence(l.streamSeq))
		if err != nil {
			l.doubt = true
			return fmt.Errorf("write part %d of %d: %w", i+1, len(parts), err)
		}
		l.setStreamSeq(ack.Sequence)
	}
	return nil
}

func (l *Log) setStreamSeq(seq uint64) {
	l.mu.Lock()
	l.streamSeq = seq
	l.mu.Unlock()
}

// storedParts is the snapshot with, before it, what sensors need not know: the revocations.
func (l *Log) storedParts(s *state) ([]wire.SyncPart, error) {
	l.mu.RLock()
	epoch, seq := s.epoch, s.seq
	vs := s.values()
	rs := make([]revocation, 0, len(s.revoked))
	for k, until := range s.revoked {
		r := revocation{Match: k.Match, Scope: k.scope, Until: until}
		if k.flow != (verdict.FlowKey{}) {
			r.Match.Flow = &k.flow
		}
		rs = append(rs, r)
	}
	l.mu.RUnlock()
	raw, err := json.Marshal(rs)
	if err != nil {
		return nil, err
	}
	parts, err := wire.SnapshotParts(epoch, seq, vs)
	if err != nil {
		return nil, err
	}
	return wire.Renumber(append([]wire.SyncPart{wire.RawPart(wire.PartRevoked, epoch, seq, raw)}, parts...)), nil
}

// values copies the verdicts in force. The caller holds mu.
func (s *state) values() []verdict.Verdict {
	vs := make([]verdict.Verdict, 0, len(s.verdicts))
	for _, v := range s.verdicts {
		vs = append(vs, *v)
	}
	return vs
}
