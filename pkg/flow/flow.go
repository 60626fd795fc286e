// Package flow joins packets into conversations: a bounded table, IP defragmentation, TCP reassembly, and the
// application protocol of each flow.
//
// A Tracker belongs to one worker; packets reach it by symmetric hash of tenant and inner addresses, so flows need no lock.
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

// Flow is one conversation. Addresses are in the initiator's orientation: app.ToServer is Src → Dst.
type Flow struct {
	ID               uint64 // EVE's flow_id
	Tenant           uint64 // GWLB endpoint, VNI, or 0
	Src, Dst         decode.Addr
	SrcPort, DstPort uint16
	Proto            uint8
	IPVersion        uint8
	VLAN             [3]uint16
	VLANs            uint8

	Start, Last int64 // Unix ns
	Packets     [2]uint64
	Bytes       [2]uint64
	State       State
	Reason      string // why it ended, as in EVE: "timeout", "shutdown", "forced"

	TCP *Session // nil unless TCP and tracked

	App     app.Proto    // agreed protocol
	AppDir  [2]app.Proto // as detected from each side (EVE's app_proto_ts, app_proto_tc)
	AppOrig app.Proto    // before a protocol change (STARTTLS, upgrade)
	Parser  app.Parser   // nil until the protocol is known and has a parser

	Verdict  FlowVerdict // what rules or policy decided for the rest of the flow
	Alerted  bool
	Swapped  bool     // the initiator turned out to be the server; directions were exchanged
	Detect   any      // the detection engine's state: flowbits, flowints, per-rule progress
	Logged   any      // the event writer's state
	Policies []string // exception policies applied, for EVE's flow.exception_policy
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

// Result says what a packet did to its flow.
type Result struct {
	Flow *Flow         // nil when the packet belongs to no flow (ARP, bad header, table full)
	Dir  app.Direction // direction of this packet
	New  bool
	// Closed says that this packet ended the flow.
	Closed bool
	// Drop is set in IPS mode when stream handling or an exception policy refuses the packet; DropReason is EVE's drop.reason.
	Drop       bool
	DropReason string
}
