package bpf

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

// Sensor is the loaded program with its maps. Its methods are safe for concurrent use; what Tables gives out is memory
// shared with the kernel.
type Sensor struct {
	opts    Options
	clock   Clock
	adopted bool

	maps    mapSet
	rings   []*ebpf.Map
	tables  *Tables
	prog    *ebpf.Program
	id      ebpf.ProgramID       // of prog
	spec    *ebpf.CollectionSpec // as it was loaded
	linked  map[Feature]bool
	missing map[Feature]error
	trie    *ebpf.MapSpec // of one generation's prefixes

	mu    sync.Mutex
	links map[string]attachment // by interface
}

// Load makes or adopts the maps and loads the program; nothing is attached yet.
// The error is one sentence that names what is missing: root, the bpf file system, or the kernel's version.
func Load(o Options) (*Sensor, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if !o.NoPin {
		if err := checkBPFFS(o.BPFFS); err != nil {
			return nil, err
		}
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, explain(fmt.Errorf("bpf: %w", err))
	}
	spec, err := loadSensor()
	if err != nil {
		return nil, fmt.Errorf("bpf: %w", err)
	}
	s := &Sensor{opts: o, links: map[string]attachment{}, linked: map[Feature]bool{}, missing: map[Feature]error{}}
	if err := s.load(spec); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Sensor) load(spec *ebpf.CollectionSpec) (err error) {
	if s.clock, err = readClock(spec.Programs[sensorProgClock]); err != nil {
		return err
	}
	if err := sizes(spec, s.opts); err != nil {
		return err
	}
	if err := s.openMaps(spec); err != nil {
		return err
	}
	if s.tables, err = openTables(s.maps); err != nil {
		return err
	}
	if err := s.seed(); err != nil {
		return err
	}
	return s.loadProgram(spec)
}

// openMaps adopts or creates the maps, and what the maps of maps hold.
func (s *Sensor) openMaps(spec *ebpf.CollectionSpec) (err error) {
	folder := ""
	if !s.opts.NoPin {
		folder = s.opts.folder()
		if s.maps, err = adopt(spec, folder); err != nil {
			return err
		}
		s.adopted = s.maps != nil
	}
	if s.maps == nil {
		if s.maps, err = create(spec, folder); err != nil {
			return err
		}
	}
	s.trie = spec.Maps[sensorMapPrefixes].InnerMap
	tries, err := inner(spec.Maps[sensorMapPrefixes], s.maps[sensorMapPrefixes], 2)
	if err != nil {
		return err
	}
	closeAll(tries) // the outer map holds them
	if s.opts.Mode == ModeHost || s.opts.Mode == ModeMirror {
		s.rings, err = inner(spec.Maps[sensorMapRings], s.maps[sensorMapRings], s.opts.Rings)
	}
	return err
}

// challengesPerTick is about half a million a second and processor.
const challengesPerTick = 32 << 10

// seed draws the keys of new maps.
func (s *Sensor) seed() error {
	if s.tables.Control.Seed != 0 {
		return nil
	}
	var b [24]byte
	if _, err := rand.Read(b[:]); err != nil {
		return fmt.Errorf("bpf: draw hash key: %w", err)
	}
	c := s.tables.Control
	c.Key = [2]uint64{binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])}
	c.Challenges = challengesPerTick
	c.Seed = binary.LittleEndian.Uint64(b[:]) | 1
	return nil
}

func (s *Sensor) loadProgram(spec *ebpf.CollectionSpec) error {
	if err := setAll(spec, map[string]uint32{sensorVarTickShift: uint32(s.clock.shift)}); err != nil {
		return err
	}
	delete(spec.Programs, sensorProgClock)
	if err := s.loadLinked(spec); err != nil {
		return err
	}
	s.opts.Frags = s.linked[FeatureFrags]
	return nil
}

// adapt fits the program to the features that are linked in.
func (s *Sensor) adapt(spec *ebpf.CollectionSpec, objects []object) error {
	has := func(f Feature) bool {
		return slices.ContainsFunc(objects, func(o object) bool { return o.Feature == f })
	}
	if has(FeatureFrags) {
		spec.Programs[sensorProgSensor].Flags |= unix.BPF_F_XDP_HAS_FRAGS
	}
	if has(FeatureCopy) {
		return nil
	}
	return setAll(spec, map[string]uint32{sensorVarSnaplen: uint32(min(s.opts.SnapLen, OldSnapLen))})
}

func (s *Sensor) loadSpec(spec *ebpf.CollectionSpec) (*ebpf.Program, error) {
	c, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: s.maps})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.DetachProgram(sensorProgSensor), nil
}

