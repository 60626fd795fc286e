package log

import (
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

// serveSync answers one sensor. It runs on the subscription's goroutine, one request after the other.
func (l *Log) serveSync(m *nats.Msg) {
	if err := l.answer(m); err != nil {
		l.counts.badRequests.Add(1)
		l.o.Log.Warn("sync request not answered", "error", err)
	}
}

func (l *Log) answer(m *nats.Msg) error {
	req, err := wire.DecodeSyncRequest(m.Data)
	if err != nil {
		return err
	}
	if m.Reply == "" {
		return fmt.Errorf("sync request of sensor %q without a reply subject", req.Sensor)
	}
	parts, err := l.parts(req)
	if err != nil {
		return err
	}
	l.counts.syncs.Add(1)
	for _, p := range parts { // a copy: the parts are shared
		p.Nonce = req.Nonce
		msg, err := p.Seal(l.o.Key)
		if err != nil {
			return err
		}
		if err := l.o.Conn.Publish(m.Reply, msg); err != nil {
			return fmt.Errorf("answer sensor %q: %w", req.Sensor, err)
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
