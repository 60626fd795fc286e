// Package decode turns a frame into a Packet: without allocating, without panicking, without failing.
//
// What is wrong with a frame is recorded in the Packet as decoder events; the fields that could be read stay valid.
package decode

import "net/netip"

// Addr is an IP address in 16 bytes, network byte order; IPv4 is held IPv4-mapped (::ffff:a.b.c.d, RFC 4291 §2.5.5.2).
// It has no pointers and compares with ==.
type Addr [16]byte

// IP returns the address in the form netip prefers (IPv4 unmapped).
func (a Addr) IP() netip.Addr { return netip.AddrFrom16(a).Unmap() }

// Is4 reports whether the address is IPv4-mapped.
func (a Addr) Is4() bool { return netip.AddrFrom16(a).Is4In6() }

// AddrFrom converts ip; the zero netip.Addr becomes the zero Addr.
func AddrFrom(ip netip.Addr) Addr {
	if !ip.IsValid() {
		return Addr{}
	}
	return ip.As16()
}

// LinkType is a capture file's link type (https://www.tcpdump.org/linktypes.html).
type LinkType uint16

// The link types that Decode knows.
const (
	LinkNull     LinkType = 0   // BSD loopback: 4 bytes of address family, host order of the writer
	LinkEthernet LinkType = 1   // Ethernet II or 802.3
	LinkPPP      LinkType = 9   // PPP, with or without 0xff03
	LinkRaw      LinkType = 101 // bare IPv4 or IPv6
	LinkCHDLC    LinkType = 104 // Cisco HDLC
	LinkSLL      LinkType = 113 // Linux cooked v1
	LinkIPv4     LinkType = 228 // bare IPv4
	LinkIPv6     LinkType = 229 // bare IPv6
	LinkSLL2     LinkType = 276 // Linux cooked v2
)

// IP protocol numbers (IANA) the path asks for by name.
const (
	ProtoICMP   = 1
	ProtoIGMP   = 2
	ProtoIPIP   = 4
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoIPv6   = 41
	ProtoGRE    = 47
	ProtoESP    = 50
	ProtoICMPv6 = 58
	ProtoSCTP   = 132
)

