package bpf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// sizes sets the sizes of the maps, and the constants that follow from them.
func sizes(spec *ebpf.CollectionSpec, o Options) error {
	source, flow := buckets(o.Sources), buckets(o.Flows)
	sets := max(1, ceilPow2(uint32(o.Destinations))/DestWays)
	for name, n := range map[string]uint32{
		sensorMapSources:   2 * source,
		sensorMapVerdicts:  uint32(o.Sources) + 1, // slot 0 means none
		sensorMapFlowCells: flow,
		sensorMapFlows:     uint32(o.Flows) + 1,
		sensorMapDests:     sets * DestWays,
		sensorMapArms:      sets * DestWays,
	} {
		spec.Maps[name].MaxEntries = n
	}
	for _, name := range []string{mapControl, mapCoarse} {
		spec.Maps[name].Flags |= unix.BPF_F_MMAPABLE
	}
	spec.Maps[sensorMapRings].InnerMap.MaxEntries = uint32(o.RingBytes)
	return setAll(spec, map[string]uint32{
		sensorVarMode:       uint32(o.Mode),
		sensorVarFirstRoom:  uint32(firstRoom / runtime.NumCPU()),
		sensorVarSnaplen:    uint32(o.SnapLen),
		sensorVarRingCount:  uint32(o.Rings),
		sensorVarSourceMask: source - 1,
		sensorVarFlowMask:   flow - 1,
		sensorVarDestMask:   sets - 1,
	})
}

// firstRoom is how many SYNs a tick are remembered: places are held for FirstHeld ticks, and half of them stay free, so that who
// has a turn mostly finds one.
const firstRoom = 1 << 19 / FirstHeld

// setAll sets constants of the program.
func setAll(spec *ebpf.CollectionSpec, constants map[string]uint32) error {
	for name, value := range constants {
		if err := spec.Variables[name].Set(value); err != nil {
			return fmt.Errorf("bpf: constant %s: %w", name, err)
		}
	}
	return nil
}

// shared lists the maps that outlive a process. The others are the program's own constants.
func shared() []string {
	return []string{
		mapControl, mapCoarse, sensorMapSources, sensorMapVerdicts, sensorMapTargets, sensorMapPresence4, sensorMapPresence6,
		sensorMapPrefixes, sensorMapGuard, sensorMapFlowCells, sensorMapFlows, sensorMapDests, sensorMapArms, sensorMapFilters,
		sensorMapGood, sensorMapCredits, sensorMapStats, sensorMapRings, sensorMapSamples, sensorMapSightings,
		sensorMapSockets, sensorMapBridge,
	}
}

// Sections of data, which are arrays of one.
const (
	mapControl = ".data.control"
	mapCoarse  = ".data.coarse"
)

// pinPath is where a map is pinned: a bpf file system forbids dots in names.
func pinPath(folder, name string) string {
	return filepath.Join(folder, strings.TrimPrefix(name, ".data."))
}

type mapSet map[string]*ebpf.Map

func (m mapSet) close() {
	for _, each := range m {
		each.Close()
	}
}

// adopt opens the maps pinned in folder if all are there and fit the spec; nil if not.
func adopt(spec *ebpf.CollectionSpec, folder string) (mapSet, error) {
	set := mapSet{}
	for _, name := range shared() {
		m, err := ebpf.LoadPinnedMap(pinPath(folder, name), nil)
		if errors.Is(err, os.ErrNotExist) {
			set.close()
			return nil, nil
		}
		if err != nil {
			set.close()
			return nil, explain(fmt.Errorf("bpf: open pinned map %s: %w", pinPath(folder, name), err))
		}
		set[name] = m
		if err := spec.Maps[name].Compatible(m); err != nil {
			set.close()
			return nil, nil // another capacity: start afresh
		}
	}
	return set, nil
}

// create makes the maps anew and, with a folder, pins them there in place of what was.
func create(spec *ebpf.CollectionSpec, folder string) (mapSet, error) {
	set := mapSet{}
	for _, name := range shared() {
		m, err := ebpf.NewMap(spec.Maps[name])
		if err != nil {
			set.close()
			return nil, explain(fmt.Errorf("bpf: create map %s: %w", name, err))
		}
		set[name] = m
	}
	if folder == "" {
		return set, nil
	}
	if err := set.pin(folder); err != nil {
		set.close()
		return nil, err
	}
	return set, nil
}

func (m mapSet) pin(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return explain(fmt.Errorf("bpf: %w", err))
	}
	for name, each := range m {
		path := pinPath(folder, name)
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("bpf: replace pinned map: %w", err)
		}
		if err := each.Pin(path); err != nil {
			return explain(fmt.Errorf("bpf: pin map %s: %w", path, err))
		}
	}
	return nil
}

// inner returns the maps that outer's slots 0 to n-1 hold, filling empty or misfit slots with new ones.
func inner(spec *ebpf.MapSpec, outer *ebpf.Map, n int) ([]*ebpf.Map, error) {
	var maps []*ebpf.Map
	for i := range uint32(n) {
		m, err := innerAt(spec.InnerMap, outer, i)
		if err != nil {
			closeAll(maps)
			return nil, explain(fmt.Errorf("bpf: %s[%d]: %w", spec.Name, i, err))
		}
		maps = append(maps, m)
	}
	return maps, nil
}

func innerAt(spec *ebpf.MapSpec, outer *ebpf.Map, i uint32) (*ebpf.Map, error) {
	var id ebpf.MapID
	if err := outer.Lookup(i, &id); err == nil {
		if m, err := ebpf.NewMapFromID(id); err == nil {
			if m.MaxEntries() == spec.MaxEntries {
				return m, nil
			}
			m.Close()
		}
	}
	m, err := ebpf.NewMap(spec)
	if err != nil {
		return nil, err
	}
	if err := outer.Put(i, m); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Trie opens the prefix trie of a generation, 0 or 1. The caller closes it.
func (s *Sensor) Trie(generation uint32) (*ebpf.Map, error) {
	m, err := innerAt(s.trie, s.tables.Prefixes, generation)
	if err != nil {
		return nil, fmt.Errorf("bpf: prefixes[%d]: %w", generation, err)
	}
	return m, nil
}

// NewTrie puts an empty trie in the place of a generation's. The caller closes it; XDP holds it on.
func (s *Sensor) NewTrie(generation uint32) (*ebpf.Map, error) {
	m, err := ebpf.NewMap(s.trie)
	if err != nil {
		return nil, explain(fmt.Errorf("bpf: create prefix trie: %w", err))
	}
	if err := s.tables.Prefixes.Put(generation, m); err != nil {
		m.Close()
		return nil, fmt.Errorf("bpf: prefixes[%d]: %w", generation, err)
	}
	return m, nil
}

func closeAll(maps []*ebpf.Map) {
	for _, m := range maps {
		m.Close()
	}
}
