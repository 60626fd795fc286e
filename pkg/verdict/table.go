package verdict

import (
	"container/heap"
	"iter"
	"net/netip"
	"slices"
	"time"
)

// Table is the set of verdicts a sensor holds, merged by what they are about. It is not safe for concurrent use.
type Table struct {
	byID    map[string]*Entry
	sources map[netip.Prefix][]*Entry
	flows   map[FlowKey][]*Entry
	expiry  expiry
	counts  Counts
	space   Space
}

// Entry is a verdict in a Table, with what the one who enforces it has to remember.
type Entry struct {
	Verdict
	Handle    uint32    // where it is enforced; 0: nowhere
	Next      uint32    // the Handle that follows it there
	Written   bool      // what is there is what this entry says
	Applied   time.Time // when the table took it
	Suspended bool      // counted, not carried out: the drop-share breaker's doing
	Unnamed   bool      // taken over from an earlier process: in force, but its ID and texts are lost
}

// Counts are the numbers of verdicts by origin; index with Origin.
type Counts [OriginFeed + 1]int

// Total is the number of verdicts of all origins.
func (c *Counts) Total() int {
	n := 0
	for _, each := range c {
		n += each
	}
	return n
}

// NewTable returns an empty table with room for n verdicts.
func NewTable(n int) *Table {
	return &Table{
		byID: make(map[string]*Entry, n), sources: make(map[netip.Prefix][]*Entry, n), flows: map[FlowKey][]*Entry{},
	}
}

// Put adds v, or puts it in the place of the one with its ID, and returns its entry. If that one was about another subject,
// the second result is that subject, which has changed as well; else it is v's own.
func (t *Table) Put(v Verdict, now time.Time) (*Entry, Subject) {
	subject := v.Match.Subject()
	was := subject
	e := &Entry{Verdict: v, Applied: now}
	if old := t.byID[v.ID]; old != nil {
		was = old.Match.Subject()
		if was == subject && old.Match.narrowing() == v.Match.narrowing() {
			e.Handle = old.Handle // the same packets: hits go on counting
			if old.Unnamed {
				e.Applied = old.Applied
			}
		}
		t.unlink(old)
	}
	t.byID[v.ID] = e
	if subject.IsFlow() {
		t.flows[subject.Flow] = append(t.flows[subject.Flow], e)
	} else {
		t.sources[subject.Src] = append(t.sources[subject.Src], e)
	}
	t.counts[v.Origin]++
	t.space.Add(&e.Verdict)
	heap.Push(&t.expiry, e)
	t.compact()
	return e, was
}

// Rename gives the unnamed entry that v must have been, if there is one, v's ID, so that Put takes its place.
func (t *Table) Rename(v *Verdict) {
	if t.byID[v.ID] != nil {
		return
	}
	for _, e := range t.about(v.Match.Subject()) {
		if e.Unnamed && e.Action == v.Action && e.Origin == v.Origin && e.Rule == v.Rule && e.Match.narrowing() == v.Match.narrowing() {
			delete(t.byID, e.ID)
			e.ID = v.ID
			t.byID[v.ID] = e
			return
		}
	}
}

// about are the entries about a subject, in no order.
func (t *Table) about(s Subject) []*Entry {
	if s.IsFlow() {
		return t.flows[s.Flow]
	}
	return t.sources[s.Src]
}

// Remove takes the verdict out and returns its entry; nil if there is none.
func (t *Table) Remove(id string) *Entry {
	e := t.byID[id]
	if e != nil {
		t.unlink(e)
	}
	return e
}

func (t *Table) unlink(e *Entry) {
	delete(t.byID, e.ID)
	t.counts[e.Origin]--
	t.space.Remove(&e.Verdict)
	if s := e.Match.Subject(); s.IsFlow() {
		cut(t.flows, s.Flow, e)
	} else {
		cut(t.sources, s.Src, e)
	}
}

func cut[K comparable](m map[K][]*Entry, k K, e *Entry) {
	rest := slices.DeleteFunc(m[k], func(x *Entry) bool { return x == e })
	if len(rest) == 0 {
		delete(m, k)
	} else {
		m[k] = rest
	}
}

// Expire takes out and returns the entries whose time is up.
func (t *Table) Expire(now time.Time) []*Entry {
	var gone []*Entry
	for len(t.expiry) > 0 && !t.expiry[0].ExpiresAt.After(now) {
		e := heap.Pop(&t.expiry).(*Entry)
		if t.byID[e.ID] == e {
			t.unlink(e)
			gone = append(gone, e)
		}
	}
	return gone
}

// compact forgets heap entries of verdicts that were removed, once they are the most of it.
func (t *Table) compact() {
	if len(t.expiry) < 2*len(t.byID)+1024 {
		return
	}
	t.expiry = slices.DeleteFunc(t.expiry, func(e *Entry) bool { return t.byID[e.ID] != e })
	heap.Init(&t.expiry)
}

// Decisions are the entries that decide about a subject: of those that match the same packets the one that beats the
// others. They come in the order in which they are to be tried, the highest rank first.
func (t *Table) Decisions(s Subject) []*Entry {
	all := t.about(s)
	if len(all) == 1 {
		return all[:1:1]
	}
	var best []*Entry
	for _, e := range all {
		i := slices.IndexFunc(best, func(b *Entry) bool { return b.Match.narrowing() == e.Match.narrowing() })
		switch {
		case i < 0:
			best = append(best, e)
		case e.beats(&best[i].Verdict):
			best[i] = e
		}
	}
	slices.SortFunc(best, func(a, b *Entry) int {
		if a.beats(&b.Verdict) {
			return -1
		}
		return 1
	})
	return best
}

// Get returns the entry with this ID; nil if there is none.
func (t *Table) Get(id string) *Entry { return t.byID[id] }

// Len is the number of verdicts.
func (t *Table) Len() int { return len(t.byID) }

// Space is what the verdicts stop.
func (t *Table) Space() Space { return t.space }

// Counts are the numbers of verdicts by origin.
func (t *Table) Counts() Counts { return t.counts }

// All iterates over the entries in no order.
func (t *Table) All() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for _, e := range t.byID {
			if !yield(e) {
				return
			}
		}
	}
}

// Subjects iterates over what the verdicts are about, in no order.
func (t *Table) Subjects() iter.Seq[Subject] {
	return func(yield func(Subject) bool) {
		for src := range t.sources {
			if !yield(Subject{Src: src}) {
				return
			}
		}
		for flow := range t.flows {
			if !yield(Subject{Flow: flow}) {
				return
			}
		}
	}
}

// expiry is a heap of entries, the first to expire on top. Entries that left the table stay until they come up.
type expiry []*Entry

func (h expiry) Len() int           { return len(h) }
func (h expiry) Less(i, j int) bool { return h[i].ExpiresAt.Before(h[j].ExpiresAt) }
func (h expiry) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *expiry) Push(x any)        { *h = append(*h, x.(*Entry)) }
func (h *expiry) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
