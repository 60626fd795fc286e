package bpf

import "structs"

// Limits that src/types.h sets.
const (
	Cells          = 8          // cells of a Bucket
	Probes         = 8          // buckets a look-up visits at most
	Tombstone      = 0xffffffff // Cell.Slot of a freed cell behind which others may live
	ChainLimit     = 8          // verdicts walked for one source, and for one prefix with those that hold it
	DestWays       = 4
	DestIdle       = 32   // ticks
	FirstAgain     = 8    // ticks after which a repetition of a SYN counts
	FirstHeld      = 20   // ticks for which another does not take the place of a first SYN
	FirstShares    = 64   // parts of all SYNs, by hash, of which some are remembered in a flood
	FirstKept      = 64   // ticks for which it is remembered, if none has
	AskedKept      = 64   // ticks for which an answer may come
	Prints         = 8    // fingerprints of a Filter
	FilterPorts    = 32   // source ports of a Filter
	Filters        = 1024 // entries of filters; 0 is none
	SightsPerTick  = 16   // of a Filter, per CPU that meets a new tick
	RateWindow     = 4    // log2 ticks of a rate-limit verdict's window
	ArmWindow      = 2    // log2 ticks of an armed destination's window
	BudgetLimit    = 1<<20 - 1
	SamplesPerTick = 8 // per CPU
	SampleHead     = 128
	PortQueues     = 32 // bridge: receive queues of a port that are served
	FlowFromB      = 1  // Flow.Flags: b is the initiator
)

// Presence levels of a /24 (IPv4) or /48 (IPv6); each includes those below it.
const (
	HasNothing = iota
	HasSource
	HasPrefix
	HasGuard
)

// Control is control[0]: what Go tells the running program. Times are in ticks (Clock).
type Control struct {
	_          structs.HostLayout
	Seed       uint64 // keys every hash; chosen once for the life of the maps
	Generation uint32 // which half of sources, presence and prefixes is in force: 0 or 1
	Kill       uint32 // not 0: nothing is dropped, nothing inspected
	Observe    uint32 // not 0: count what would be dropped, drop nothing
	Failure    uint32 // OnFailure
	Heartbeat  uint32 // tick of the last sign of life
	Lease      uint32 // ticks after which inspection counts as dead; 0: never
	Hold       uint32 // FailOpen: ticks after which verdicts lapse too; 0: at once with the lease
	Flows      uint32 // number of flow verdicts; 0 skips the look-up
	Capture    uint32 // not 0: copy packets to the rings
	Good       uint32 // which half of the known-good bits is filled now: 0 or 1
	Epoch      uint64 // collector epoch and sequence number the maps stand at; not read by the program
	Seq        uint64
	Shorter6   uint64 // bit by an IPv6 address's first 6: prefixes shorter than /48 may hold it
	Second     uint32 // bridge: interface number of the second port
	Asking     uint32 // not 0: a destination is armed against answers it did not ask for, so questions are remembered
	Challenges uint32 // that a processor may send in a tick
	_          uint32
	Key        [2]uint64 // of the cookies in challenges; chosen once, as Seed
	_          uint64    // always 0
}

// Coarse says whether a whole /16 (IPv4) or hashed /32 (IPv6) may hold anything: a bit each, by generation.
type Coarse struct {
	_    structs.HostLayout
	Four [2][1024]uint64
	Six  [2][1024]uint64
	Good [1024][2]uint64 // the same about known-good sources, IPv4 and IPv6 in one, by their own generations
}

// Good has bits of sources that completed a handshake, by generation (good[i]): see GoodBits.
type Good struct {
	_    structs.HostLayout
	Bits [2]uint64
}

// Cell is one entry of the source and flow tables; Slot indexes verdicts or flows, 0 is empty.
type Cell struct {
	_    structs.HostLayout
	Tag  uint32
	Slot uint32
}

// Bucket is one cache line of cells.
type Bucket struct {
	_     structs.HostLayout
	Cells [Cells]Cell
}

