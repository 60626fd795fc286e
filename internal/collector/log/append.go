package log

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-ips/weir/pkg/wire"
)

// ackTimeout is how long the next message may take to reach the disk.
const ackTimeout = 10 * time.Second

// window is how many writes may be under way at once.
const window = 1024

// append numbers, signs and writes ds, and takes them into the state once they are on disk. The caller holds write.
//
// Each message states which one it follows, so the stream refuses it if another collector has written meanwhile. If an
// acknowledgement is missing, the messages may be in the stream or not: the stream is read again, and the answer is in it.
func (l *Log) append(ctx context.Context, ds []wire.Delta) error {
	if !l.leads.Load() {
		return ErrFollows
	}
	if l.doubt {
		if err := l.reload(ctx); err != nil {
			return fmt.Errorf("read the log again after a failed write: %w", err)
		}
	}
	if l.isBulk(len(ds)) {
		return l.appendBulk(ctx, ds)
	}
	sealed, err := l.seal(ds)
	if err != nil {
		return err
	}
	err = l.publish(ds, sealed)
	if err == nil {
		return l.commit(ds, sealed)
	}
	l.doubt = true
	last := ds[len(ds)-1]
	if reloadErr := l.reload(ctx); reloadErr != nil {
		return errors.Join(err, fmt.Errorf("read the log again: %w", reloadErr))
	}
	if l.holds(last.Seq, sealed[len(sealed)-1]) {
		return nil
	}
	return err
}

func (l *Log) seal(ds []wire.Delta) ([][]byte, error) {
	epoch, seq := l.Position()
	sealed := make([][]byte, len(ds))
	for i := range ds {
		d := &ds[i]
		d.Epoch, d.Seq = epoch, seq+uint64(i)+1
		if d.Verdict != nil {
			d.Verdict.Epoch, d.Verdict.Seq = d.Epoch, d.Seq
		}
		msg, err := d.Seal(l.o.Key)
		if err != nil {
			return nil, err
		}
		sealed[i] = msg
	}
	return sealed, nil
}

// publish writes the messages one behind the other, window of them under way at once.
func (l *Log) publish(ds []wire.Delta, sealed [][]byte) (err error) {
	l.mu.RLock()
	last := l.streamSeq
	scopes := make([]string, len(ds))
	for i := range ds {
		scopes[i] = l.scopeOf(&ds[i])
	}
	l.mu.RUnlock()
	acks := make([]jetstream.PubAckFuture, len(ds))
	for i := range ds {
		if i >= window {
			if err := wait(acks[i-window]); err != nil {
				return fmt.Errorf("write delta %d: %w", ds[i-window].Seq, err)
			}
		}
		acks[i], err = l.js.PublishMsgAsync(&nats.Msg{Subject: wire.DeltaSubject(scopes[i]), Data: sealed[i]},
			jetstream.WithExpectLastSequence(last+uint64(i)))
		if err != nil {
			return fmt.Errorf("write delta %d: %w", ds[i].Seq, err)
		}
	}
	for i := max(0, len(ds)-window); i < len(ds); i++ {
		if err := wait(acks[i]); err != nil {
			return fmt.Errorf("write delta %d: %w", ds[i].Seq, err)
		}
	}
	return nil
}

func wait(ack jetstream.PubAckFuture) error {
	select {
	case <-ack.Ok():
		return nil
	case err := <-ack.Err():
		return err
	case <-time.After(ackTimeout):
		return errors.New("the stream does not answer")
	}
}

// scopeOf is the scope a delta is published under: a removal's is its verdict's. The caller holds mu.
func (l *Log) scopeOf(d *wire.Delta) string {
	if d.Verdict != nil {
		return d.Verdict.Scope
	}
	if v, ok := l.verdicts[d.ID]; ok {
		return v.Scope
	}
	return wire.ScopeAll
}

func (l *Log) commit(ds []wire.Delta, sealed [][]byte) error {
	changes, err := l.take(ds, sealed)
	l.tell(changes)
	return err
}

func (l *Log) take(ds []wire.Delta, sealed [][]byte) ([]Change, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.o.Now()
	changes := l.changes(ds, now)
	for i := range ds {
		if err := l.apply(&ds[i], sealed[i], now); err != nil {
			return nil, err
		}
	}
	l.streamSeq += uint64(len(ds))
	return changes, nil
}

// holds reports whether the delta numbered seq is the one sealed here.
func (l *Log) holds(seq uint64, sealed []byte) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	i := len(l.recent) - 1 - int(l.seq-seq)
	return seq <= l.seq && i >= 0 && i < len(l.recent) && string(l.recent[i]) == string(sealed)
}
