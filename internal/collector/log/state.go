package log

import (
	"cmp"
	"container/heap"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// byExpiry is who removes a verdict whose time is up.
const byExpiry = "expiry"

// Sizes of what is remembered besides the verdicts in force.
const (
	maxRecent  = 8192   // sealed deltas for sensors that missed a few
	maxEnded   = 1000   // verdicts that ended
	maxRevoked = 10_000 // revocations; the one that ends soonest goes
)

// state is what the stream says, in memory.
type state struct {
	epoch, seq uint64
	verdicts   map[string]*verdict.Verdict
	bySource   map[netip.Prefix]map[string]*verdict.Verdict // those with a source prefix, by it and id
	set        wire.Set
	space      verdict.Space
	expiry     expiryHeap
	revoked    map[matchKey]time.Time // until when
	ended      []Ended                // oldest first
	recent     [][]byte               // sealed deltas up to seq, without gaps

	streamSeq     uint64 // of the last message in the stream
	sinceSnapshot int    // deltas in the stream after the last snapshot
}

// Ended is a verdict no longer in force.
type Ended struct {
	verdict.Verdict
	By      string // "expiry", or who removed it
	Revoked bool   // automation's, ended by a person
	At      time.Time
}

// Expired reports whether it ran its time.
func (e *Ended) Expired() bool { return e.By == byExpiry }

func newState(epoch uint64) state {
	return state{epoch: epoch, verdicts: map[string]*verdict.Verdict{}, bySource: map[netip.Prefix]map[string]*verdict.Verdict{}, revoked: map[matchKey]time.Time{}}
}

// matchKey is what makes two verdicts be about the same packets on the same sensors.
type matchKey struct {
	verdict.Match
	flow  verdict.FlowKey
	scope string
}

func keyOf(v *verdict.Verdict) matchKey {
	k := matchKey{Match: v.Match, scope: v.Scope}
	if v.Match.Flow != nil {
		k.flow = *v.Match.Flow
		k.Match.Flow = nil
	}
	if k.scope == "" {
		k.scope = wire.ScopeAll
	}
	return k
}

// apply takes the next delta in; sealed is its encoding. A delta that is not the next is an error and changes nothing.
func (s *state) apply(d *wire.Delta, sealed []byte, now time.Time) error {
	if d.Epoch != s.epoch || d.Seq != s.seq+1 {
		return fmt.Errorf("delta %d/%d does not follow %d/%d", d.Epoch, d.Seq, s.epoch, s.seq)
	}
	s.seq = d.Seq
	s.sinceSnapshot++
	if len(s.recent) >= 2*maxRecent { // shift seldom
		s.recent = append(s.recent[:0], s.recent[len(s.recent)-maxRecent:]...)
	}
	s.recent = append(s.recent, sealed)
	if d.Op == wire.OpAdd {
		s.put(d.Verdict)
		return nil
	}
	if v, ok := s.verdicts[d.ID]; ok {
		s.finish(v, d, now)
	}
	return nil
}

// finish ends v as d says.
func (s *state) finish(v *verdict.Verdict, d *wire.Delta, now time.Time) {
	s.drop(v)
	if d.Op == wire.OpRevoke {
		s.revoke(keyOf(v), d.Until, now)
	}
	s.end(Ended{Verdict: *v, By: d.By, Revoked: d.Op == wire.OpRevoke, At: now})
}

func (s *state) put(v *verdict.Verdict) {
	if old, ok := s.verdicts[v.ID]; ok {
		s.drop(old)
	}
	s.verdicts[v.ID] = v
	if src := v.Match.Src; src.IsValid() {
		if s.bySource[src] == nil {
			s.bySource[src] = map[string]*verdict.Verdict{}
		}
		s.bySource[src][v.ID] = v
	}
	s.set.Add(v.ID, v.Seq)
	s.space.Add(v)
	heap.Push(&s.expiry, deadline{at: v.ExpiresAt, id: v.ID, seq: v.Seq})
	if len(s.expiry) > 2*len(s.verdicts)+1024 {
		s.expiry = slices.DeleteFunc(s.expiry, func(d deadline) bool { return !s.inForce(d) })
		heap.Init(&s.expiry)
	}
}

func (s *state) drop(v *verdict.Verdict) {
	delete(s.verdicts, v.ID)
	s.set.Remove(v.ID)
	s.space.Remove(v)
	if same := s.bySource[v.Match.Src]; same != nil {
		if delete(same, v.ID); len(same) == 0 {
			delete(s.bySource, v.Match.Src)
		}
	}
}

// inForce tells a deadline that counts from one whose verdict was replaced or removed.
func (s *state) inForce(d deadline) bool {
	v, ok := s.verdicts[d.id]
	return ok && v.Seq == d.seq
}

func (s *state) end(e Ended) {
	if len(s.ended) >= maxEnded {
		s.ended = slices.Delete(s.ended, 0, maxEnded/10)
	}
	s.ended = append(s.ended, e)
}

func (s *state) revoke(k matchKey, until, now time.Time) {
	for old, t := range s.revoked {
		if !t.After(now) {
			delete(s.revoked, old)
		}
	}
	s.revoked[k] = until
	if len(s.revoked) > maxRevoked {
		soonest := k
		for old, t := range s.revoked {
			if t.Before(s.revoked[soonest]) {
				soonest = old
			}
		}
		delete(s.revoked, soonest)
	}
}

// expired lists at most limit verdicts whose time is up. Until they are removed they are listed again.
func (s *state) expired(now time.Time, limit int) []string {
	var ids []string
	var due []deadline
	for len(s.expiry) > 0 && len(ids) < limit && !s.expiry[0].at.After(now) {
		d := heap.Pop(&s.expiry).(deadline)
		if s.inForce(d) {
			ids = append(ids, d.id)
			due = append(due, d)
		}
	}
	for _, d := range due {
		heap.Push(&s.expiry, d)
	}
	return ids
}

// deadline is when the verdict decided at seq ends; one that was replaced or removed since is skipped.
type deadline struct {
	at  time.Time
	id  string
	seq uint64
}

type expiryHeap []deadline

func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h expiryHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *expiryHeap) Push(x any)        { *h = append(*h, x.(deadline)) }
func (h *expiryHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

// Get returns the verdict in force under id.
func (l *Log) Get(id string) (verdict.Verdict, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if v, ok := l.verdicts[id]; ok {
		return *v, true
	}
	return verdict.Verdict{}, false
}

// List returns the verdicts in force, newest first.
func (l *Log) List() []verdict.Verdict {
	l.mu.RLock()
	out := make([]verdict.Verdict, 0, len(l.verdicts))
	for _, v := range l.verdicts {
		out = append(out, *v)
	}
	l.mu.RUnlock()
	slices.SortFunc(out, func(a, b verdict.Verdict) int { return cmp.Compare(b.Seq, a.Seq) })
	return out
}

// Covering returns the verdicts in force whose source prefix contains all of p, widest first.
func (l *Log) Covering(p netip.Prefix) []verdict.Verdict {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var out []verdict.Verdict
	for bits := 0; bits <= p.Bits(); bits++ {
		wider, err := p.Addr().Prefix(bits)
		if err != nil {
			return out
		}
		for _, v := range l.bySource[wider] {
			out = append(out, *v)
		}
	}
	return out
}

// Ended returns the verdicts that ended lately, newest first: at most 1,000, and none from before the last snapshot after
// a restart.
func (l *Log) Ended() []Ended {
	l.mu.RLock()
	defer l.mu.RUnlock()
	out := slices.Clone(l.ended)
	slices.Reverse(out)
	return out
}

// Space is what the verdicts in force stop.
func (l *Log) Space() verdict.Space {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.space
}

// Position is where the log stands.
func (l *Log) Position() (epoch, seq uint64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.epoch, l.seq
}

// Hash is the hash of the set in force: see wire.Set.
func (l *Log) Hash() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.set.Hash()
}

// Stats is a snapshot.
func (l *Log) Stats() Stats {
	l.mu.RLock()
	defer l.mu.RUnlock()
	c := &l.counts
	return Stats{
		Verdicts: len(l.verdicts), Seq: l.seq,
		Adds: c.adds.Load(), Removes: c.removes.Load(), Revokes: c.revokes.Load(), Expiries: c.expiries.Load(),
		Syncs: c.syncs.Load(), Snapshots: c.snapshots.Load(), Reloads: c.reloads.Load(), BadRequests: c.badRequests.Load(),
	}
}
