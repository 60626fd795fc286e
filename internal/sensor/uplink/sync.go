package uplink

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// answer is what has arrived of a sync reply. Parts come in order; a lost one leaves the answer unfinished, and the request
// is repeated.
type answer struct {
	nonce      uint64
	epoch, seq uint64 // of the answer's first part
	next       int    // part

	verdicts []verdict.Verdict
	deltas   []*wire.Delta
}

// sync asks for what is missing, unless an answer is awaited or the last one was a moment ago. An answer that does not come is
// asked for again after a longer and longer while, under the same nonce, so that one that was only slow still counts: a collector
// that a whole fleet asks at once must not have to answer each sensor twice.
func (f *follower) sync() {
	now := f.now()
	waiting := !f.asked.IsZero()
	if f.keys.collector() == nil || now.Before(f.again) || waiting && now.Sub(f.asked) < f.patience {
		return
	}
	f.again = now.Add(syncPause)
	if waiting {
		f.patience = min(2*f.patience, maxSyncTimeout)
	} else {
		f.answer, f.patience = answer{nonce: rand.Uint64()}, syncTimeout
	}
	f.asked = now
	epoch, seq, hash := f.position()
	err := f.request(&wire.SyncRequest{Sensor: f.sensor, Epoch: epoch, Last: seq, Hash: hash, Nonce: f.answer.nonce})
	if err != nil {
		f.asked = time.Time{}
		f.log.Debug("verdicts not asked for", "error", err)
		return
	}
	f.count(func(c *followerCounts) { c.syncs++ })
}

// part takes one message of the answer.
func (f *follower) part(msg []byte) {
	p, err := wire.OpenSyncPart(f.keys.collector(), msg)
	if err != nil {
		f.bad(err)
		return
	}
	if p.Kind == wire.PartRules {
		if err := f.rules.part(p); err != nil {
			f.bad(err)
		}
		return
	}
	a := &f.answer
	if f.asked.IsZero() || p.Nonce != a.nonce {
		return // of an earlier request
	}
	if p.Part == 0 && a.next > 0 && (p.Epoch != a.epoch || p.Seq != a.seq) { // the repeated request's, and the log has moved on
		*a = answer{nonce: a.nonce}
	}
	if p.Part != a.next || a.next > 0 && (p.Epoch != a.epoch || p.Seq != a.seq) {
		return
	}
	a.epoch, a.seq, f.asked = p.Epoch, p.Seq, f.now()
	if err := f.collect(p); err != nil {
		f.bad(err)
		f.asked = time.Time{}
		return
	}
	if a.next++; a.next < p.Parts {
		return
	}
	f.asked = time.Time{}
	f.finish(p)
	*a = answer{}
}

// collect decodes a part. The collector bounds the set; here only a signed answer comes this far.
func (f *follower) collect(p *wire.SyncPart) (err error) {
	a := &f.answer
	switch p.Kind {
	case wire.PartSnapshot:
		a.verdicts, err = p.AppendVerdicts(a.verdicts)
		return err
	case wire.PartDeltas:
		ds, err := p.Deltas(f.keys.collector())
		a.deltas = append(a.deltas, ds...)
		return err
	}
	return fmt.Errorf("%w: sync part of kind %q", wire.ErrMalformed, p.Kind)
}

// finish applies a whole answer and then what was held meanwhile.
func (f *follower) finish(last *wire.SyncPart) {
	if last.Kind == wire.PartSnapshot {
		f.replace(last.Epoch, last.Seq, f.answer.verdicts)
	}
	for _, d := range f.answer.deltas {
		if d.Epoch == f.epoch && d.Seq == f.seq+1 {
			f.apply(d)
		}
	}
	f.catchUp()
	if len(f.pending) > 0 {
		f.sync()
	}
}