// loadPart loads the program once more, as one that takes a place in a dispatcher.
func (s *Sensor) loadPart() (*ebpf.Program, error) {
	target, err := loadDispatcherProgram(make([]part, 1))
	if err != nil {
		return nil, err
	}
	defer target.Close()
	spec := s.spec.Copy()
	prog := spec.Programs[sensorProgSensor]
	prog.Type, prog.AttachType, prog.AttachTarget, prog.AttachTo = ebpf.Extension, ebpf.AttachNone, target, dispatcherName
	prog.Flags &^= unix.BPF_F_XDP_HAS_FRAGS // the dispatcher's to say
	part, err := s.loadSpec(spec)
	if err != nil {
		return nil, fmt.Errorf("bpf: load program as part of a dispatcher: %w: for that the kernel must take programs of type EXT "+
			"(Linux 5.10 or later with CONFIG_BPF_JIT, and no policy against them)", err)
	}
	return part, nil
}

// CanCookie is the error of StepCookie where it cannot be: it needs host mode, Linux 6.0, and that the host accepts the ACK of a cookie
// it has not sent, which it says in the network namespace of the calling thread.
func (s *Sensor) CanCookie() error {
	if err := s.Can(FeatureCookie); err != nil {
		return err
	}
	const file = "/proc/sys/net/ipv4/tcp_syncookies"
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("bpf: SYN cookies: %w", err)
	}
	if v := strings.TrimSpace(string(b)); v != "2" {
		return fmt.Errorf("bpf: SYN cookies: net.ipv4.tcp_syncookies is %s: must be 2 for the host to accept cookies that XDP has sent (sysctl -w net.ipv4.tcp_syncookies=2)", v)
	}
	return nil
}

// HaveFrags reports whether the kernel has XDP for frames of several buffers (Linux 5.18), which is what Options.Frags needs of it.
func HaveFrags() bool { return features.HaveProgramHelper(ebpf.XDP, asm.FnXdpGetBuffLen) == nil }

// Close releases this process's hold. What is pinned goes on working.
func (s *Sensor) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, l := range s.links {
		errs = append(errs, l.Close())
	}
	clear(s.links)
	if s.tables != nil {
		s.tables.close()
	}
	closeAll(s.rings)
	s.maps.close()
	if s.prog != nil {
		errs = append(errs, s.prog.Close())
	}
	return errors.Join(errs...)
}

// Adopted reports whether the maps were those of an earlier process.
func (s *Sensor) Adopted() bool { return s.adopted }

// Options are those of Load, defaults filled in.
func (s *Sensor) Options() Options { return s.opts }

// Clock converts between ticks and time.
func (s *Sensor) Clock() Clock { return s.clock }

// Program is the loaded XDP program, for BPF_PROG_TEST_RUN.
func (s *Sensor) Program() *ebpf.Program { return s.prog }

// Tables are the maps as shared memory, valid until Close.
func (s *Sensor) Tables() *Tables { return s.tables }

// Control is the running program's settings. Write its words with sync/atomic.
func (s *Sensor) Control() *Control { return s.tables.Control }

// Credit is receive queue q's credit, 0 ≤ q < MaxQueues. Write Granted with sync/atomic.
func (s *Sensor) Credit(q int) *Credit { return &s.tables.Credits[q] }

// Rings are the capture rings (BPF_MAP_TYPE_RINGBUF); none in gwlb. Records: CaptureHeader, then the frame.
func (s *Sensor) Rings() []*ebpf.Map { return s.rings }

// Samples is the ring of Sample records.
func (s *Sensor) Samples() *ebpf.Map { return s.maps[sensorMapSamples] }

// Sightings is the ring of Sighting records.
func (s *Sensor) Sightings() *ebpf.Map { return s.maps[sensorMapSightings] }

// Sockets is the XSKMAP: receive queue → AF_XDP socket descriptor. A closed socket's slot empties by itself.
func (s *Sensor) Sockets() *ebpf.Map { return s.maps[sensorMapSockets] }

// Counters is the sum over all CPUs since the maps were made.
func (s *Sensor) Counters() (Counters, error) {
	var cpus []Counters
	if err := s.maps[sensorMapStats].Lookup(uint32(0), &cpus); err != nil {
		return Counters{}, fmt.Errorf("bpf: read counters: %w", err)
	}
	var sum Counters
	for i := range cpus {
		sum.add(&cpus[i])
	}
	return sum, nil
}

func (c *Counters) add(other *Counters) {
	for i := range c.Drops {
		c.Drops[i] += other.Drops[i]
		c.Would[i] += other.Would[i]
	}
	for i := range c.Paths {
		c.Paths[i] += other.Paths[i]
	}
}

// Dropped is the number of packets dropped, whatever for.
func (c *Counters) Dropped() uint64 {
	var n uint64
	for _, d := range c.Drops {
		n += d
	}
	return n
}
