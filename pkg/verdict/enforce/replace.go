package enforce

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/verdict"
)

// Replace makes vs the whole set of the collector's verdicts: the others of the collector's go, the sensor's own (epoch 0)
// stay. The set is built beside the one in force and takes its place by one store: XDP sees the one or the other. The error
// joins the *verdict.Refusal of each verdict that is not enforced.
func (e *Enforcer) Replace(epoch, seq uint64, vs []verdict.Verdict) error {
	e.lock()
	defer e.mu.Unlock()
	e.reclaim(vs...)
	gone, changed := e.dropCollectors(vs)
	errs := e.putAll(vs, &gone, &changed)
	built, err := e.build(changed)
	errs = append(errs, built...)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	for _, entry := range gone {
		e.release(entry)
	}
	e.maps.Control.Epoch, e.maps.Control.Seq = epoch, seq
	return errors.Join(errs...)
}

// dropCollectors takes the collector's verdicts that are not in vs out of the table and returns them, and their subjects.
func (e *Enforcer) dropCollectors(vs []verdict.Verdict) (gone []*verdict.Entry, changed []verdict.Subject) {
	keep := make(map[string]struct{}, len(vs))
	for i := range vs {
		keep[vs[i].ID] = struct{}{}
	}
	for entry := range e.table.All() {
		if _, kept := keep[entry.ID]; entry.Epoch != 0 && !kept {
			gone = append(gone, entry)
		}
	}
	for _, entry := range gone {
		e.table.Remove(entry.ID)
		changed = append(changed, entry.Match.Subject())
	}
	return gone, changed
}

// putAll puts what is new and the guard lets through into the table. What had to leave it for that is added to gone, what
// verdicts are about to changed.
func (e *Enforcer) putAll(vs []verdict.Verdict, gone *[]*verdict.Entry, changed *[]verdict.Subject) (errs []error) {
	for i := range vs {
		v := &vs[i]
		old := e.table.Get(v.ID)
		if old != nil && v.Seq != 0 && old.Seq == v.Seq && old.Epoch == v.Epoch && old.ExpiresAt.Equal(v.ExpiresAt) {
			continue // the same decision
		}
		if err := e.check(v); err != nil {
			errs = append(errs, err)
			e.stats.Refused++
			if old != nil {
				*gone = append(*gone, e.table.Remove(old.ID))
				*changed = append(*changed, old.Match.Subject())
			}
			continue
		}
		entry, was := e.table.Put(*v, e.wall)
		subject := entry.Match.Subject()
		*changed = append(*changed, subject)
		if old == nil {
			e.breaker.watch(entry)
			continue
		}
		if entry.Handle == 0 {
			*gone = append(*gone, old)
		}
		if was != subject {
			*changed = append(*changed, was)
		}
	}
	return errs
}

// build makes the other generation say what the table says, and puts it in force. changed are the subjects about which the
// generation in force says something else. Refusals are of verdicts that found no room.
func (e *Enforcer) build(changed []verdict.Subject) (refused []error, err error) {
	generation := 1 - e.maps.Control.Generation&1
	e.stale += len(changed)
	if e.stale > e.table.Len()/2+1024 || slices.ContainsFunc(changed, isWide) {
		return e.buildAfresh(generation, changed)
	}
	start := time.Now()
	if err := e.beginCopy(generation); err != nil {
		return nil, err
	}
	refused = e.writeAll(slices.Values(changed))
	e.putInForce(generation, start)
	return refused, nil
}

func isWide(s verdict.Subject) bool { return !s.IsFlow() && !exact(s.Src) }

func (e *Enforcer) putInForce(generation uint32, start time.Time) {
	atomic.StoreUint32(&e.maps.Control.Generation, generation)
	e.stats.LastSwap = time.Since(start)
}

// placed is a source whose chain is written, and where its cell belongs.
type placed struct {
	src             netip.Prefix
	hash, tag, head uint32
}

