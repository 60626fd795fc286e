package keyword

import "sync"

// Names gives numbers to the names of flowbits, flowints, xbits and hostbits. Numbers are never taken back, so that state of
// live flows stays valid when rules are reloaded. It is safe for concurrent use; the packet path does not use it.
type Names struct {
	mu  sync.Mutex
	ids [numKinds]map[string]uint32
	all [numKinds][]string
}

type nameKind uint8

const (
	kindFlowbit nameKind = iota
	kindFlowint
	kindXbit
	kindHostbit
	numKinds
)

// NewNames returns an empty registry.
func NewNames() *Names {
	n := &Names{}
	for i := range n.ids {
		n.ids[i] = map[string]uint32{}
	}
	return n
}

func (n *Names) id(kind nameKind, name string) uint32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	id, ok := n.ids[kind][name]
	if !ok {
		id = uint32(len(n.all[kind]))
		n.ids[kind][name] = id
		n.all[kind] = append(n.all[kind], name)
	}
	return id
}

// Flowbit returns the name of a flowbit's number; Flowint of a flowint's.
func (n *Names) Flowbit(id uint32) string { return n.name(kindFlowbit, id) }

// Flowint returns the name of a flowint's number.
func (n *Names) Flowint(id uint32) string { return n.name(kindFlowint, id) }

func (n *Names) name(kind nameKind, id uint32) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if int(id) < len(n.all[kind]) {
		return n.all[kind][id]
	}
	return ""
}

// FlowState is what rules have remembered of one flow. It belongs to the flow's worker.
type FlowState struct {
	Bits []uint64 // flowbits, by number
	Ints []FlowInt
	Vars []Capture // values captured with scope flow
	// Entropies are what the keyword entropy last computed, by buffer.
	Entropies []Entropy
}

// Entropy is the entropy of the bytes that a rule has looked at, in bits a byte.
type Entropy struct {
	Buffer string // as in EVE's metadata.entropy: "file_data", "content"
	Value  float64
}

// maxEntropies bounds the entropies remembered of one flow.
const maxEntropies = 16

func (f *FlowState) setEntropy(buffer string, v float64) {
	if f == nil {
		return
	}
	for i := range f.Entropies {
		if f.Entropies[i].Buffer == buffer {
			f.Entropies[i].Value = v
			return
		}
	}
	if len(f.Entropies) < maxEntropies {
		f.Entropies = append(f.Entropies, Entropy{buffer, v})
	}
}

// FlowInt is a flow's variable.
type FlowInt struct{ ID, Value uint32 }

func (f *FlowState) bit(id uint32) bool {
	return f != nil && int(id>>6) < len(f.Bits) && f.Bits[id>>6]&(1<<(id&63)) != 0
}

func (f *FlowState) setBit(id uint32, on bool) {
	for int(id>>6) >= len(f.Bits) {
		f.Bits = append(f.Bits, 0)
	}
	if on {
		f.Bits[id>>6] |= 1 << (id & 63)
	} else {
		f.Bits[id>>6] &^= 1 << (id & 63)
	}
}

func (f *FlowState) integer(id uint32) *FlowInt {
	if f == nil {
		return nil
	}
	for i := range f.Ints {
		if f.Ints[i].ID == id {
			return &f.Ints[i]
		}
	}
	return nil
}

// Hosts is state that belongs to addresses, not to flows: xbits and hostbits. It is bounded, and shared by all workers.
type Hosts struct {
	shards [hostShards]hostShard
}

const (
	hostShards = 64
	hostLimit  = 4096 // entries of one shard: 256 k altogether
)

type hostShard struct {
	mu      sync.Mutex
	entries map[hostKey]int64 // expiry, Unix ns
}

// hostKey is one bit of one address or pair.
type hostKey struct {
	a, b U128
	bit  uint32
	host bool // hostbit, else xbit
}

// NewHosts returns empty state.
func NewHosts() *Hosts {
	h := &Hosts{}
	for i := range h.shards {
		h.shards[i].entries = map[hostKey]int64{}
	}
	return h
}

func (h *Hosts) shard(k hostKey) *hostShard {
	x := k.a.Lo ^ k.a.Hi ^ k.b.Lo*3 ^ k.b.Hi*5 ^ uint64(k.bit)*0x9e3779b97f4a7c15
	x ^= x >> 32
	return &h.shards[x*0x9e3779b97f4a7c15>>58]
}

func (h *Hosts) has(k hostKey, now int64) bool {
	s := h.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.entries[k]
	if ok && until <= now {
		delete(s.entries, k)
		return false
	}
	return ok
}

// set keeps a bit until a time. When the shard is full another entry gives way.
func (h *Hosts) set(k hostKey, until, now int64) (evicted bool) {
	s := h.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.entries[k]; !ok && len(s.entries) >= hostLimit {
		evicted = s.sweep(now)
	}
	s.entries[k] = until
	return evicted
}

// sweep makes room: of a few entries, taken at random, those go that are over, or else one. It reports whether one had
// to go that was not over.
func (s *hostShard) sweep(now int64) bool {
	const sample = 16
	looked, freed := 0, false
	for k, until := range s.entries {
		if looked++; until <= now {
			delete(s.entries, k)
			freed = true
		} else if looked >= sample && !freed {
			delete(s.entries, k)
			return true
		}
		if looked >= sample && freed {
			return false
		}
	}
	return false
}

func (h *Hosts) unset(k hostKey) {
	s := h.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, k)
}

// maxFlowVars bounds the values captured for one flow.
const maxFlowVars = 64

// SetVar keeps a captured value.
func (f *FlowState) SetVar(name string, value []byte) {
	for i := range f.Vars {
		if f.Vars[i].Name == name {
			f.Vars[i].Value = value
			return
		}
	}
	if len(f.Vars) < maxFlowVars {
		f.Vars = append(f.Vars, Capture{Name: name, Scope: CaptureFlow, Value: value})
	}
}
