package enforce

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/verdict"
)

// FlowDecision is what inspection decided about the rest of a flow.
type FlowDecision struct {
	Action verdict.Action // Drop, Pass or Bypass
	Rule   uint32         // signature id, if a rule asked for it
	Idle   time.Duration  // the decision lapses when the flow has been silent for so long; at least a second
	Life   time.Duration  // and after this in any case
}

// ErrFlowsFull says that the map of flow verdicts has no room: the flow goes on being inspected.
var ErrFlowsFull = errors.New("enforce: no room for another flow verdict")

// flows is the map of flow verdicts and what Go knows about each. It has a lock of its own, taken after the Enforcer's: inspection
// must not wait while a million verdicts are exchanged.
type flows struct {
	mu    sync.Mutex
	maps  []bpf.Flow
	cells cells
	slots slots
	state []flowState // by slot
	count *uint32     // control.flows
	full  uint64      // verdicts that found no room
}

type flowState struct {
	owner *verdict.Entry // the table's verdict; nil: inspection's decision
	idle  uint32         // ticks
	until uint32         // tick
}

func newFlows(t *bpf.Tables) *flows {
	return &flows{maps: t.Flows, cells: t.FlowCells, slots: newSlots(len(t.Flows)), state: make([]flowState, len(t.Flows)), count: &t.Control.Flows}
}

// slot returns where the tuple's verdict is; 0 if there is none. A stranger with the same hash is reported by taken.
func (f *flows) slot(key *bpf.Tuple, seed uint64) (slot uint32, taken bool) {
	h := key.Hash(seed)
	c := f.cells.find(uint32(h), uint32(h>>32))
	if c == nil {
		return 0, false
	}
	if f.maps[c.Slot].Key != *key {
		return 0, true
	}
	return c.Slot, false
}

// add makes an entry for the tuple, which has none; 0 if there is no room.
func (f *flows) add(key *bpf.Tuple, seed uint64, entry bpf.Flow, now time.Duration) uint32 {
	slot := f.slots.take(now)
	if slot == 0 {
		return 0
	}
	entry.Key = *key
	f.maps[slot] = entry
	h := key.Hash(seed)
	if !f.cells.put(uint32(h), uint32(h>>32), slot) {
		f.slots.give(slot, now)
		return 0
	}
	atomic.StoreUint32(f.count, uint32(f.slots.used()))
	return slot
}

// release takes an entry out and frees its slot.
func (f *flows) release(slot uint32, now time.Duration) {
	f.state[slot] = flowState{}
	f.slots.give(slot, now)
	atomic.StoreUint32(f.count, uint32(f.slots.used()))
}

func (f *flows) unlink(slot uint32, seed uint64) {
	h := f.maps[slot].Key.Hash(seed)
	f.cells.remove(uint32(h), uint32(h>>32))
}

// DecideFlow carries out inspection's decision about the flow named by key, whose initiator is end B if fromB
// (bpf.NewTuple). A verdict that the table holds on the same flow is not touched.
func (e *Enforcer) DecideFlow(key bpf.Tuple, fromB bool, d FlowDecision) error {
	if !hasPorts(key.Proto) {
		key.APort, key.BPort = 0, 0
	}
	e.flows.mu.Lock()
	defer e.flows.mu.Unlock()
	mono := e.clock.Now()
	idle := e.clock.Ticks(max(d.Idle, time.Second))
	now := e.clock.Tick(mono)
	until := now + e.clock.Ticks(max(d.Life, d.Idle))
	slot, taken := e.flows.slot(&key, e.maps.Control.Seed)
	if taken {
		e.flows.full++
		return ErrFlowsFull
	}
	if slot != 0 && e.flows.state[slot].owner != nil {
		return nil
	}
	if slot == 0 {
		entry := bpf.Flow{Expires: now, Last: now}
		if fromB {
			entry.Flags = bpf.FlowFromB
		}
		if slot = e.flows.add(&key, e.maps.Control.Seed, entry, mono); slot == 0 {
			e.flows.full++
			return ErrFlowsFull
		}
	}
	f := &e.flows.maps[slot]
	f.Rule, f.Origin, f.Rank, f.Action = d.Rule, uint8(verdict.OriginRule), 2, uint8(d.Action)
	e.flows.state[slot] = flowState{idle: idle, until: until}
	atomic.StoreUint32(&f.Expires, min(now+idle+1, until))
	return nil
}

// ForgetFlow ends inspection's decision about a flow, and returns what XDP counted: packets and bytes from end A and from
// end B of the tuple. ok is false if there is no such decision.
func (e *Enforcer) ForgetFlow(key bpf.Tuple) (packets, bytes [2]uint64, ok bool) {
	if !hasPorts(key.Proto) {
		key.APort, key.BPort = 0, 0
	}
	e.flows.mu.Lock()
	defer e.flows.mu.Unlock()
	slot, _ := e.flows.slot(&key, e.maps.Control.Seed)
	if slot == 0 || e.flows.state[slot].owner != nil {
		return packets, bytes, false
	}
	f := &e.flows.maps[slot]
	packets = [2]uint64{atomic.LoadUint64(&f.Packets[0]), atomic.LoadUint64(&f.Packets[1])}
	bytes = [2]uint64{atomic.LoadUint64(&f.Bytes[0]), atomic.LoadUint64(&f.Bytes[1])}
	e.flows.unlink(slot, e.maps.Control.Seed)
	e.flows.release(slot, e.clock.Now())
	return packets, bytes, true
}

