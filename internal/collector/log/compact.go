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
	parts, err := l.storedParts()
	if err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	first := l.streamSeq + 1
	for i := range parts {
		msg, err := parts[i].Seal(l.o.Key)
		if err != nil {
			return fmt.Errorf("compact: %w", err)
		}
		ack, err := l.js.PublishMsg(ctx, &nats.Msg{Subject: wire.SubjectSnapshot, Data: msg}, jetstream.WithExpectLastSequence(l.streamSeq))
		if err != nil {
			l.doubt = true
			return fmt.Errorf("compact: write part %d of %d: %w", i+1, len(parts), err)
		}
		l.setStreamSeq(ack.Sequence)
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

func (l *Log) setStreamSeq(seq uint64) {
	l.mu.Lock()
	l.streamSeq = seq
	l.mu.Unlock()
}

// storedParts is the snapshot with, before it, what sensors need not know: the revocations.
func (l *Log) storedParts() ([]wire.SyncPart, error) {
	l.mu.RLock()
	epoch, seq := l.epoch, l.seq
	vs := l.values()
	rs := make([]revocation, 0, len(l.revoked))
	for k, until := range l.revoked {
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
func (l *Log) values() []verdict.Verdict {
	vs := make([]verdict.Verdict, 0, len(l.verdicts))
	for _, v := range l.verdicts {
		vs = append(vs, *v)
	}
	return vs
}
