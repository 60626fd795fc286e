package bpf

import "fmt"

// ABI is the version of the shared structs and maps; it is part of the pin path.
const ABI = 1

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
	FailOpen   OnFailure = iota + 1 // undecided packets move on; verdicts lapse after Lease.Hold
	FailStatic                      // undecided packets move on; verdicts stay until they expire
	FailClosed                      // undecided packets are dropped
)

// Options say how to Load. The zero value of every field but Mode and Name has a default.
type Options struct {
	Mode Mode
	Name string // names the pin folder; usually the first interface

	BPFFS string // bpf file system; default /sys/fs/bpf
	NoPin bool   // keep nothing after Close (tests, benchmarks)

	Rings     int // capture rings (host, mirror); default 1, at most MaxRings
	RingBytes int // bytes of each, a power of two; default 8 MiB
	SnapLen   int // bytes copied of a frame; default and at most MaxSnapLen

	Sources      int  // source and prefix verdicts; default 256 Ki
	Flows        int  // flow verdicts; default 64 Ki
	Destinations int  // destinations counted at once; default 8192
	Frags        bool // jumbo frames over several buffers; needs Linux 5.18 and the driver's consent
}

// Limits of Options.
const (
	MaxRings   = 64
	MaxQueues  = 64
	MaxSnapLen = 9216
)
