package enforce

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/verdict"
)

// Options say how an Enforcer guards. The zero value has the defaults.
type Options struct {
	Limits  *verdict.Limits // default: verdict.DefaultLimits of the maps' capacity
	Breaker Breaker
	Now     func() time.Time // default time.Now
}

// Enforcer carries out verdicts. It is safe for concurrent use; there must be only one for a bpf.Sensor.
type Enforcer struct {
	sensor *bpf.Sensor
	maps   *bpf.Tables
	clock  bpf.Clock
	now    func() time.Time

	arming sync.Mutex // of destinations: a flood is not held up by what else goes on

	mu       sync.Mutex
	mono     time.Duration // CLOCK_MONOTONIC, read when mu was locked
	wall     time.Time     // now, read then
	table    *verdict.Table
	guard    *verdict.Guard
	slots    slots // of verdicts
	targets  targets
	sources  cells // of the generation in force, as is presence
	presence presence
	prefixes prefixes
	placed   []placed              // while a generation is built afresh: sources to get cells
	stale    int                   // changes since a generation was last built afresh: tombstones, presence too high
	spilled  map[netip.Prefix]bool // exact sources that found no cell and live among the prefixes
	guarded  map[netip.Prefix]bool // in the kernel's never-block trie
	flows    *flows
	breaker  breaker
	held     Hold
	good     time.Time // when the known-good halves last changed places
	stats    Stats
}

// Stats are an Enforcer's own counters.
type Stats struct {
	Refused  uint64        // verdicts that the guard or a full map kept out
	Expired  uint64        // verdicts swept after their time
	Tripped  uint64        // times the drop-share breaker suspended a batch
	FlowFull uint64        // flow verdicts that found no room
	LastSwap time.Duration // how long the last Replace took to build its generation and put it in force
	Adopted  int           // verdicts that an earlier process left in force
}

