package flow

import (
	"net/netip"
	"time"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// Config is what a Tracker is told. NewConfig holds Suricata's defaults; the zero value is not useful.
type Config struct {
	IPS    bool // packets can be refused: "auto" exception policies mean drop
	Inline bool // inspect data at once instead of when acknowledged (stream.inline)

	Checksums    bool // TCP segments with a wrong checksum are not tracked (stream.checksum-validation)
	Midstream    bool // take up sessions whose handshake was not seen (stream.midstream)
	AsyncOneside bool // follow sessions of which only one side is seen (stream.async-oneside)
	DropInvalid  bool // in IPS mode, drop segments that the session refuses (stream.drop-invalid)
	Bypass       bool // bypass a flow when a depth is reached (stream.bypass)
	NoRaw        bool // no rule looks at raw streams: keep nothing for them
	UseVLAN      bool // VLAN ids belong to the flow's key (vlan.use-for-tracking)

	MaxSynQueued    int // different SYNs kept of one handshake before 3whs_syn_flood
	MaxSynAckQueued int // different SYN/ACKs kept before 3whs_synack_flood

	Depth uint64 // bytes of each direction that are reassembled; 0 means all
	// StoreDepth takes the place of Depth in flows of which a file is to be stored, if Stores says so and it is more.
	StoreDepth uint64
	Stores     bool
	ChunkSize  [2]uint32 // bytes of raw stream that are inspected at a time when not Inline, by app.Direction

	Urgent      UrgentPolicy
	UrgentLimit UrgentPolicy // what happens after too much out-of-band data; UrgentInline or UrgentDrop

	MaxFlows         int    // flows in the table (flow.memcap)
	MaxSessions      int    // TCP sessions (stream.memcap)
	ReassemblyMemcap uint64 // bytes of stream buffers (stream.reassembly.memcap)
	MaxSegments      int    // segments remembered of one direction before the oldest gap is given up

	Encryption [app.NumProtos]Encryption // what to do once a protocol's content is encrypted (encryption-handling)

	Timeouts Timeouts
	Defrag   DefragConfig
	Policies Policies
	OS       []OSPolicy // host-os-policy: the longest prefix that holds the receiver decides how overlaps are read

	Protocols []Protocol // detection and parsers, in order of precedence; see DefaultProtocols
}

// Timeouts say after how long a silent flow is forgotten, by protocol and state.
type Timeouts struct {
	TCP, UDP, ICMP, Other         StateTimeouts
	EmergencyTCP, EmergencyUDP    StateTimeouts // when the table is full
	EmergencyICMP, EmergencyOther StateTimeouts
}

// StateTimeouts are the timeouts of one protocol.
type StateTimeouts struct {
	New, Established, Closed, Bypassed time.Duration
}

// DefragConfig bounds IP defragmentation.
type DefragConfig struct {
	MaxDatagrams int // datagrams in reassembly (defrag.trackers)
	MaxFragments int // fragments held by all of them (defrag.max-frags)
	Memcap       int // bytes held by all of them (defrag.memcap)
	Timeout      time.Duration
}

// Policies are the exception policies: what happens to a packet or flow that cannot be inspected as it should.
type Policies struct {
	Default          Policy // master switch (exception-policy)
	StreamMemcap     Policy
	ReassemblyMemcap Policy
	Midstream        Policy
	FlowMemcap       Policy // packet scope only
	DefragMemcap     Policy // packet scope only
	AppError         Policy
}

// OSPolicy names the receivers whose reading of overlapping data is as Style.
type OSPolicy struct {
	Prefix netip.Prefix
	Style  OverlapStyle
}

// OverlapStyle is an operating system's reading of overlapping segments or fragments.
type OverlapStyle uint8

// Overlap styles by their names in host-os-policy. BSD is the default.
const (
	BSD OverlapStyle = iota
	BSDRight
	OldLinux
	Linux
	OldSolaris
	Solaris
	HPUX10
	HPUX11
	IRIX
	MacOS
	Windows
	Vista
	Windows2003
	FirstWins
	LastWins
)

// UrgentPolicy says how a segment with URG is read.
type UrgentPolicy uint8

// Urgent policies by their names in stream.reassembly.urgent.policy.
const (
	UrgentOOB    UrgentPolicy = iota // the urgent byte is taken out of the stream
	UrgentInline                     // the pointer is ignored
	UrgentDrop                       // the packet is dropped in IPS mode
	UrgentGap                        // the urgent byte becomes a gap
)

// Encryption says what becomes of a flow whose content is encrypted from here on.
type Encryption uint8

// Encryption handling by its names in app-layer.protocols.tls.encryption-handling.
const (
	EncryptionTrackOnly Encryption = iota // payload is not inspected any more
	EncryptionBypass                      // the flow is bypassed
	EncryptionFull                        // payload is inspected all the same
)

// Protocol is how one application protocol is recognised and parsed.
type Protocol struct {
	Proto    app.Proto
	TCP, UDP bool
	// Probe looks at the first bytes of a direction; port is the flow's destination port.
	Probe func(dir app.Direction, data []byte, port uint16) app.Match
	// New makes a parser; nil when the protocol is only recognised.
	New func() app.Parser
	// Standalone says that a new parser may begin between any two messages: they need nothing of those before.
	Standalone bool
}

// NewConfig returns Suricata's defaults for IDS mode, without protocols.
func NewConfig() *Config {
	return &Config{
		Checksums: true, DropInvalid: true, UseVLAN: true,
		MaxSynQueued: 10, MaxSynAckQueued: 5,
		Depth: 1 << 20, ChunkSize: [2]uint32{2560, 2560},
		Urgent: UrgentOOB, UrgentLimit: UrgentDrop,
		MaxFlows: 256 << 10, MaxSessions: 192 << 10, ReassemblyMemcap: 256 << 20, MaxSegments: 4096,
		Timeouts: defaultTimeouts(),
		Defrag:   DefragConfig{MaxDatagrams: 8192, MaxFragments: 65535, Memcap: 32 << 20, Timeout: 60 * time.Second},
	}
}

func defaultTimeouts() Timeouts {
	s := func(n, e, c, b int) StateTimeouts {
		return StateTimeouts{seconds(n), seconds(e), seconds(c), seconds(b)}
	}
	return Timeouts{
		TCP: s(60, 600, 60, 100), UDP: s(30, 300, 0, 100), ICMP: s(30, 300, 0, 100), Other: s(30, 300, 0, 100),
		EmergencyTCP: s(5, 100, 10, 50), EmergencyUDP: s(10, 100, 0, 50), EmergencyICMP: s(10, 100, 0, 50), EmergencyOther: s(10, 100, 0, 50),
	}
}

// BuiltinTimeouts returns what Suricata falls back to when its configuration has no flow-timeouts; the configuration that
// it ships with, and NewConfig, have longer ones.
func BuiltinTimeouts() Timeouts {
	t := defaultTimeouts()
	t.TCP = StateTimeouts{seconds(30), seconds(300), seconds(10), seconds(100)}
	t.EmergencyTCP = StateTimeouts{seconds(10), seconds(100), seconds(5), seconds(50)}
	return t
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