// FlowCounters returns what XDP has counted for a flow with a verdict, as ForgetFlow does.
func (e *Enforcer) FlowCounters(key bpf.Tuple) (packets, bytes [2]uint64, ok bool) {
	if !hasPorts(key.Proto) {
		key.APort, key.BPort = 0, 0
	}
	e.flows.mu.Lock()
	defer e.flows.mu.Unlock()
	slot, _ := e.flows.slot(&key, e.maps.Control.Seed)
	if slot == 0 {
		return packets, bytes, false
	}
	f := &e.flows.maps[slot]
	packets = [2]uint64{atomic.LoadUint64(&f.Packets[0]), atomic.LoadUint64(&f.Packets[1])}
	bytes = [2]uint64{atomic.LoadUint64(&f.Bytes[0]), atomic.LoadUint64(&f.Bytes[1])}
	return packets, bytes, true
}

// syncFlow makes the map say about a flow what the table's decision says.
func (e *Enforcer) syncFlow(k verdict.FlowKey, ds []*verdict.Entry) error {
	e.flows.mu.Lock()
	defer e.flows.mu.Unlock()
	key, fromB := tuple(k.Tenant, k.Src, k.Dst, k.Proto)
	slot, taken := e.flows.slot(&key, e.maps.Control.Seed)
	if len(ds) == 0 {
		if slot != 0 && e.flows.state[slot].owner != nil {
			e.flows.unlink(slot, e.maps.Control.Seed)
		}
		return nil
	}
	if taken {
		return ErrFlowsFull
	}
	d := ds[0]
	if slot != 0 && e.flows.state[slot].owner == nil { // inspection's decision gives way, or was adopted and is d's own
		if f := &e.flows.maps[slot]; d.Handle == 0 && f.Action == uint8(d.Action) && f.Origin == uint8(d.Origin) && f.Rule == d.Rule {
			d.Handle, e.flows.state[slot] = slot, flowState{}
		} else {
			e.flows.unlink(slot, e.maps.Control.Seed)
			e.flows.release(slot, e.mono)
			slot = 0
		}
	}
	if slot != 0 && d.Handle != slot { // another verdict on the flow decides now: its slot takes the place
		e.flows.unlink(slot, e.maps.Control.Seed)
		slot = 0
	}
	if slot == 0 {
		if d.Handle, slot = e.linkFlow(&key, d, fromB); slot == 0 {
			return ErrFlowsFull
		}
	}
	f := &e.flows.maps[slot]
	f.Rule, f.Origin, f.Budget = d.Rule, uint8(d.Origin), e.budget(d.Rate, bpf.RateWindow)
	f.Action, f.Rank = e.action(d)
	f.Flags &^= bpf.FlowFromB
	if k := d.Match.Flow; k.Src.Compare(k.Dst) > 0 {
		f.Flags |= bpf.FlowFromB
	}
	e.flows.state[slot].owner = d
	atomic.StoreUint32(&f.Expires, e.tick(d.ExpiresAt))
	return nil
}

// linkFlow gives the decision a slot in force: its own, kept while another decided, or a new one.
func (e *Enforcer) linkFlow(key *bpf.Tuple, d *verdict.Entry, fromB bool) (handle, slot uint32) {
	if d.Handle != 0 {
		h := key.Hash(e.maps.Control.Seed)
		if !e.flows.cells.put(uint32(h), uint32(h>>32), d.Handle) {
			return d.Handle, 0
		}
		return d.Handle, d.Handle
	}
	slot = e.flows.add(key, e.maps.Control.Seed, bpf.Flow{}, e.mono)
	return slot, slot
}

// sweepFlows prolongs inspection's decisions about flows that are alive and drops those about silent ones.
func (e *Enforcer) sweepFlows() {
	e.flows.mu.Lock()
	defer e.flows.mu.Unlock()
	mono := e.clock.Now()
	now := e.clock.Tick(mono)
	for slot := uint32(1); slot < e.flows.slots.next; slot++ {
		s := &e.flows.state[slot]
		if s.idle == 0 {
			continue
		}
		f := &e.flows.maps[slot]
		last := atomic.LoadUint32(&f.Last)
		if expires := min(last+s.idle+1, s.until); int32(expires-now) > 0 {
			atomic.StoreUint32(&f.Expires, expires)
			continue
		}
		e.flows.unlink(slot, e.maps.Control.Seed)
		e.flows.release(slot, mono)
	}
}