// TCP flag bits as they stand in byte 13 of the header (RFC 9293 §3.1).
const (
	FIN uint8 = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// Tunnel says what carries the inner packet.
type Tunnel uint8

// The tunnels that Decode opens.
const (
	NoTunnel Tunnel = iota
	TunnelGENEVE
	TunnelVXLAN
	TunnelGRE
	TunnelERSPAN
	TunnelIPIP   // IPv4 in IPv4 or IPv6
	Tunnel6in4   // IPv6 in IPv4 or IPv6
	TunnelTeredo // RFC 4380
)

// Source says where a packet comes from.
type Source uint8

// Sources of packets.
const (
	SourceWire Source = iota
	SourceGRE
	SourceIPv4
	SourceIPv6
	SourceTeredo
	SourceVXLAN
	SourceGENEVE
	SourceDefrag        // rebuilt from fragments
	SourceStreamFlush   // no packet: pkg/flow asks for a look at a stream's last bytes
	SourceStreamTimeout // no packet: as above, because the flow has ended by timeout or with the capture
	numSources
)

var sourceNames = [numSources]string{"wire/pcap", "gre tunnel", "ipv4 tunnel", "ipv6 tunnel", "teredo tunnel", "vxlan encapsulation", "geneve encapsulation", "defrag", "stream (detect/log)", "stream (flow timeout)"}

// String returns EVE's pkt_src.
func (s Source) String() string {
	if s < numSources {
		return sourceNames[s]
	}
	return "unknown"
}

// Pseudo reports whether there is no packet behind it: only flow, direction and stream are of interest.
func (s Source) Pseudo() bool { return s == SourceStreamFlush || s == SourceStreamTimeout }

// Frame is what a capture hands over: bytes from the first byte of the link layer, and what is known about them.
type Frame struct {
	Data    []byte
	WireLen int    // bytes on the wire; > len(Data) when the capture cut the frame
	Time    int64  // capture time, Unix nanoseconds
	Number  uint64 // 1-based number of the frame in its capture (EVE's pcap_cnt); 0 when live
	Link    LinkType
}

// Packet is one decoded frame. It is reused: Decode overwrites every field. Slices point into Frame.Data.
type Packet struct {
	Frame

	EtherType uint16 // of the innermost tag; 0 when the link has none
	SrcMAC    [6]byte
	DstMAC    [6]byte
	VLAN      [3]uint16 // VLAN ids, outermost first; valid up to VLANs
	VLANs     uint8

	IPVersion  uint8 // 4, 6, or 0 when there is no valid IP header
	Src, Dst   Addr  // valid iff IPVersion != 0
	Proto      uint8 // protocol after IPv6 extension headers; valid iff IPVersion != 0
	BadOptions uint8 // IPv4 options of a length that cannot be: how often IPv4OptionInvalidLength has come
	TTL        uint8 // TTL or hop limit
	TOS        uint8 // TOS or traffic class
	IPID       uint32
	IPFlags    uint8  // IPv4: bit 2 reserved, bit 1 DF, bit 0 MF
	FragOff    uint16 // fragment offset in bytes
	Fragment   bool   // part of a fragmented datagram (MF set or FragOff > 0)
	Rebuilt    bool   // reassembled from fragments by pkg/flow
	IPOffset   int    // offset of the IP header in Data: the length of the link layer
	IPHeader   []byte // IPv4 header with options; IPv6 header with extension headers
	IPPayload  []byte // what Proto describes, cut to the header's length

	SrcPort, DstPort uint16 // TCP, UDP, SCTP; valid iff L4 != nil
	L4               []byte // transport header, with TCP options; nil when cut short or a later fragment
	Payload          []byte // transport payload
	Seq, Ack         uint32 // valid iff Proto == ProtoTCP && L4 != nil, as are the next five
	Flags            uint8
	Window           uint16
	Urgent           uint16
	TCPOptions       TCPOptions
	ICMPType         uint8 // valid iff ICMP or ICMPv6 && L4 != nil, as are the next three
	ICMPCode         uint8
	ICMPID           uint16
	ICMPSeq          uint16

	BadIPChecksum bool // IPv4 header checksum present and wrong
	BadL4Checksum bool // TCP, UDP, ICMP checksum present and wrong; computed only when Decoder.Checksums

	Tunnel     Tunnel // what this packet carries; the inner packet is read by Decoder.Inner
	InnerLink  LinkType
	InnerFrame []byte
	Tenant     uint64 // GENEVE: GWLB endpoint id (class 0x0108 type 1); VXLAN, GENEVE else: VNI. Set on the inner packet.
	Cookie     uint32 // GENEVE: GWLB flow cookie (class 0x0108 type 3). Set on the inner packet.
	Depth      uint8  // 0 for the frame itself, +1 for each tunnel opened
	Source     Source // how the packet came about: EVE's pkt_src

	Events     EventSet // what is wrong with the frame
	Invalid    bool     // a header was so wrong that decoding stopped at it
	cut        bool     // the capture cut the packet: payload ends early, checksums are not known
	fragHeader uint16   // offset of IPv6's fragment header in IPHeader
	fragLink   uint16   // offset of the next header field that announces it
	Layers     uint8    // headers read so far; bounds nesting
}

// TCPOptions are the options of a TCP header that the path uses (RFC 9293, RFC 7323, RFC 2018, RFC 7413).
type TCPOptions struct {
	MSS         uint16
	WindowScale uint8
	TSVal       uint32
	TSEcr       uint32
	Has         TCPOptionSet
}

// TCPOptionSet says which options are present and well formed.
type TCPOptionSet uint8

// Options present in a TCP header.
const (
	HasMSS TCPOptionSet = 1 << iota
	HasWindowScale
	HasSACKPermitted
	HasTimestamps
	HasSACK
	HasFastOpen
)
