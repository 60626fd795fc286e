package enforce

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/gaissmai/bart"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/verdict"
)

// Replace makes vs the whole set of the collector's verdicts: the others of the collector's go, the sensor's own (epoch 0)
// stay. The set is built beside the one in force and takes its place by one store: XDP sees the one or the other. The error
// joins the *verdict.Refusal of each verdict that is not enforced.
func (e *Enforcer) Replace(epoch, seq uint64, vs []verdict.Verdict) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	gone := e.dropCollectors(vs)
	errs := e.putAll(vs, &gone)
	built, err := e.rebuild()
	errs = append(errs, built...)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	for _, entry := range gone {
		if entry.Match.Flow != nil && entry.Handle != 0 {
			errs = append(errs, e.sync(entry.Match.Subject()))
		}
		e.release(entry)
	}
	e.maps.Control.Epoch, e.maps.Control.Seq = epoch, seq
	return errors.Join(errs...)
}

// dropCollectors takes the collector's verdicts that are not in vs out of the table and returns them.
func (e *Enforcer) dropCollectors(vs []verdict.Verdict) []*verdict.Entry {
	keep := make(map[string]bool, len(vs))
	for i := range vs {
		keep[vs[i].ID] = true
	}
	var gone []*verdict.Entry
	for entry := range e.table.All() {
		if entry.Epoch != 0 && !keep[entry.ID] {
			gone = append(gone, entry)
		}
	}
	for _, entry := range gone {
		e.table.Remove(entry.ID)
	}
	return gone
}

// putAll puts what the guard lets through into the table, and what had to leave it for that into gone.
func (e *Enforcer) putAll(vs []verdict.Verdict, gone *[]*verdict.Entry) (errs []error) {
	now := e.now()
	for i := range vs {
		old := e.table.Get(vs[i].ID)
		if err := e.check(&vs[i]); err != nil {
			errs = append(errs, err)
			e.stats.Refused++
			if old != nil {
				*gone = append(*gone, e.table.Remove(old.ID))
			}
			continue
		}
		entry, _ := e.table.Put(vs[i], now)
		if old == nil {
			e.breaker.watch(entry)
		} else if entry.Handle == 0 {
			*gone = append(*gone, old)
		} else {
			entry.Suspended = old.Suspended
		}
	}
	return errs
}

// rebuild writes the table into the other generation and puts that in force. Refusals are of verdicts that found no room.
func (e *Enforcer) rebuild() (refused []error, err error) {
	generation := 1 - e.maps.Control.Generation&1
	trie, err := e.sensor.NewTrie(generation)
	if err != nil {
		return nil, fmt.Errorf("enforce: %w", err)
	}
	half := len(e.maps.Sources) / 2
	old := e.prefixes
	e.sources = cells(e.maps.Sources[int(generation)*half:][:half])
	e.presence = presenceOf(e.maps, generation)
	e.prefixes = prefixes{trie: trie, tree: new(bart.Table[*node])}
	e.spilled = map[netip.Prefix]bool{}
	clear(e.sources)
	e.presence.clear()
	for p := range e.guarded {
		e.presence.raise(p, bpf.HasGuard)
	}
	refused = e.writeAll()
	atomic.StoreUint32(&e.maps.Control.Generation, generation)
	return refused, old.close()
}

// writeAll syncs every subject of the table with maps that are empty: wider prefixes first, so that each is linked once.
func (e *Enforcer) writeAll() (refused []error) {
	var wide []netip.Prefix
	var failed []verdict.Subject
	for s := range e.table.Subjects() {
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
