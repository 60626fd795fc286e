package enforce

import (
	"fmt"
	"math"
	"sync/atomic"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/verdict"
)

// adopt takes over what an earlier process left in the maps: every entry that XDP can reach gets into the table, every
// other slot is free. Verdicts have lost their IDs and texts, until Apply or Replace brings them back: see reclaim.
func (e *Enforcer) adopt() error {
	used := map[uint32]bool{}
	for _, b := range e.sources {
		for _, c := range b.Cells {
			if c.Slot != 0 && c.Slot != bpf.Tombstone {
				e.adoptChain(c.Slot, used)
			}
		}
	}
	if err := e.adoptPrefixes(used); err != nil {
		return err
	}
	e.slots.claim(used)
	e.adoptFlows()
	if err := e.adoptGuard(); err != nil {
		return err
	}
	e.stats.Adopted = e.table.Len()
	e.stale = math.MaxInt / 2 // build afresh: the mirror of the trie is empty
	_, err := e.build(nil)
	return err
}

// adoptChain takes over the verdicts of the chain from slot on that are not known yet.
func (e *Enforcer) adoptChain(slot uint32, used map[uint32]bool) {
	for range bpf.ChainLimit {
		if slot == 0 || used[slot] || int(slot) >= len(e.maps.Verdicts) {
			return
		}
		used[slot] = true
		v := &e.maps.Verdicts[slot]
		match := verdict.Match{Src: prefixOf(v.Src, v.Plen), Proto: v.Proto, Port: v.Port}
		if v.Target != 0 && int(v.Target) < len(e.maps.Targets) {
			match.Dst = e.targets.prefix(v.Target)
			e.targets.adopt(v.Target)
		}
		adopted := e.adopted(fmt.Sprintf("adopted-%d", slot), match, v.Action, v.Origin, v.Rule, v.Expires)
		adopted.Rate = e.rate(v.Action, v.Budget)
		if v.Flags&flagCollector != 0 {
			adopted.Epoch = max(e.maps.Control.Epoch, 1)
		}
		entry, _ := e.table.Put(adopted, e.wall)
		entry.Handle, entry.Unnamed = slot, true
		slot = atomic.LoadUint32(&v.Next)
	}
}

// reclaim gives the adopted entries back to the verdicts that they were, with their slots and hit counters.
func (e *Enforcer) reclaim(vs ...verdict.Verdict) {
	if e.stats.Adopted == 0 {
		return
	}
	for i := range vs {
		e.table.Rename(&vs[i])
	}
}

func (e *Enforcer) adopted(id string, m verdict.Match, action, origin uint8, rule, expires uint32) verdict.Verdict {
	left := e.clock.Time(expires) - e.mono
	return verdict.Verdict{
		ID: id, Match: m, Action: verdict.Action(action), Origin: verdict.Origin(min(origin, uint8(verdict.OriginFeed))), Rule: rule,
		Reason: "in force when the sensor started", CreatedBy: "sensor", CreatedAt: e.wall, ExpiresAt: e.wall.Add(left),
	}
}

// rate is the packets per second of a budget.
func (e *Enforcer) rate(action uint8, budget uint32) uint32 {
	if verdict.Action(action) != verdict.RateLimit {
		return 0
	}
	window := (e.clock.Length() << bpf.RateWindow).Seconds()
	return max(1, uint32(float64(budget)/window))
}

func (e *Enforcer) adoptPrefixes(used map[uint32]bool) error {
	var key bpf.PrefixKey
	var slot uint32
	it := e.prefixes.trie.Iterate()
	for it.Next(&key, &slot) {
		e.adoptChain(slot, used)
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("prefixes: %w", err)
	}
	return nil
}

// adoptFlows takes over flow verdicts as inspection's decisions, which lapse with silence.
func (e *Enforcer) adoptFlows() {
	used := map[uint32]bool{}
	now := e.clock.Tick(e.mono)
	for _, b := range e.flows.cells {
		for _, c := range b.Cells {
			if c.Slot == 0 || c.Slot == bpf.Tombstone || int(c.Slot) >= len(e.flows.maps) {
				continue
			}
			used[c.Slot] = true
			until := atomic.LoadUint32(&e.flows.maps[c.Slot].Expires)
			e.flows.state[c.Slot] = flowState{idle: max(1, until-now), until: until}
		}
	}
	e.flows.slots.claim(used)
	atomic.StoreUint32(e.flows.count, uint32(e.flows.slots.used()))
}

// adoptGuard learns which never-block prefixes XDP has.
func (e *Enforcer) adoptGuard() error {
	var key bpf.PrefixKey
	var value uint32
	it := e.maps.Guard.Iterate()
	for it.Next(&key, &value) {
		e.guarded[prefixOf(key.Addr, uint8(key.Plen))] = true
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	return nil
}
