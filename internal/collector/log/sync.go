package log

import (
	"context"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/weir-ips/weir/pkg/wire"
)

// snapshotCache keeps the last encoded snapshot: after a restart a whole fleet asks for the same one.
type snapshotCache struct {
	mu         sync.Mutex
	epoch, seq uint64
	parts      []wire.SyncPart
}

// maxAsking bounds how many sensors wait for an answer; the rest ask again.
const maxAsking = 20_000

// inquiries are the sensors that wait for an answer, each with its last request: one that asked again is not answered twice. A
// request that is repeated keeps its nonce, which no other sensor knows.
type inquiries struct {
	mu    sync.Mutex
	order []asker
	last  map[asker]inquiry
	more  chan struct{} // holds one token while somebody may wait
}

type asker struct {
	reply string
	nonce uint64
}

type inquiry struct {
	*wire.SyncRequest
	reply string
}

func newInquiries() *inquiries {
	return &inquiries{last: map[asker]inquiry{}, more: make(chan struct{}, 1)}
}

func (q *inquiries) put(i inquiry) {
	q.mu.Lock()
	who := asker{i.reply, i.Nonce}
	_, waits := q.last[who]
	if waits || len(q.order) < maxAsking {
		q.last[who] = i
	}
	if !waits && len(q.order) < maxAsking {
		q.order = append(q.order, who)
	}
	q.mu.Unlock()
	select {
	case q.more <- struct{}{}:
	default:
	}
}

func (q *inquiries) take() (i inquiry, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.order) == 0 {
		return i, false
	}
	i = q.last[q.order[0]]
	delete(q.last, q.order[0])
	q.order = q.order[1:]
	return i, true
}

// hearSync takes a request in.
func (l *Log) hearSync(m *nats.Msg) {
	req, err := wire.DecodeSyncRequest(m.Data)
	if err == nil && m.Reply == "" {
		err = fmt.Errorf("sync request of sensor %q without a reply subject", req.Sensor)
	}
	if err != nil {
		l.counts.badRequests.Add(1)
		l.o.Log.Warn("sync request not answered", "error", err)
		return
	}
	l.asking.put(inquiry{req, m.Reply})
}

// answerSyncs answers one sensor after the other until ctx ends.
func (l *Log) answerSyncs(ctx context.Context) {
	for {
		i, ok := l.asking.take()
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-l.asking.more:
				continue
			}
		}
		if ctx.Err() != nil {
			return
		}
		if err := l.answer(i); err != nil {
			l.counts.badRequests.Add(1)
			l.o.Log.Warn("sync request not answered", "sensor", i.Sensor, "error", err)
		}
	}
}

func (l *Log) answer(i inquiry) error {
	parts, err := l.parts(i.SyncRequest)
	if err != nil {
		return err
	}
	l.counts.syncs.Add(1)
	for _, p := range parts { // a copy: the parts are shared
		p.Nonce = i.Nonce
		msg, err := p.Seal(l.o.Key)
		if err != nil {
			return err
		}
		if err := l.o.Conn.Publish(i.reply, msg); err != nil {
			return err
		}
	}
	return nil
}

// parts chooses between the few deltas that the sensor lacks and the whole set.
func (l *Log) parts(req *wire.SyncRequest) ([]wire.SyncPart, error) {
	l.mu.RLock()
	epoch, seq, hash := l.epoch, l.seq, l.set.Hash()
	missing, ok := l.after(req.Last)
	l.mu.RUnlock()
	drifted := req.Last == seq && req.Hash != hash
	if req.Epoch == epoch && ok && !drifted {
		return wire.DeltaParts(epoch, seq, missing)
	}
	l.counts.snapshots.Add(1)
	return l.snapshot()
}

// after returns the sealed deltas after last, if all of them are remembered. The caller holds mu.
func (l *Log) after(last uint64) ([][]byte, bool) {
	if last > l.seq || l.seq-last > uint64(len(l.recent)) {
		return nil, false
	}
	return append([][]byte(nil), l.recent[len(l.recent)-int(l.seq-last):]...), true
}

func (l *Log) snapshot() ([]wire.SyncPart, error) {
	c := &l.snapshots
	c.mu.Lock()
	defer c.mu.Unlock()
	l.mu.RLock()
	epoch, seq := l.epoch, l.seq
	if c.parts != nil && c.epoch == epoch && c.seq == seq {
		l.mu.RUnlock()
		return c.parts, nil
	}
	vs := l.values()
	l.mu.RUnlock()
	parts, err := wire.SnapshotParts(epoch, seq, vs)
	if err != nil {
		return nil, err
	}
	c.epoch, c.seq, c.parts = epoch, seq, parts
	return parts, nil
}