// New makes an Enforcer for the sensor's maps. Verdicts that an earlier process left in them stay in force, and are in the
// table under IDs of the form "adopted-N", until Apply or Replace brings the same verdict under its own: it then keeps its counters.
func New(s *bpf.Sensor, o Options) (*Enforcer, error) {
	t := s.Tables()
	if o.Limits == nil {
		l := verdict.DefaultLimits(len(t.Verdicts) - 1)
		o.Limits = &l
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	e := &Enforcer{
		sensor: s, maps: t, clock: s.Clock(), now: o.Now,
		table: verdict.NewTable(0), guard: verdict.NewGuard(*o.Limits),
		slots: newSlots(len(t.Verdicts)), targets: newTargets(t.Targets),
		spilled: map[netip.Prefix]bool{}, guarded: map[netip.Prefix]bool{},
		flows: newFlows(t), breaker: breaker{Breaker: o.Breaker.withDefaults()}, good: o.Now(),
	}
	if err := e.use(t.Control.Generation); err != nil {
		return nil, err
	}
	e.Heartbeat()
	e.mono, e.wall = e.clock.Now(), e.now()
	if s.Adopted() {
		if err := e.adopt(); err != nil {
			e.Close()
			return nil, fmt.Errorf("enforce: adopt maps: %w", err)
		}
		return e, nil // guarded as before until the next Protect
	}
	if err := e.Protect(nil); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// lock begins an operation: all of it happens at one moment.
func (e *Enforcer) lock() {
	e.mu.Lock()
	e.mono, e.wall = e.clock.Now(), e.now()
}

// use makes a generation's maps the ones that changes go to.
func (e *Enforcer) use(generation uint32) error {
	trie, err := e.sensor.Trie(generation)
	if err != nil {
		return fmt.Errorf("enforce: %w", err)
	}
	e.sources, e.presence = e.half(generation)
	e.prefixes = prefixes{trie: trie, tree: new(bart.Table[*node])}
	return nil
}

// Close lets go of the maps; what they say stays in force.
func (e *Enforcer) Close() error {
	e.lock()
	defer e.mu.Unlock()
	return e.prefixes.close()
}

// Apply enforces v, in the place of the verdict with the same ID. The error is a *verdict.Refusal if a safety rule or a full
// map forbids it; the verdict it was to replace then stays.
func (e *Enforcer) Apply(v verdict.Verdict) error {
	e.lock()
	defer e.mu.Unlock()
	e.reclaim(v)
	if err := e.check(&v); err != nil {
		e.stats.Refused++
		return err
	}
	old := e.table.Get(v.ID)
	entry, was := e.table.Put(v, e.wall)
	if err := e.sync(v.Match.Subject()); err != nil {
		e.table.Remove(v.ID)
		err = errors.Join(&verdict.Refusal{ID: v.ID, Rule: verdict.OverBudget, Detail: err.Error()}, e.restore(old, entry))
		e.stats.Refused++
		return err
	}
	if old != nil && old.Handle != entry.Handle {
		err := e.sync(was)
		e.release(old)
		return err
	}
	if old == nil || !old.Unnamed {
		e.breaker.watch(entry)
	}
	return nil
}

// restore puts back the verdict that a refused one was to replace.
func (e *Enforcer) restore(old, refused *verdict.Entry) error {
	if old != nil {
		back, _ := e.table.Put(old.Verdict, old.Applied)
		back.Handle = old.Handle
	}
	err := e.sync(refused.Match.Subject())
	if old == nil || old.Handle != refused.Handle {
		e.release(refused)
	}
	return err
}

func (e *Enforcer) check(v *verdict.Verdict) error {
	held, space := e.table.Counts(), e.table.Space()
	if old := e.table.Get(v.ID); old != nil {
		held[old.Origin]--
		space.Remove(&old.Verdict)
	}
	if err := e.guard.Check(v, e.wall, held); err != nil {
		return err
	}
	return verdict.CheckSpace(v, space[v.Origin], verdict.Ceiling(v.Origin))
}

// Remove lifts the verdict. Lifting one that is not there is no error.
func (e *Enforcer) Remove(id string) error {
	e.lock()
	defer e.mu.Unlock()
	entry := e.table.Remove(id)
	if entry == nil {
		return nil
	}
	return e.lift(entry)
}

// lift takes an entry that has left the table out of the maps.
func (e *Enforcer) lift(entry *verdict.Entry) error {
	err := e.sync(entry.Match.Subject())
	e.release(entry)
	return err
}

// release frees the slot of an entry that no map refers to any more.
func (e *Enforcer) release(entry *verdict.Entry) {
	if entry.Handle == 0 {
		return
	}
	if entry.Match.Flow != nil {
		e.flows.mu.Lock()
		e.flows.release(entry.Handle, e.mono)
		e.flows.mu.Unlock()
	} else {
		e.targets.release(e.maps.Verdicts[entry.Handle].Target)
		e.slots.give(entry.Handle, e.mono)
	}
	entry.Handle, entry.Written = 0, false
}

// sync makes the maps say about subject what the table says.
func (e *Enforcer) sync(s verdict.Subject) error {
	ds := e.table.Decisions(s)
	if s.IsFlow() {
		return e.syncFlow(s.Flow, ds)
	}
	if len(ds) > bpf.ChainLimit {
		return fmt.Errorf("%v has %d verdicts of different narrowing, the limit is %d", s.Src, len(ds), bpf.ChainLimit)
	}
	if exact(s.Src) && !e.spilled[s.Src] {
		return e.syncExact(s.Src, ds)
	}
	return e.syncPrefix(s.Src, ds)
}

func (e *Enforcer) syncExact(src netip.Prefix, ds []*verdict.Entry) error {
	head, err := e.chain(src, ds, 0)
	if err != nil {
		return err
	}
	hash, tag := bpf.SourceKey(e.maps.Control.Seed, src.Addr().As16(), bits128(src))
	if e.placed != nil {
		e.placed = append(e.placed, placed{src, uint32(hash), tag, head})
		return nil
	}
	cell := e.sources.find(uint32(hash), tag)
	if cell != nil && !e.owns(cell, src) {
		if head == 0 { // another address has this tag; ours is among the prefixes or not there
			return nil
		}
		return e.spill(src, ds)
	}
	switch {
	case head == 0:
		if cell != nil {
			e.sources.remove(uint32(hash), tag)
		}
	case cell != nil:
		store(cell, tag, head)
	default:
		e.presence.raise(src, bpf.HasSource)
		if !e.sources.put(uint32(hash), tag, head) {
			return e.spill(src, ds)
		}
	}
	return nil
}

// owns reports whether the cell's verdict is about src.
func (e *Enforcer) owns(c *bpf.Cell, src netip.Prefix) bool {
	v := &e.maps.Verdicts[c.Slot]
	return v.Src == src.Addr().As16() && v.Plen == bits128(src)
}

// spill keeps a source that has no cell among the prefixes.
func (e *Enforcer) spill(src netip.Prefix, ds []*verdict.Entry) error {
	e.spilled[src] = true
	return e.syncPrefix(src, ds)
}

// chain writes the slots of decisions about one source and links them in order, ending in tail. It returns the first.
func (e *Enforcer) chain(src netip.Prefix, ds []*verdict.Entry, tail uint32) (uint32, error) {
	for i := len(ds) - 1; i >= 0; i-- {
		if err := e.write(src, ds[i], tail); err != nil {
			return 0, err
		}
		tail = ds[i].Handle
	}
	return tail, nil
}

// write fills the entry's slot, taking one first if it has none.
func (e *Enforcer) write(src netip.Prefix, d *verdict.Entry, next uint32) error {
	if d.Written && d.Next == next {
		return nil
	}
	if d.Handle == 0 {
		if err := e.take(src, d); err != nil {
			return err
		}
	}
	v := &e.maps.Verdicts[d.Handle]
	v.Rule, v.Origin, v.Flags = d.Rule, uint8(d.Origin), 0
	if d.Epoch != 0 {
		v.Flags = flagCollector
	}
	v.Budget = 0
	if d.Action == verdict.RateLimit {
		v.Budget = e.budget(d.Rate, bpf.RateWindow)
	}
	v.Action, v.Rank = e.action(d)
	atomic.StoreUint32(&v.Expires, e.tick(d.ExpiresAt))
	atomic.StoreUint32(&v.Next, next)
	d.Written, d.Next = true, next
	return nil
}

// take gives the entry a slot and writes into it what does not change while it has it.
func (e *Enforcer) take(src netip.Prefix, d *verdict.Entry) error {
	target, err := e.targets.take(d.Match.Dst)
	if err != nil {
		return err
	}
	if d.Handle = e.slots.take(e.mono); d.Handle == 0 {
		e.targets.release(target)
		return errors.New("no free slot for a verdict")
	}
	e.maps.Verdicts[d.Handle] = bpf.Verdict{
		Src: src.Addr().As16(), Plen: bits128(src), Proto: d.Match.Proto, Port: d.Match.Port, Target: target,
	}
	return nil
}

// flagCollector marks a verdict that the collector sent, for the process that adopts it.
const flagCollector = 1

// action is what XDP is told to do, and its rank.
func (e *Enforcer) action(d *verdict.Entry) (what, rank uint8) {
	if d.Suspended || e.held.covers(&d.Verdict) {
		return uint8(verdict.Observe), 0
	}
	return uint8(d.Action), d.Rank()
}

// budget is how many packets a rate allows in a window of 2^shift ticks; at least one.
func (e *Enforcer) budget(perSecond uint32, shift int) uint32 {
	window := e.clock.Length() << shift
	n := uint64(perSecond) * uint64(window) / uint64(time.Second)
	return uint32(min(max(n, 1), bpf.BudgetLimit))
}

// tick is the kernel's time at which t will be.
func (e *Enforcer) tick(t time.Time) uint32 {
	const century = 100 * 365 * 24 * time.Hour
	left := min(max(t.Sub(e.wall), 0), century)
	return e.clock.Tick(e.mono+left) + 1
}
