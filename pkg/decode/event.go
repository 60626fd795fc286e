package decode

import (
	"iter"
	"math/bits"
	"strings"
)

// Event is one thing that is wrong with a frame. Names are those of Suricata's decode-event keyword.
type Event uint8

// The decoder events, by layer.
const (
	IPv4PacketTooSmall Event = iota
	IPv4HeaderLengthTooSmall
	IPv4LengthSmallerThanHeaderLength
	IPv4TruncatedPacket
	IPv4WrongIPVersion
	IPv4ICMPv6
	IPv4UnknownProtocol
	IPv4OptionInvalid
	IPv4OptionInvalidLength
	IPv4OptionMalformed
	IPv4OptionPadRequired
	IPv4OptionEOLRequired
	IPv4OptionDuplicate
	IPv4OptionUnknown
	IPv4FragmentPacketTooLarge
	IPv4FragmentOverlap
	IPv4FragmentIgnored
	IPv6PacketTooSmall
	IPv6TruncatedPacket
	IPv6TruncatedExt
	IPv6WrongIPVersion
	IPv6ICMPv4
	IPv6UnknownNextHeader
	IPv6DataAfterNoneHeader
	IPv6ExtDuplicateFrag
	IPv6ExtUselessFrag
	IPv6ExtDuplicateRouting
	IPv6ExtDuplicateHopByHop
	IPv6ExtDuplicateDestOpts
	IPv6ExtDuplicateAH
	IPv6ExtDuplicateESP
	IPv6ExtInvalidOptionLength
	IPv6ExtAHReservedNotNull
	IPv6HopOptsUnknownOption
	IPv6HopOptsOnlyPadding
	IPv6DestOptsUnknownOption
	IPv6DestOptsOnlyPadding
	IPv6RoutingType0
	IPv6ZeroLengthPadN
	IPv6FragNonZeroReservedField
	IPv6IPv4InIPv6TooSmall
	IPv6IPv4InIPv6WrongVersion
	IPv6IPv6InIPv6TooSmall
	IPv6IPv6InIPv6WrongVersion
	IPv6FragmentPacketTooLarge
	IPv6FragmentOverlap
	IPv6FragmentInvalidLength
	IPv6FragmentIgnored
	ICMPv4PacketTooSmall
	ICMPv4UnknownType
	ICMPv4UnknownCode
	ICMPv4IPv4TruncatedPacket
	ICMPv4IPv4UnknownVersion
	ICMPv6PacketTooSmall
	ICMPv6UnknownType
	ICMPv6UnknownCode
	ICMPv6IPv6TruncatedPacket
	ICMPv6IPv6UnknownVersion
	ICMPv6MLDMessageWithInvalidHopLimit
	ICMPv6UnassignedType
	ICMPv6ExperimentationType
	IGMPPacketTooSmall
	IGMPV3PacketTooSmall
	IGMPMalformed
	TCPPacketTooSmall
	TCPHeaderLengthTooSmall
	TCPInvalidOptionLength
	TCPOptionInvalidLength
	TCPOptionDuplicate
	UDPPacketTooSmall
	UDPHeaderLengthTooSmall
	UDPLengthInvalid
	SCTPPacketTooSmall
	SCTPChunkTooSmall
	SCTPChunkLengthInvalid
	SCTPInitChunkBundled
	SCTPInitWithNonZeroVTag
	SCTPDataWithZeroVTag
	SCTPTooManyChunks
	SCTPTooManyDataChunks
	EthernetPacketTooSmall
	EthernetUnknownEtherType
	SLLPacketTooSmall
	SLL2PacketTooSmall
	PPPPacketTooSmall
	PPPVJUPacketTooSmall
	PPPIPv4PacketTooSmall
	PPPIPv6PacketTooSmall
	PPPWrongType
	PPPUnsupportedProtocol
	PPPoEPacketTooSmall
	PPPoEWrongCode
	PPPoEMalformedTags
	GREPacketTooSmall
	GREWrongVersion
	GREV0Recursion
	GREV0Flags
	GREV0HeaderTooBig
	GREV0MalformedSREHeader
	GREV1Checksum
	GREV1Routing
	GREV1SSR
	GREV1Recursion
	GREV1Flags
	GREV1NoKey
	GREV1WrongProtocol
	GREV1MalformedSREHeader
	GREV1HeaderTooBig
	VLANHeaderTooSmall
	VLANUnknownType
	VLANTooManyLayers
	VNTagHeaderTooSmall
	VNTagUnknownType
	IEEE8021ahHeaderTooSmall
	ETagHeaderTooSmall
	ETagUnknownType
	IPRawInvalidIPVersion
	MPLSHeaderTooSmall
	MPLSPacketTooSmall
	MPLSBadLabelRouterAlert
	MPLSBadLabelImplicitNull
	MPLSBadLabelReserved
	MPLSUnknownPayloadType
	NullPacketTooSmall
	NullUnsupportedType
	ERSPANHeaderTooSmall
	ERSPANUnsupportedVersion
	ERSPANTooManyVLANLayers
	VXLANUnknownPayloadType
	GENEVEUnknownPayloadType
	DCEPacketTooSmall
	CHDLCPacketTooSmall
	NSHHeaderTooSmall
	NSHUnsupportedVersion
	NSHBadHeaderLength
	NSHReservedType
	NSHUnsupportedType
	NSHUnknownPayload
	TooManyLayers
	AFPacketTruncatedPacket
	ARPPacketTooSmall
	ARPUnsupportedHardware
	ARPUnsupportedProtocol
	ARPInvalidPacket
	ARPInvalidHardwareSize
	ARPInvalidProtocolSize
	ARPUnsupportedOpcode
	NumEvents
)

