package bpf

import (
	"errors"
	"fmt"
	"math/bits"
	"path/filepath"
	"strings"
)

// ABI is the version of the shared structs and maps; it is part of the pin path.
const ABI = 3

// Mode is where the program stands (design: modes of the sensor).
type Mode uint32

// Modes.
const (
	ModeHost   Mode = iota + 1 // on the host's own interface: judge, copy to the rings, pass to the stack
	ModeGWLB                   // GENEVE from a Gateway Load Balancer: judge, hairpin or hand to AF_XDP
	ModeBridge                 // between two interfaces
	ModeMirror                 // VXLAN or GENEVE from Traffic Mirroring: copy to the rings, swallow
)

// String is the mode's name in the configuration.
func (m Mode) String() string {
	switch m {
	case ModeHost:
		return "host"
	case ModeGWLB:
		return "gwlb"
	case ModeBridge:
		return "bridge"
	case ModeMirror:
		return "mirror"
	}
	return fmt.Sprintf("mode(%d)", uint32(m))
}

// OnFailure says what becomes of packets when nobody inspects.
type OnFailure uint32

// Policies for when nobody inspects.
const (
	FailOpen   OnFailure = iota + 1 // undecided packets move on; verdicts lapse after Control.Hold
	FailStatic                      // undecided packets move on; verdicts stay until they expire
	FailClosed                      // undecided packets are dropped
)

// String is the policy's name in the configuration.
func (f OnFailure) String() string {
	switch f {
	case FailOpen:
		return "open"
	case FailStatic:
		return "static"
	case FailClosed:
		return "closed"
	}
	return fmt.Sprintf("on-failure(%d)", uint32(f))
}

// Options say how to Load. The zero value of every field but Mode and Name has a default.
type Options struct {
	Mode Mode
	Name string // names the pin folder; usually the first interface

	BPFFS string // bpf file system; default /sys/fs/bpf
	NoPin bool   // keep nothing after Close (tests, benchmarks)

	Coexist  bool   // share interfaces with other XDP programs, by a dispatcher as libxdp's
	Priority uint32 // with Coexist: lower ones run first; default DefaultPriority

	Rings     int // capture rings (host, mirror); default 1, at most MaxRings
	RingBytes int // bytes of each, a power of two; default 8 MiB
	SnapLen   int // bytes copied of a frame; default and at most MaxSnapLen

	Sources      int  // source and prefix verdicts; default 256 Ki
	Flows        int  // flow verdicts; default 64 Ki
	Destinations int  // destinations counted at once; default 8192
	Frags        bool // jumbo frames over several buffers: a Feature, needs Linux 5.18 (HaveFrags), in gwlb and bridge 6.6, and the driver's consent

	old     bool     // do without what kernels before 5.18 do not have, for tests
	objects []object // of features; default objects(), for tests others
}

// Limits of Options.
const (
	MaxRings     = 64
	MaxQueues    = 64
	MaxSnapLen   = 9216
	OldSnapLen   = 1568 // before Linux 5.18
	MaxVerdicts  = 1 << 24
	MaxPrefixes  = 100_000 // of the verdicts, those that go into the trie
	MaxGuards    = 1024    // never-block prefixes
	MaxTargets   = 4096    // distinct destinations that verdicts are narrowed to
	minRingBytes = 4096
)

// withDefaults fills in what is zero and refuses what cannot be.
func (o Options) withDefaults() (Options, error) {
	for _, d := range []struct {
		name     string
		value    *int
		def, max int
	}{
		{"rings", &o.Rings, 1, MaxRings},
		{"ring bytes", &o.RingBytes, 8 << 20, 1 << 30},
		{"snap length", &o.SnapLen, MaxSnapLen, MaxSnapLen},
		{"sources", &o.Sources, 256 << 10, MaxVerdicts},
		{"flows", &o.Flows, 64 << 10, MaxVerdicts},
		{"destinations", &o.Destinations, 8192, 1 << 20},
	} {
		if *d.value == 0 {
			*d.value = d.def
		}
		if *d.value < 1 || *d.value > d.max {
			return o, fmt.Errorf("bpf: %s %d: must be 1 to %d", d.name, *d.value, d.max)
		}
	}
	if o.RingBytes < minRingBytes || bits.OnesCount(uint(o.RingBytes)) != 1 {
		return o, fmt.Errorf("bpf: ring bytes %d: must be a power of two, at least %d", o.RingBytes, minRingBytes)
	}
	if o.Mode < ModeHost || o.Mode > ModeMirror {
		return o, fmt.Errorf("bpf: mode %v: must be host, gwlb, bridge or mirror", o.Mode)
	}
	if o.Name == "" || o.Name == "." || o.Name == ".." || strings.ContainsRune(o.Name, '/') {
		return o, fmt.Errorf("bpf: name %q: must be a file name, like an interface's", o.Name)
	}
	if o.Coexist && o.NoPin {
		return o, errors.New("bpf: a dispatcher's programs must be pinned: Coexist and NoPin exclude each other")
	}
	if o.objects == nil {
		o.objects = objects()
	}
	if o.Priority == 0 {
		o.Priority = DefaultPriority
	}
	if o.BPFFS == "" {
		o.BPFFS = "/sys/fs/bpf"
	}
	return o, nil
}

// folder is where maps and links are pinned. A dot is not allowed in names on a bpf file system.
func (o Options) folder() string {
	return filepath.Join(o.BPFFS, "weir", fmt.Sprintf("v%d", ABI), pinName(o.Name))
}

// pinName makes an interface's name fit for a bpf file system, which forbids dots (VLAN interfaces have them).
func pinName(name string) string { return strings.ReplaceAll(name, ".", "_") }

// buckets is the number of buckets that hold n keys at half load or less, and so with room to probe.
func buckets(n int) uint32 { return max(1, ceilPow2(uint32(n))/(Cells/2)) }

func ceilPow2(n uint32) uint32 { return 1 << bits.Len32(n-1) }
