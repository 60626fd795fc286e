package threshold

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/weir-ips/weir/pkg/decode"
)

// Key names one counter: a rule, and what its matches are counted by.
type Key struct {
	GID, SID uint32
	Kind     Kind
	Track    Track
	A, B     decode.Addr
	Flow     uint64
}

// KeyOf returns the key of a match between src and dst in a flow.
func (s *Spec) KeyOf(gid, sid uint32, src, dst decode.Addr, flow uint64) Key {
	k := Key{GID: gid, SID: sid, Kind: s.Kind, Track: s.Track}
	switch s.Track {
	case BySrc:
		k.A = src
	case ByDst:
		k.A = dst
	case ByBoth:
		if k.A, k.B = src, dst; string(dst[:]) < string(src[:]) {
			k.A, k.B = dst, src
		}
	case ByFlow:
		k.Flow = flow
	}
	return k
}

// Outcome says what becomes of a match.
type Outcome uint8

// Outcomes of Table.Count.
const (
	Alert     Outcome = iota
	Silent            // no record, but the action is applied
	Nothing           // as if the rule had not matched
	NewAction         // alert, with the action of a rate filter
)

// Table counts matches. It is bounded, and safe for concurrent use.
type Table struct {
	shards [tableShards]shard
}

const (
	tableShards = 64
	shardLimit  = 4096 // counters of one shard: 256 k altogether, the least recently used give way
)

type shard struct {
	mu  sync.Mutex
	lru *simplelru.LRU[Key, *counter]
}

type counter struct {
	start, until int64 // Unix ns; until: a rate filter's new action, 0 for none
	count, next  uint64
}

// NewTable returns an empty table.
func NewTable() *Table {
	t := &Table{}
	for i := range t.shards {
		t.shards[i].lru, _ = simplelru.NewLRU[Key, *counter](shardLimit, nil) // fails for sizes below 1 alone
	}
	return t
}

// Len returns how many counters are held.
func (t *Table) Len() int {
	n := 0
	for i := range t.shards {
		t.shards[i].mu.Lock()
		n += t.shards[i].lru.Len()
		t.shards[i].mu.Unlock()
	}
	return n
}

func (k *Key) shard() int {
	h := uint64(k.SID)*0x9e3779b97f4a7c15 ^ k.Flow*0xbf58476d1ce4e5b9
	for i := range k.A {
		h = (h ^ uint64(k.A[i])) * 0x100000001b3
		h = (h ^ uint64(k.B[i])) * 0x100000001b3
	}
	return int(h >> 32 % tableShards)
}

// Count counts a match at now, Unix nanoseconds of the packet, and says what becomes of it.
func (t *Table) Count(s *Spec, k Key, now int64) Outcome {
	sh := &t.shards[k.shard()]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	c, ok := sh.lru.Get(k)
	if !ok {
		c = &counter{start: now}
		sh.lru.Add(k, c)
		return c.first(s, now)
	}
	return c.again(s, now)
}

// first counts the match that a counter begins with.
func (c *counter) first(s *Spec, now int64) Outcome {
	c.count = 1
	switch s.Kind {
	case Threshold:
		if s.Count == 1 {
			c.count = 0
			return Alert
		}
		return Nothing
	case Both:
		if s.Count == 1 {
			return Alert
		}
		return Nothing
	case DetectionFilter:
		return Nothing
	case Backoff:
		c.next = uint64(s.Count)
		return c.backoff(s)
	case RateFilter:
		return c.rate(s, now)
	}
	return Alert
}

func (c *counter) again(s *Spec, now int64) Outcome {
	if s.Kind == Backoff {
		c.count++
		return c.backoff(s)
	}
	if s.Kind == RateFilter && c.until != 0 {
		if s.Timeout == 0 || now <= c.until {
			return NewAction
		}
		c.until, c.start, c.count = 0, now, 0
	}
	if now > c.start+int64(s.Seconds)*1e9 { // a match at the very end still belongs to the window
		c.start = now
		return c.restart(s, now)
	}
	c.count++
	switch s.Kind {
	case Limit:
		if c.count > uint64(s.Count) {
			return Silent
		}
	case Threshold:
		if c.count < uint64(s.Count) {
			return Nothing
		}
		c.count = 0 // the window goes on
	case Both:
		if c.count != uint64(s.Count) {
			return nothingOr(Silent, c.count > uint64(s.Count))
		}
	case DetectionFilter:
		if c.count <= uint64(s.Count) {
			return Nothing
		}
	case RateFilter:
		return c.rate(s, now)
	}
	return Alert
}

func nothingOr(o Outcome, ok bool) Outcome {
	if ok {
		return o
	}
	return Nothing
}

// restart counts the first match of a later window. A threshold of one stays silent here, as Suricata's does.
func (c *counter) restart(s *Spec, now int64) Outcome {
	if s.Kind == Threshold {
		c.count = 1
		return Nothing
	}
	return c.first(s, now)
}

func (c *counter) rate(s *Spec, now int64) Outcome {
	if c.count <= uint64(s.Count) {
		return Alert
	}
	c.until = now + int64(s.Timeout)*1e9
	return NewAction
}

func (c *counter) backoff(s *Spec) Outcome {
	if c.count < c.next {
		return Silent
	}
	c.next *= uint64(s.Multiplier)
	if s.Multiplier == 1 {
		c.next = c.count + uint64(s.Count)
	}
	return Alert
}