// Verdict is a verdict on a source or prefix (verdicts[slot]).
type Verdict struct {
	_       structs.HostLayout
	Packets uint64 // matched, written by XDP
	Bytes   uint64
	Expires uint32 // tick
	Rule    uint32
	Next    uint32 // slot; 0 ends the chain
	Action  uint8  // verdict.Action
	Rank    uint8  // higher wins
	Plen    uint8  // of Src, in the 128-bit form
	Proto   uint8  // 0: any
	Src     [16]byte
	Target  uint32 // index into targets; 0: any destination
	Port    uint16 // destination port; 0: any
	Origin  uint8  // verdict.Origin
	Flags   uint8
	Budget  uint32 // packets per window, at most BudgetLimit
	Spent   uint32
}

// Target is the destination a verdict is narrowed to, as words in network order (targets[i]).
type Target struct {
	_    structs.HostLayout
	Addr [16]byte
	Mask [16]byte
}

// Tuple names a conversation, the same for both directions: the lower (address, port) end is A.
type Tuple struct {
	_      structs.HostLayout
	A, B   [16]byte
	Tenant uint64
	APort  uint16
	BPort  uint16
	Proto  uint8
	_      [3]byte
}

// Flow is a verdict on one flow (flows[slot]).
type Flow struct {
	_       structs.HostLayout
	Key     Tuple
	Expires uint32 // tick
	Rule    uint32
	Action  uint8
	Rank    uint8
	Origin  uint8
	Flags   uint8     // FlowFromB
	Last    uint32    // tick of the last packet
	Packets [2]uint64 // A to B, B to A
	Bytes   [2]uint64
	Budget  uint32
	Spent   uint32
	_       [3]uint64
}

// Dest counts the packets to one destination since the way was claimed (dests[i]).
type Dest struct {
	_       structs.HostLayout
	Addr    [16]byte
	Last    uint32    // tick of the last packet
	Armed   uint8     // bit per Class
	Steps   uint8     // bit per Step
	Fixed   uint8     // not 0: claimed by Go
	Claims  uint8     // how often the way changed its destination; wraps
	Packets [8]uint32 // by Class; wraps
	Bytes   uint64
}

// Arm holds the limits and steps of the Dest with the same index.
type Arm struct {
	_       structs.HostLayout
	Budget  [8]uint32 // by Class: packets per window
	Expires [8]uint32 // tick
	Window  [8]uint32
	Spent   [8]uint32
	Until   [8]uint32 // by Step: tick at which it ends
	Filter  uint32    // index into filters; 0: none
	_       [7]uint32
}

// Features are what a fingerprint sees of a packet. Numbers are in host order; what the packet does not have is 0. A later
// fragment has no transport header: what follows its IP header is payload.
type Features struct {
	_        structs.HostLayout
	Length   uint16 // of the IP packet, its header included
	ID       uint16 // IPv4: identification
	Fragment uint16 // IPv4: flags and offset, as in the header
	TTL      uint8  // or hop limit
	TOS      uint8  // or traffic class
	SPort    uint16
	DPort    uint16
	Window   uint16 // TCP: not scaled
	Payload  uint16 // bytes behind the transport header
	Options  uint32 // TCP: kinds of the first 8, the first in the lowest 4 bits; 15: above 14; ends at the end-of-list option
	MSS      uint16 // TCP option 2
	Scale    uint8  // TCP option 3: shift + 1
	Flags    uint8  // TCP; ICMP: the type
	Seq      uint32 // TCP
	Ack      uint32
	Head     [8]byte // first bytes of the payload, as they lie on the wire
	Src      uint32  // IPv4: address; IPv6: its first 32 bits
	Proto    uint8
	Version  uint8 // 4 or 6
	_        uint16
}

