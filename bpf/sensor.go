package bpf

import (
	"errors"

	"github.com/cilium/ebpf"
)

// Sensor is the loaded program with its maps. Its methods are safe for concurrent use; what Array gives out is shared
// memory with the kernel.
type Sensor struct {
	opts    Options
	adopted bool
	clock   Clock
}

// Load makes or adopts the maps and loads the program; nothing is attached yet.
// The error is one sentence that names what is missing: root, the bpf file system, or the kernel's version.
func Load(o Options) (*Sensor, error) { return nil, errors.New("not implemented") }

// Attach puts the program on the interface, or replaces ours there without a gap, and returns "native" or "generic".
// It refuses an interface that carries another XDP program. Called once for each interface.
func (s *Sensor) Attach(ifname string) (string, error) { return "", errors.New("not implemented") }

// Detach takes the program off its interfaces and removes the pins.
func (s *Sensor) Detach() error { return errors.New("not implemented") }

// Close releases this process's hold. What is pinned goes on working.
func (s *Sensor) Close() error { return nil }

// Adopted reports whether the maps were those of an earlier process.
func (s *Sensor) Adopted() bool { return s.adopted }

// Clock converts between ticks and time.
func (s *Sensor) Clock() Clock { return s.clock }

// Ring is capture ring i (BPF_MAP_TYPE_RINGBUF), 0 ≤ i < Options.Rings. Records: CaptureHeader, then the frame.
func (s *Sensor) Ring(i int) *ebpf.Map { return nil }

// Samples is the ring of Sample records.
func (s *Sensor) Samples() *ebpf.Map { return nil }

// Sockets is the XSKMAP: receive queue → AF_XDP socket descriptor. A closed socket's slot empties by itself.
func (s *Sensor) Sockets() *ebpf.Map { return nil }

// Credit is receive queue q's credit, 0 ≤ q < MaxQueues. Write Granted with sync/atomic.
func (s *Sensor) Credit(q int) *Credit { return nil }

// Control is the running program's settings. Write its words with sync/atomic.
func (s *Sensor) Control() *Control { return nil }

// Counters is the sum over all CPUs.
func (s *Sensor) Counters() (Counters, error) { return Counters{}, errors.New("not implemented") }
