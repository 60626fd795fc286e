package lab

import (
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// flowTable is the load balancer's memory: which target a flow goes to, by 5-tuple, and the cookie that names it.
type flowTable struct {
	cfg  GWLBConfig
	seed maphash.Seed

	mu    sync.Mutex
	flows map[tuple]*gwlbFlow
	swept time.Time

	created, rejected atomic.Uint64
}

type gwlbFlow struct {
	target int
	cookie uint32
	last   time.Time
}

func newFlowTable(cfg GWLBConfig) *flowTable {
	return &flowTable{cfg: cfg, seed: maphash.MakeSeed(), flows: map[tuple]*gwlbFlow{}, swept: cfg.Clock()}
}

// outward finds or makes the flow of a packet on its way to an appliance. A TCP packet of no known flow that opens none is rejected.
func (f *flowTable) outward(t tuple, first bool, now time.Time, health *healthChecker) (gwlbFlow, bool) {
	key := t.canonical()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sweep(now)
	flow := f.find(key, now)
	if flow == nil {
		if t.proto == unix.IPPROTO_TCP && !first || len(f.flows) >= f.cfg.MaxFlows || len(f.cfg.Targets) == 0 {
			f.rejected.Add(1)
			return gwlbFlow{}, false
		}
		flow = &gwlbFlow{target: health.choose(maphash.Comparable(f.seed, key)), cookie: rand.Uint32()}
		f.flows[key] = flow
		f.created.Add(1)
	}
	if f.cfg.Rebalance && !health.healthy(flow.target) {
		flow.target = health.choose(maphash.Comparable(f.seed, key))
	}
	flow.last = now
	return *flow, true
}

// homeward finds the flow of a packet that an appliance returned.
func (f *flowTable) homeward(t tuple, now time.Time) (gwlbFlow, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	flow := f.find(t.canonical(), now)
	if flow == nil {
		return gwlbFlow{}, false
	}
	flow.last = now
	return *flow, true
}

func (f *flowTable) find(key tuple, now time.Time) *gwlbFlow {
	flow := f.flows[key]
	if flow != nil && now.Sub(flow.last) > f.idle(key) {
		delete(f.flows, key)
		return nil
	}
	return flow
}

func (f *flowTable) idle(key tuple) time.Duration {
	if key.proto == unix.IPPROTO_TCP {
		return f.cfg.TCPIdle
	}
	return f.cfg.OtherIdle
}

// sweep forgets idle flows, once in a while.
func (f *flowTable) sweep(now time.Time) {
	if now.Sub(f.swept) < 5*time.Second {
		return
	}
	f.swept = now
	for key, flow := range f.flows {
		if now.Sub(flow.last) > f.idle(key) {
			delete(f.flows, key)
		}
	}
}

func (f *flowTable) active() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.flows)
}

// entropy is the outer source port of a flow's one direction: the two directions differ, as do their receive queues.
func (f *flowTable) entropy(t tuple) uint16 {
	return 1024 + uint16(maphash.Comparable(f.seed, t)%(65536-1024))
}