var eventNames = [NumEvents]string{
	IPv4PacketTooSmall:                  "ipv4.pkt_too_small",
	IPv4HeaderLengthTooSmall:            "ipv4.hlen_too_small",
	IPv4LengthSmallerThanHeaderLength:   "ipv4.iplen_smaller_than_hlen",
	IPv4TruncatedPacket:                 "ipv4.trunc_pkt",
	IPv4WrongIPVersion:                  "ipv4.wrong_ip_version",
	IPv4ICMPv6:                          "ipv4.icmpv6",
	IPv4UnknownProtocol:                 "ipv4.unknown_protocol",
	IPv4OptionInvalid:                   "ipv4.opt_invalid",
	IPv4OptionInvalidLength:             "ipv4.opt_invalid_len",
	IPv4OptionMalformed:                 "ipv4.opt_malformed",
	IPv4OptionPadRequired:               "ipv4.opt_pad_required",
	IPv4OptionEOLRequired:               "ipv4.opt_eol_required",
	IPv4OptionDuplicate:                 "ipv4.opt_duplicate",
	IPv4OptionUnknown:                   "ipv4.opt_unknown",
	IPv4FragmentPacketTooLarge:          "ipv4.frag_pkt_too_large",
	IPv4FragmentOverlap:                 "ipv4.frag_overlap",
	IPv4FragmentIgnored:                 "ipv4.frag_ignored",
	IPv6PacketTooSmall:                  "ipv6.pkt_too_small",
	IPv6TruncatedPacket:                 "ipv6.trunc_pkt",
	IPv6TruncatedExt:                    "ipv6.trunc_exthdr",
	IPv6WrongIPVersion:                  "ipv6.wrong_ip_version",
	IPv6ICMPv4:                          "ipv6.icmpv4",
	IPv6UnknownNextHeader:               "ipv6.unknown_next_header",
	IPv6DataAfterNoneHeader:             "ipv6.data_after_none_header",
	IPv6ExtDuplicateFrag:                "ipv6.exthdr_dupl_fh",
	IPv6ExtUselessFrag:                  "ipv6.exthdr_useless_fh",
	IPv6ExtDuplicateRouting:             "ipv6.exthdr_dupl_rh",
	IPv6ExtDuplicateHopByHop:            "ipv6.exthdr_dupl_hh",
	IPv6ExtDuplicateDestOpts:            "ipv6.exthdr_dupl_dh",
	IPv6ExtDuplicateAH:                  "ipv6.exthdr_dupl_ah",
	IPv6ExtDuplicateESP:                 "ipv6.exthdr_dupl_eh",
	IPv6ExtInvalidOptionLength:          "ipv6.exthdr_invalid_optlen",
	IPv6ExtAHReservedNotNull:            "ipv6.exthdr_ah_res_not_null",
	IPv6HopOptsUnknownOption:            "ipv6.hopopts_unknown_opt",
	IPv6HopOptsOnlyPadding:              "ipv6.hopopts_only_padding",
	IPv6DestOptsUnknownOption:           "ipv6.dstopts_unknown_opt",
	IPv6DestOptsOnlyPadding:             "ipv6.dstopts_only_padding",
	IPv6RoutingType0:                    "ipv6.rh_type_0",
	IPv6ZeroLengthPadN:                  "ipv6.zero_len_padn",
	IPv6FragNonZeroReservedField:        "ipv6.fh_non_zero_reserved_field",
	IPv6IPv4InIPv6TooSmall:              "ipv6.ipv4_in_ipv6_too_small",
	IPv6IPv4InIPv6WrongVersion:          "ipv6.ipv4_in_ipv6_wrong_version",
	IPv6IPv6InIPv6TooSmall:              "ipv6.ipv6_in_ipv6_too_small",
	IPv6IPv6InIPv6WrongVersion:          "ipv6.ipv6_in_ipv6_wrong_version",
	IPv6FragmentPacketTooLarge:          "ipv6.frag_pkt_too_large",
	IPv6FragmentOverlap:                 "ipv6.frag_overlap",
	IPv6FragmentInvalidLength:           "ipv6.frag_invalid_length",
	IPv6FragmentIgnored:                 "ipv6.frag_ignored",
	ICMPv4PacketTooSmall:                "icmpv4.pkt_too_small",
	ICMPv4UnknownType:                   "icmpv4.unknown_type",
	ICMPv4UnknownCode:                   "icmpv4.unknown_code",
	ICMPv4IPv4TruncatedPacket:           "icmpv4.ipv4_trunc_pkt",
	ICMPv4IPv4UnknownVersion:            "icmpv4.ipv4_unknown_ver",
	ICMPv6PacketTooSmall:                "icmpv6.pkt_too_small",
	ICMPv6UnknownType:                   "icmpv6.unknown_type",
	ICMPv6UnknownCode:                   "icmpv6.unknown_code",
	ICMPv6IPv6TruncatedPacket:           "icmpv6.ipv6_trunc_pkt",
	ICMPv6IPv6UnknownVersion:            "icmpv6.ipv6_unknown_version",
	ICMPv6MLDMessageWithInvalidHopLimit: "icmpv6.mld_message_with_invalid_hl",
	ICMPv6UnassignedType:                "icmpv6.unassigned_type",
	ICMPv6ExperimentationType:           "icmpv6.experimentation_type",
	IGMPPacketTooSmall:                  "igmp.pkt_too_small",
	IGMPV3PacketTooSmall:                "igmp.v3_pkt_too_small",
	IGMPMalformed:                       "igmp.malformed",
	TCPPacketTooSmall:                   "tcp.pkt_too_small",
	TCPHeaderLengthTooSmall:             "tcp.hlen_too_small",
	TCPInvalidOptionLength:              "tcp.invalid_optlen",
	TCPOptionInvalidLength:              "tcp.opt_invalid_len",
	TCPOptionDuplicate:                  "tcp.opt_duplicate",
	UDPPacketTooSmall:                   "udp.pkt_too_small",
	UDPHeaderLengthTooSmall:             "udp.hlen_too_small",
	UDPLengthInvalid:                    "udp.len_invalid",
	SCTPPacketTooSmall:                  "sctp.pkt_too_small",
	SCTPChunkTooSmall:                   "sctp.chunk_too_small",
	SCTPChunkLengthInvalid:              "sctp.chunk_len_invalid",
	SCTPInitChunkBundled:                "sctp.init_chunk_bundled",
	SCTPInitWithNonZeroVTag:             "sctp.init_with_non_zero_vtag",
	SCTPDataWithZeroVTag:                "sctp.data_with_zero_vtag",
	SCTPTooManyChunks:                   "sctp.too_many_chunks",
	SCTPTooManyDataChunks:               "sctp.too_many_data_chunks",
	EthernetPacketTooSmall:              "ethernet.pkt_too_small",
	EthernetUnknownEtherType:            "ethernet.unknown_ethertype",
	SLLPacketTooSmall:                   "sll.pkt_too_small",
	SLL2PacketTooSmall:                  "sll2.pkt_too_small",
	PPPPacketTooSmall:                   "ppp.pkt_too_small",
	PPPVJUPacketTooSmall:                "ppp.vju_pkt_too_small",
	PPPIPv4PacketTooSmall:               "ppp.ip4_pkt_too_small",
	PPPIPv6PacketTooSmall:               "ppp.ip6_pkt_too_small",
	PPPWrongType:                        "ppp.wrong_type",
	PPPUnsupportedProtocol:              "ppp.unsup_proto",
	PPPoEPacketTooSmall:                 "pppoe.pkt_too_small",
	PPPoEWrongCode:                      "pppoe.wrong_code",
	PPPoEMalformedTags:                  "pppoe.malformed_tags",
	GREPacketTooSmall:                   "gre.pkt_too_small",
	GREWrongVersion:                     "gre.wrong_version",
	GREV0Recursion:                      "gre.version0_recur",
	GREV0Flags:                          "gre.version0_flags",
	GREV0HeaderTooBig:                   "gre.version0_hdr_too_big",
	GREV0MalformedSREHeader:             "gre.version0_malformed_sre_hdr",
	GREV1Checksum:                       "gre.version1_chksum",
	GREV1Routing:                        "gre.version1_route",
	GREV1SSR:                            "gre.version1_ssr",
	GREV1Recursion:                      "gre.version1_recur",
	GREV1Flags:                          "gre.version1_flags",
	GREV1NoKey:                          "gre.version1_no_key",
	GREV1WrongProtocol:                  "gre.version1_wrong_protocol",
	GREV1MalformedSREHeader:             "gre.version1_malformed_sre_hdr",
	GREV1HeaderTooBig:                   "gre.version1_hdr_too_big",
	VLANHeaderTooSmall:                  "vlan.header_too_small",
	VLANUnknownType:                     "vlan.unknown_type",
	VLANTooManyLayers:                   "vlan.too_many_layers",
	VNTagHeaderTooSmall:                 "vntag.header_too_small",
	VNTagUnknownType:                    "vntag.unknown_type",
	IEEE8021ahHeaderTooSmall:            "ieee8021ah.header_too_small",
	ETagHeaderTooSmall:                  "etag.header_too_small",
	ETagUnknownType:                     "etag.unknown_type",
	IPRawInvalidIPVersion:               "ipraw.invalid_ip_version",
	MPLSHeaderTooSmall:                  "mpls.header_too_small",
	MPLSPacketTooSmall:                  "mpls.pkt_too_small",
	MPLSBadLabelRouterAlert:             "mpls.bad_label_router_alert",
	MPLSBadLabelImplicitNull:            "mpls.bad_label_implicit_null",
	MPLSBadLabelReserved:                "mpls.bad_label_reserved",
	MPLSUnknownPayloadType:              "mpls.unknown_payload_type",
	NullPacketTooSmall:                  "ltnull.pkt_too_small",
	NullUnsupportedType:                 "ltnull.unsupported_type",
	ERSPANHeaderTooSmall:                "erspan.header_too_small",
	ERSPANUnsupportedVersion:            "erspan.unsupported_version",
	ERSPANTooManyVLANLayers:             "erspan.too_many_vlan_layers",
	VXLANUnknownPayloadType:             "vxlan.unknown_payload_type",
	GENEVEUnknownPayloadType:            "geneve.unknown_payload_type",
	DCEPacketTooSmall:                   "dce.pkt_too_small",
	CHDLCPacketTooSmall:                 "chdlc.pkt_too_small",
	NSHHeaderTooSmall:                   "nsh.header_too_small",
	NSHUnsupportedVersion:               "nsh.unsupported_version",
	NSHBadHeaderLength:                  "nsh.bad_header_length",
	NSHReservedType:                     "nsh.reserved_type",
	NSHUnsupportedType:                  "nsh.unsupported_type",
	NSHUnknownPayload:                   "nsh.unknown_payload",
	TooManyLayers:                       "too_many_layers",
	AFPacketTruncatedPacket:             "afpacket.trunc_pkt",
	ARPPacketTooSmall:                   "arp.pkt_too_small",
	ARPUnsupportedHardware:              "arp.unsupported_hardware",
	ARPUnsupportedProtocol:              "arp.unsupported_protocol",
	ARPInvalidPacket:                    "arp.invalid_pkt",
	ARPInvalidHardwareSize:              "arp.invalid_hardware_size",
	ARPInvalidProtocolSize:              "arp.invalid_protocol_size",
	ARPUnsupportedOpcode:                "arp.unsupported_opcode",
}

// String returns the event's name in rules, such as "ipv4.trunc_pkt".
func (e Event) String() string {
	if e < NumEvents {
		return eventNames[e]
	}
	return "unknown"
}

// EventByName finds an event by its name in rules or, with the prefix "decoder.", in anomaly records.
func EventByName(name string) (Event, bool) {
	name = strings.TrimPrefix(strings.ToLower(name), "decoder.")
	for e, n := range eventNames {
		if n == name {
			return Event(e), true
		}
	}
	return 0, false
}

// EventSet is a set of decoder events.
type EventSet [3]uint64

// Add puts e into the set.
func (s *EventSet) Add(e Event) { s[e>>6] |= 1 << (e & 63) }

// Has reports whether e is in the set.
func (s *EventSet) Has(e Event) bool { return s[e>>6]&(1<<(e&63)) != 0 }

// Any reports whether anything is in the set.
func (s *EventSet) Any() bool { return s[0]|s[1]|s[2] != 0 }

// All yields the events in the set in order of their number.
func (s *EventSet) All() iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for i, word := range s {
			for ; word != 0; word &= word - 1 {
				if !yield(Event(i<<6 + bits.TrailingZeros64(word))) {
					return
				}
			}
		}
	}
}
