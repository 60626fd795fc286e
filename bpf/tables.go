package bpf

import (
	"fmt"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Tables are the maps as memory shared with the kernel. Lengths are the maps' entries; two-generation maps hold both halves
// one after the other. XDP reads while Go writes: store what makes an entry visible last, with sync/atomic.
type Tables struct {
	Control   *Control
	Coarse    *Coarse
	Sources   []Bucket // 2 generations
	Verdicts  []Verdict
	Targets   []Target
	Presence4 []uint64 // 2 generations of Presence4Words
	Presence6 []uint64 // 2 generations of Presence6Words, by hash, and Presence6Short, by the first 16 bits
	FlowCells []Bucket
	Flows     []Flow
	Dests     []Dest
	Arms      []Arm
	Filters   []Filter
	Good      []Good
	Credits   []Credit

	Prefixes *ebpf.Map // generation → LPM trie: PrefixKey → uint32 slot
	Guard    *ebpf.Map // LPM trie: PrefixKey → uint32

	mapped [][]byte
}

// Words of one generation.
const (
	Presence4Words = 1 << 19
	Presence6Words = 1 << 16
	Presence6Short = 1 << 16 / 32
	GoodWords      = 1 << 15
)

func openTables(m mapSet) (*Tables, error) {
	t := &Tables{Prefixes: m[sensorMapPrefixes], Guard: m[sensorMapGuard]}
	var control []Control
	var coarse []Coarse
	for _, each := range []func() error{
		func() error { return share(t, m[mapControl], &control) },
		func() error { return share(t, m[mapCoarse], &coarse) },
		func() error { return share(t, m[sensorMapSources], &t.Sources) },
		func() error { return share(t, m[sensorMapVerdicts], &t.Verdicts) },
		func() error { return share(t, m[sensorMapTargets], &t.Targets) },
		func() error { return share(t, m[sensorMapPresence4], &t.Presence4) },
		func() error { return share(t, m[sensorMapPresence6], &t.Presence6) },
		func() error { return share(t, m[sensorMapFlowCells], &t.FlowCells) },
		func() error { return share(t, m[sensorMapFlows], &t.Flows) },
		func() error { return share(t, m[sensorMapDests], &t.Dests) },
		func() error { return share(t, m[sensorMapArms], &t.Arms) },
		func() error { return share(t, m[sensorMapFilters], &t.Filters) },
		func() error { return share(t, m[sensorMapGood], &t.Good) },
		func() error { return share(t, m[sensorMapCredits], &t.Credits) },
	} {
		if err := each(); err != nil {
			t.close()
			return nil, err
		}
	}
	t.Control, t.Coarse = &control[0], &coarse[0]
	return t, nil
}

// share maps an array map's memory into the process as a slice of T, the size of its values.
func share[T any](t *Tables, m *ebpf.Map, to *[]T) error {
	var zero T
	size := int(unsafe.Sizeof(zero))
	if uint32(size) != m.ValueSize() {
		return fmt.Errorf("bpf: map %v: value has %d bytes, want %d", m, m.ValueSize(), size)
	}
	n := int(m.MaxEntries())
	page := unix.Getpagesize()
	mem, err := unix.Mmap(m.FD(), 0, (n*size+page-1)/page*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("bpf: map %v into memory: %w", m, err)
	}
	t.mapped = append(t.mapped, mem)
	*to = unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(mem))), n)
	return nil
}

func (t *Tables) close() {
	for _, mem := range t.mapped {
		unix.Munmap(mem)
	}
	t.mapped = nil
}
