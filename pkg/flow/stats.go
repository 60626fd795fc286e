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
	FramesLost          uint64 // marked parts of flows that are over, for which there was no room
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
	Resumed                                        uint64 // gone on with, of what another program left
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

// frame counts a frame.
func (s *DecoderStats) frame(p *decode.Packet) {
	s.Pkts++
	s.Bytes += uint64(len(p.Data))
	s.MaxPktSize = max(s.MaxPktSize, uint64(len(p.Data)))
	switch p.Link {
	case decode.LinkEthernet:
		s.Ethernet++
	case decode.LinkNull:
		s.Null++
	case decode.LinkPPP:
		s.PPP++
	case decode.LinkCHDLC:
		s.CHDLC++
	case decode.LinkSLL:
		s.SLL++
	case decode.LinkSLL2:
		s.SLL2++
	default:
		s.Raw++
	}
}

// packet counts a packet: a frame's own, what a tunnel carried, or one put together.
func (s *DecoderStats) packet(p *decode.Packet) {
	if p.Invalid || p.Events.Has(decode.IPv4OptionInvalid) || p.Events.Has(decode.IPv4OptionInvalidLength) || p.Events.Has(decode.UDPLengthInvalid) {
		s.Invalid++
	}
	if p.Events.Any() {
		for e := range decode.NumEvents {
			if p.Events.Has(e) {
				s.Events[e]++
			}
		}
	}
	switch p.VLANs {
	case 1:
		s.VLAN++
	case 2:
		s.VLANQinQ++
	case 3:
		s.VLANQinQinQ++
	}
	switch p.IPVersion {
	case 4:
		s.IPv4++
	case 6:
		s.IPv6++
	default:
		if p.EtherType == 0x0806 {
			s.ARP++
		}
		return
	}
	s.proto(p)
	s.tunnel(p)
}

func (s *DecoderStats) proto(p *decode.Packet) {
	if p.Fragment {
		return
	}
	switch p.Proto {
	case decode.ProtoTCP:
		s.TCP++
	case decode.ProtoUDP:
		s.UDP++
	case decode.ProtoICMP:
		s.ICMPv4++
	case decode.ProtoICMPv6:
		s.ICMPv6++
	case decode.ProtoSCTP:
		s.SCTP++
	case decode.ProtoGRE:
		s.GRE++
	case decode.ProtoESP:
		s.ESP++
	case 2:
		s.IGMP++
	}
}

func (s *DecoderStats) tunnel(p *decode.Packet) {
	switch p.Tunnel {
	case decode.TunnelGENEVE:
		s.GENEVE++
	case decode.TunnelVXLAN:
		s.VXLAN++
	case decode.TunnelTeredo:
		s.Teredo++
	case decode.TunnelERSPAN:
		s.ERSPAN++
	case decode.TunnelIPIP:
		if p.IPVersion == 4 {
			s.IPv4InIPv4++
		} else {
			s.IPv4InIPv6++
		}
	case decode.Tunnel6in4:
		if p.IPVersion == 4 {
			s.IPv6InIPv4++
		} else {
			s.IPv6InIPv6++
		}
	}
}
