// Package keyword knows every keyword of the rule language: one row each in one ordered table.
//
// Compile turns a parsed rule into an immutable Signature; a Context matches it against a packet, a stream or a transaction.
package keyword

import (
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/threshold"
)

// Action is what a rule asks for.
type Action uint8

// The actions, in Suricata's default order of evaluation. Config is Suricata's "config" action: it changes logging, never traffic.
const (
	Pass Action = iota
	Drop
	Reject // reject the sender (the same as rejectsrc)
	RejectDst
	RejectBoth
	Alert
	Config
)

var actionNames = [...]string{"pass", "drop", "reject", "rejectdst", "rejectboth", "alert", "config"}

// String returns the action as written in a rule.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return "unknown"
}

// Drops reports whether the action stops the packet in IPS mode.
func (a Action) Drops() bool { return a >= Drop && a <= RejectBoth }

// Rejects reports whether the action answers with a reset or an unreachable.
func (a Action) Rejects() bool { return a >= Reject && a <= RejectBoth }

// Target says which side of the packet is the victim (keyword target).
type Target uint8

// Targets.
const (
	NoTarget Target = iota
	TargetSrc
	TargetDst
)

// Pair is one key with a value, in the order of the rule: metadata (key, value) and reference (type, id).
type Pair struct{ Key, Value string }

// Meta is what a rule says about itself. Strings share memory with the rule file's text.
type Meta struct {
	GID, SID, Rev uint32
	Msg           string
	Class         string // classtype as written
	Category      string // the class's description from classification.config, "" when there is none
	Priority      int    // 1 is the most severe; 3 when neither priority nor classtype says
	References    []Pair // type and id; the URL prefix is looked up in Ruleset.ReferenceURL
	Metadata      []Pair
	Target        Target
	Raw           string // the rule's text
	File          string
	Line          int
}

// Type says when a rule is evaluated and what its action covers (Suricata's rule types).
type Type uint8

// The rule types.
const (
	TypePacket       Type = iota // every packet of its protocol
	TypeDecoder                  // decode-event: packets that something is wrong with
	TypeIPOnly                   // addresses and protocol alone: once per flow and direction
	TypeLikeIPOnly               // the same with negated addresses
	TypeProtocolOnly             // application protocol alone: once per flow and direction, when it becomes known
	TypePacketStream             // payload, in packets and in the stream
	TypeStream                   // payload in the stream
	TypeAppLayer                 // application protocol, for each packet after it became known
	TypeTx                       // buffers of a transaction
	TypeFrame                    // a part that a protocol's parser marks
)

var typeNames = [...]string{"packet", "decoder events", "ip only", "like ip only", "protocol detection only", "packet and stream", "stream", "application layer", "transaction", "frame"}

// String returns the type in words.
func (t Type) String() string { return typeNames[t] }

// FlowScope reports whether an action of the type covers the rest of the flow; inStream says that the match was in the
// stream rather than in a packet.
func (t Type) FlowScope(inStream bool) bool {
	switch t {
	case TypeIPOnly, TypeLikeIPOnly, TypeProtocolOnly, TypeAppLayer, TypeTx, TypeFrame:
		return true
	case TypeStream, TypePacketStream:
		return inStream
	}
	return false
}

// Dirs is a set of directions.
type Dirs uint8

// Has reports whether d is in the set; the zero set holds both.
func (s Dirs) Has(d app.Direction) bool { return s == 0 || s&(1<<d) != 0 }

// Signature is one compiled rule. It is immutable and shared by all workers. What most evaluations need comes first: it takes
// few lines of the cache.
type Signature struct {
	Type          Type
	Dirs          Dirs // directions of the flow that the rule is about
	Action        Action
	NoAlert       bool   // matches, sets state and applies its action, but writes no record
	Order         uint32 // position in the order of evaluation; set when the ruleset is built
	Apps          AppSet // application protocols of the header, 0 for none
	L4            L4Set
	Opens         bool // only a TCP packet with SYN matches
	RealPacket    bool // something looks at headers: pseudo packets have none
	NeedPacket    bool // something looks at the packet itself
	NeedStream    bool // payload is looked for in the stream
	PacketOnly    bool // payload is never looked for in the stream
	StreamOnly    bool // payload is never looked for in packets
	BothWays      bool // <>
	Transactional bool // =>
	Src, Dst      *AddrSet
	SrcPorts      *PortSet
	DstPorts      *PortSet
	tests         []test
	Payload       []item
	Packets       []*Group // buffers of the packet: headers
	Groups        []*Group // buffers of transactions, earliest first
	effects       []effect
	AppEvents     []string // events of transactions
	Fast          Fast
	PayloadFast   Fast // of a rule about transactions: what must be in the payload before that is looked at
	MaxPayload    int  // bytes that dsize allows at most; 0 when it sets no bound
	DecodeEvents  []decode.Event
	DecodeAny     bool // decode-event:any, or a broken protocol
	// AlertPass makes a pass rule write a record too (keyword alert).
	AlertPass       bool
	Priority0       bool // priority was given by the keyword, not by classtype
	StreamEvents    []flow.StreamEvent
	ProtoEvents     []flow.AppEvent
	Threshold       *threshold.Spec
	Tags            []*Tag
	FlowBits        BitUse // for the order of evaluation
	FlowInts        BitUse
	HostBits, XBits BitUse
	CapturesVars    bool
	BypassesFlow    bool
	StoresFile      bool
	EachUpdate      bool   // the hook is a body: the rule matches each time that more of it has come
	TestsFiles      bool   // a group looks at files: the rule may match once for each file of a transaction
	established     bool   // flow:established was asked for
	Hashes          uint64 // bit n is set when hashes of n bytes are asked for: 16 MD5, 20 SHA-1, 32 SHA-256
	AppName         string // application protocol as written, "" for none
	Hook            string // rule hook of the header ("request_started"), "" for none
	Meta
}

// BitUse says what a rule does with a kind of state.
type BitUse uint8

// Bits of BitUse.
const (
	UseReads BitUse = 1 << iota
	UseSets
)

type (
	test   func(*Context) bool
	effect func(*Context)
)

// Group is what must hold in one buffer.
type Group struct {
	Buffer     *Buffer
	Transforms []transform
	Key        string // buffer name and transforms: equal keys give equal bytes
	hash       uint32 // of Key
	Items      []item
	Absent     absence
}

// absence says what the keyword absent asks for.
type absence uint8

const (
	mustExist absence = iota
	mustNotExist
	mayBeAbsent
)