// buildAfresh writes chains and prefixes first, and then all cells in one go.
func (e *Enforcer) buildAfresh(generation uint32, changed []verdict.Subject) (refused []error, err error) {
	old := e.prefixes
	if err := e.begin(generation); err != nil {
		return nil, err
	}
	e.stale = 0
	e.placed = make([]placed, 0, e.table.Len())
	refused = e.writeAll(e.everything(changed))
	start := time.Now()
	todo := e.placed
	e.placed = nil
	clear(e.sources)
	for i := range todo {
		p := &todo[i]
		e.presence.raise(p.src, bpf.HasSource)
		if e.sources.find(p.hash, p.tag) != nil || !e.sources.put(p.hash, p.tag, p.head) {
			s := verdict.Subject{Src: p.src}
			if e.spill(p.src, e.table.Decisions(s)) != nil {
				refused = append(refused, e.refuse(s)...)
			}
		}
	}
	e.putInForce(generation, start)
	return refused, old.close()
}

// everything is what the verdicts are about, and the flows that they were about.
func (e *Enforcer) everything(changed []verdict.Subject) iter.Seq[verdict.Subject] {
	return func(yield func(verdict.Subject) bool) {
		for _, s := range changed {
			if s.IsFlow() && !yield(s) {
				return
			}
		}
		e.table.Subjects()(yield)
	}
}

// begin makes changes go to an empty generation.
func (e *Enforcer) begin(generation uint32) error {
	trie, err := e.sensor.NewTrie(generation)
	if err != nil {
		return fmt.Errorf("enforce: %w", err)
	}
	e.prefixes = prefixes{trie: trie, tree: new(bart.Table[*node])}
	e.sources, e.presence = e.half(generation)
	e.spilled = map[netip.Prefix]bool{}
	e.presence.clear()
	for p := range e.guarded {
		e.presence.raise(p, bpf.HasGuard)
	}
	return nil
}

// beginCopy makes changes go to a generation that says what the other one does.
func (e *Enforcer) beginCopy(generation uint32) error {
	if err := e.maps.Prefixes.Put(generation, e.prefixes.trie); err != nil {
		return fmt.Errorf("enforce: prefixes[%d]: %w", generation, err)
	}
	sources, presence := e.half(generation)
	copy(sources, e.sources)
	presence.copy(e.presence)
	e.sources, e.presence = sources, presence
	return nil
}

// half is a generation's share of the maps of sources.
func (e *Enforcer) half(generation uint32) (cells, presence) {
	n := len(e.maps.Sources) / 2
	return cells(e.maps.Sources[int(generation)*n:][:n]), presenceOf(e.maps, generation)
}

// writeAll syncs the subjects: wider prefixes first, so that each is linked once.
func (e *Enforcer) writeAll(subjects iter.Seq[verdict.Subject]) (refused []error) {
	var wide []netip.Prefix
	var failed []verdict.Subject
	for s := range subjects {
		if !s.IsFlow() && !exact(s.Src) {
			wide = append(wide, s.Src)
		} else if err := e.sync(s); err != nil {
			failed = append(failed, s)
		}
	}
	slices.SortFunc(wide, func(a, b netip.Prefix) int { return a.Bits() - b.Bits() })
	for _, src := range wide {
		if err := e.sync(verdict.Subject{Src: src}); err != nil {
			failed = append(failed, verdict.Subject{Src: src})
		}
	}
	for _, s := range failed {
		refused = append(refused, e.refuse(s)...)
	}
	return refused
}

// refuse takes verdicts off a subject, the weakest first, until the maps have room for the rest.
func (e *Enforcer) refuse(s verdict.Subject) (refused []error) {
	for {
		err := e.sync(s)
		ds := e.table.Decisions(s)
		if err == nil || len(ds) == 0 {
			return refused
		}
		entry := e.table.Remove(ds[len(ds)-1].ID)
		e.release(entry)
		e.stats.Refused++
		refused = append(refused, &verdict.Refusal{ID: entry.ID, Rule: verdict.OverBudget, Detail: err.Error()})
	}
}
