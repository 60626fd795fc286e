package flow

import (
	"github.com/weir-ips/weir/pkg/decode"
)

// Stats are a tracker's counters. Names in comments are those of EVE's stats record.
type Stats struct {
	Decoder DecoderStats
	Flow    TableStats
	TCP     TCPStats
	Defrag  DefragStats
	// Policies counts exception policies applied: exception_policy.<target>.<policy>.
	Policies [NumTargets][NumPolicies]uint64
	// AppFlows and AppErrors count flows and parser errors by protocol: app_layer.flow.<proto>, app_layer.error.<proto>.parser.
	AppFlows, AppErrors [32]uint64
}

// DecoderStats count frames and packets: decoder.<name>.
type DecoderStats struct {
	Pkts, Bytes, Invalid, MaxPktSize                                      uint64
	Ethernet, ARP, VLAN, VLANQinQ, VLANQinQinQ, MPLS, PPP, PPPoE          uint64
	CHDLC, Raw, Null, SLL, SLL2                                           uint64
	IPv4, IPv6, TCP, UDP, SCTP, ICMPv4, ICMPv6, GRE, ERSPAN, ESP, IGMP    uint64
	Teredo, IPv4InIPv4, IPv6InIPv4, IPv4InIPv6, IPv6InIPv6, VXLAN, GENEVE uint64
	UnknownEtherType, TooManyLayers                                       uint64
	Events                                                                [decode.NumEvents]uint64 // decoder.event.<name>
}

// TableStats count flows: flow.<name>.
type TableStats struct {
	Total, Active, TCP, UDP, ICMPv4, ICMPv6, Other uint64
	TCPReuse, Memcap, GetUsed, EmergencyEntered    uint64 // tcp_reuse, memcap, get_used, emerg_mode_entered
	EndNew, EndEstablished, EndClosed, EndBypassed uint64 // flow.end.state.*
	BypassedPkts, BypassedBytes, Bypassed          uint64 // flow_bypassed.local_pkts, local_bytes, closed
	Max, MemUse                                    uint64
}

// TCPStats count sessions and segments: tcp.<name>.
type TCPStats struct {
	Sessions, Active, SSNMemcap, Midstream, PseudoSegments       uint64
	Syn, SynAck, Rst, Urg, InvalidChecksum                       uint64
	SegmentMemcap, StreamDepthReached, Gap, Overlap              uint64 // segment_memcap_drop, stream_depth_reached, reassembly_gap, overlap
	OverlapDiffData, InsertDataNormalFail, InsertDataOverlapFail uint64
	UrgentOOB, AckUnseenData, MemUse, ReassemblyMemUse           uint64
}

// DefragStats count fragments: defrag.<name>.
type DefragStats struct {
	IPv4Fragments, IPv4Reassembled, IPv6Fragments, IPv6Reassembled uint64
	Timeouts, MaxFragHits, MaxTrackersReached, Memcap, Overlap     uint64
}