// Fingerprint is what an attack's packets have in common. A packet is alike if it agrees with Value in all bits of Mask,
// and lies in the ranges, bounds included.
type Fingerprint struct {
	_         structs.HostLayout
	Packets   uint64 // alike, those of known-good sources aside; written by XDP
	Bytes     uint64
	Value     Features
	Mask      Features
	MinLength uint16 // of Features.Length
	MaxLength uint16
	MinTTL    uint8
	MaxTTL    uint8
	Flags     uint8 // PrintObserve, PrintEveryone
	_         uint8
	Expires   uint32 // tick
	Rule      uint32
}

// Flags of a Fingerprint.
const (
	PrintObserve  = 1 // count, drop nothing
	PrintEveryone = 2 // drop known-good sources' packets too
)

// Filter is what an armed destination's packets are compared with (filters[i]).
type Filter struct {
	_         structs.HostLayout
	Ports     [FilterPorts]uint16 // UDP source ports of amplifiers; 0: none
	Unasked   uint64              // packets from them that nobody asked for
	Asked     uint64              // answers that had been asked for
	SYNACKs   uint64              // SYN+ACKs that nobody asked for
	Owner     uint32              // index into dests + 1; not read by the program
	SightTick uint32
	Sights    uint32
	_         [7]uint32
	Prints    [Prints]Fingerprint
}

// Sighting is a packet to an armed destination, before it is judged by fingerprints, ports and limits.
type Sighting struct {
	_        structs.HostLayout
	Time     uint64 // CLOCK_MONOTONIC, ns
	Src, Dst [16]byte
	Features Features
	Ifindex  uint32
	WireLen  uint32
	Class    Class
	Good     uint8 // the source is known good
	CapLen   uint16
	Offset   uint16 // of the IP header in Head; beyond it in deep tunnels
	_        uint16
	Head     [SampleHead]byte
}

// Credit says how many buffers for frames of a receive queue inspection still has: Granted - Used. Go adds to Granted, XDP to
// Used; they lie on cache lines of their own. Room and Most are to be set before anything is granted.
type Credit struct {
	_       structs.HostLayout
	Granted uint64
	Room    uint32 // bytes of a frame that a buffer takes, not 0
	Most    uint32 // bytes of the longest frame that the socket takes; Room, unless it takes frames of several buffers
	_       [6]uint64
	Used    uint64
	_       [7]uint64
}

// CaptureHeader precedes each frame in a capture ring.
type CaptureHeader struct {
	_       structs.HostLayout
	Time    uint64 // CLOCK_MONOTONIC, ns
	WireLen uint32
	CapLen  uint32 // bytes that follow
	Hash    uint32 // symmetric hash that chose the ring
	Queue   uint16 // receive queue
	Flags   uint16
}

// Sample is the head of a dropped packet.
type Sample struct {
	_       structs.HostLayout
	Time    uint64 // CLOCK_MONOTONIC, ns
	Ifindex uint32
	WireLen uint32
	Rule    uint32
	Slot    uint32 // of the verdict, 0 if none; of a flow for ReasonFlow; filter * Prints + index for ReasonFingerprint
	Reason  Reason
	Dropped uint8 // 0: it would have been
	CapLen  uint16
	_       uint32
	Head    [SampleHead]byte
}

// PrefixKey is the key of prefixes and guard.
type PrefixKey struct {
	_    structs.HostLayout
	Plen uint32 // in the 128-bit form: an IPv4 /24 is 120
	Addr [16]byte
}

// Counters is stats[0] of one CPU, or the sum of all.
type Counters struct {
	_             structs.HostLayout
	Drops         [Reasons]uint64
	Would         [Reasons]uint64 // would have been dropped, but for observe mode or an observing verdict
	Paths         [Paths]uint64
	SampleTick    uint32
	Samples       uint32
	FirstTick     uint32 // SYNs to destinations armed so that they must be repeated: in this tick, and how many shares are remembered
	FirstSYNs     uint32
	FirstShares   uint32
	ChallengeTick uint32
	Challenges    uint32
	_             uint32
	Reminded      [256]uint16 // by hashed address and port: tick of the last SYN let through so that the host goes on to accept cookies
	_             [32]uint64
}
