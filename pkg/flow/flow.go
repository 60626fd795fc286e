// Package flow joins packets into conversations: a bounded table, IP defragmentation, TCP reassembly, and the
// application protocol of each flow.
//
// A Tracker belongs to one worker; packets reach it by symmetric hash of tenant and inner addresses, so flows need no lock.
// For each frame its owner calls, in this order:
//
//	for _, p := range tracker.Unpack(frame) {    // decode, open tunnels, defragment: innermost packet first
//		r := tracker.Track(p)                    // flow, stream, parser; may first call Handler for flows that timed out
//		...                                      // rules on p in r.Dir: packet, Session.Inspectable(r.Dir), Parser.Txs()
//		tracker.Done(&r)                         // give back what rules and loggers have seen
//	}
//	tracker.Close(now)                           // end of capture: Handler sees what is left of every flow
//
// Rules look at one direction at a time, that of the packet. Data of the other direction that this packet acknowledged has
// already been parsed and waits for the next packet of that direction, or for a pseudo packet at the end of the flow.
package flow

import (
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// State is how far a conversation has come, as in EVE's flow.state.
type State uint8

// Flow states. UDP and ICMP are established once both sides have been heard; TCP after the three-way handshake.
const (
	New State = iota
	Established
	Closed
	Bypassed
)

// String returns EVE's flow.state.
func (s State) String() string {
	return [...]string{"new", "established", "closed", "bypassed"}[s&3]
}

// Flow is one conversation. Addresses are in the initiator's orientation: app.ToServer is Src → Dst.
// A Flow is reused after Handler.End has returned.
//
// What each packet needs stands first, in as few cache lines as it takes; what a flow's records alone need comes last.
type Flow struct {
	entry  entry
	Last   int64      // Unix ns of the newest packet
	TCP    *Session   // nil unless TCP and tracked
	Parser app.Parser // nil until the protocol is known and has a parser
	Src    decode.Addr

	LastDir        [2]int64 // Unix ns of the last packet of each direction
	Packets        [2]uint64
	Bytes          [2]uint64 // bytes of the frames, link layer included
	MinTTL, MaxTTL [2]uint8
	Proto          uint8
	State          State
	Verdict        FlowVerdict  // what rules or policy decided for the rest of the flow
	NoPayload      bool         // payload is not inspected any more (encrypted, depth reached)
	App            app.Proto    // agreed protocol
	AppDir         [2]app.Proto // as detected from each side (EVE's app_proto_ts, app_proto_tc)
	AppFailed      [2]bool      // the parser refused this direction
	AppEvents      AppEventSet  // what went wrong in detection and parsing
	Unrecorded     bool         // the event writer's: the record of a file waits for a packet of the side that sent it, or for rules

	Frames *app.Frames // what the parser marks; nil when nobody asks for it
	Detect any         // the detection engine's state: flowbits, flowints, per-rule progress
	Logged any         // the event writer's state
	watch  watcher

	Dst              decode.Addr
	SrcPort, DstPort uint16 // ICMP: 0
	ID               uint64 // EVE's flow_id
	Tenant           uint64 // GWLB endpoint, VNI, or 0
	Parent           uint64 // ID of the flow of the packet that carried this one in a tunnel, or 0
	Start            int64  // Unix ns of the first packet
	IPVersion        uint8
	VLAN             [3]uint16
	VLANs            uint8
	ICMPType         [2]uint8 // of the first ICMP packet of each direction
	ICMPCode         [2]uint8
	ICMPID           uint16
	SPI              uint32          // ESP (RFC 4303)
	Link             decode.LinkType // of the first packet
	Reason           string          // why it ended, as in EVE: "timeout", "shutdown", "forced", "tcp_reuse"

	AppOrig   app.Proto // before a protocol change (STARTTLS, upgrade)
	AppExpect app.Proto // announced by another flow (FTP data) (EVE's app_proto_expected)
	Txs       uint64    // transactions seen (EVE's tx_cnt); counts what Free dropped

	DropBy   string // why Verdict is FlowDrop: "" for rules, else EVE's drop.reason of later packets
	Reject   bool   // Verdict FlowDrop came with a reject
	Alerted  bool
	Swapped  bool      // the initiator turned out to be the server; directions were exchanged
	Policies []Applied // exception policies applied, for EVE's flow.exception_policy
	probed   [2]uint64 // protocols that have said no, by direction, as bits of their place in Config.Protocols

	_ [24]byte // fills the last cache line
}

// FlowVerdict is a decision about the rest of a flow.
type FlowVerdict uint8

// Decisions about the rest of a flow.
const (
	Undecided FlowVerdict = iota
	FlowDrop
	FlowPass   // packets pass without inspection by rules
	FlowBypass // the flow is not even tracked in detail any more
)

// Result says what a packet did to its flow. It is a value; Flow is valid until the next call of the Tracker.
type Result struct {
	Flow *Flow         // nil when the packet belongs to no flow (ARP, bad header, fragment)
	Dir  app.Direction // direction of this packet
	New  bool          // the packet began the flow
	// Established says that the packet belongs to an established conversation: flow:established.
	Established bool
	// WasEstablished says that it was before the packet: a packet that a session is picked up at is not part of an
	// established one yet, though what it carries is.
	WasEstablished bool
	// InStream says that the payload has become part of the stream: rules on content look at Session.Inspectable, not at
	// the packet, unless they ask for packets.
	InStream bool
	// Fed says that the parser has got new bytes of a direction, or its end.
	Fed [2]bool
	// Last says that this is a pseudo packet, and no more of this direction will come.
	Last bool
	// Closed says that this packet ended the conversation.
	Closed bool
	Stream StreamEventSet // what is wrong with the segment
	// NewState says that the segment has changed its session's state.
	NewState bool

	// Rewritten says that the frame's bytes were changed in place: the segment carried other data than an earlier one for the
	// same place in the stream, and what rules have seen is what the receiver shall get. Checksums are right again.
	Rewritten bool

	// Drop is set in IPS mode when stream handling, an exception policy or an earlier decision about the flow refuses the
	// packet; DropReason is EVE's drop.reason. Reject asks for a reset or unreachable to the sender (both: to both sides).
	Drop       bool
	DropReason string
	Reject     bool
	RejectBoth bool
	// Pass says that rules do not look at the packet: pass-packet, pass-flow, bypass.
	Pass bool
}

// Handler is told what a Tracker does of its own accord. Its methods are called within Track, Tick and Close, and must not
// call the Tracker.
type Handler interface {
	// Flush asks for a look at the last bytes of a flow's direction with a pseudo packet (p.Source says which). r is as
	// Track would return it.
	Flush(p *decode.Packet, r *Result)
	// End says that a flow is over: write its record, drop what Detect and Logged hold.
	End(f *Flow)
}
