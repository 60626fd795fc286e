// Package packettest builds packets for tests: from the transport outwards, with lengths and checksums in place.
//
//	packettest.IP4("1.2.3.4", "5.6.7.8").TCP(1234, 80, "PA").Seq(1, 1).Payload("GET / HTTP/1.0\r\n\r\n").Ethernet()
package packettest

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/weir-ips/weir/pkg/decode"
)

// Builder holds a packet under construction. Methods change and return it; Clone starts a variant.
type Builder struct {
	src, dst  netip.Addr
	proto     uint8
	ttl, tos  uint8
	id        uint32
	frag      uint16 // offset in 8-byte units
	more      bool
	df        bool
	options   []byte // IPv4
	ext       []byte // IPv6 extension headers, next header fields in place but for the last
	firstExt  uint8
	transport transport
	payload   []byte
	vlan      []uint16
	badIP     bool
	badL4     bool
}

// transport is a header in front of the payload; its checksum is computed when the packet is built.
type transport struct {
	header []byte
	sum    int  // offset of the checksum; -1 when it has none
	pseudo bool // the checksum covers the pseudo header
	length int  // offset of a 16-bit length of header and payload; -1 when it has none
}

// IP4 starts an IPv4 packet. It panics on a bad address, as everything here does on bad input: these are tests.
func IP4(src, dst string) *Builder {
	return &Builder{src: netip.MustParseAddr(src), dst: netip.MustParseAddr(dst), ttl: 64, id: 1, transport: transport{sum: -1, length: -1}}
}

// IP6 starts an IPv6 packet.
func IP6(src, dst string) *Builder { return IP4(src, dst) }

// IP starts a packet of either version.
func IP(src, dst string) *Builder { return IP4(src, dst) }

// Clone returns a copy that can be changed on its own.
func (b *Builder) Clone() *Builder {
	c := *b
	c.transport.header = append([]byte(nil), b.transport.header...)
	c.vlan = append([]uint16(nil), b.vlan...)
	return &c
}

// TTL sets TTL or hop limit.
func (b *Builder) TTL(n uint8) *Builder { b.ttl = n; return b }

// TOS sets TOS or traffic class.
func (b *Builder) TOS(n uint8) *Builder { b.tos = n; return b }

// ID sets the identification of the IP datagram.
func (b *Builder) ID(n uint32) *Builder { b.id = n; return b }

// DF sets "don't fragment".
func (b *Builder) DF() *Builder { b.df = true; return b }

// Options sets IPv4 options, which are padded to four bytes.
func (b *Builder) Options(o ...byte) *Builder {
	for len(o)%4 != 0 {
		o = append(o, 0)
	}
	b.options = o
	return b
}

// Extension adds an IPv6 extension header of the given type. body is what follows next header and length; it is padded to
// a multiple of eight bytes, headers included. Headers stand in the order of the calls.
func (b *Builder) Extension(kind uint8, body ...byte) *Builder {
	h := append([]byte{0, 0}, body...)
	for len(h)%8 != 0 {
		h = append(h, 0)
	}
	h[1] = uint8(len(h)/8 - 1)
	b.addExt(kind, h)
	return b
}

func (b *Builder) addExt(kind uint8, h []byte) {
	if len(b.ext) == 0 {
		b.firstExt = kind
	} else {
		b.ext[b.lastExt()] = kind
	}
	b.ext = append(b.ext, h...)
}

// lastExt returns the offset of the last extension header.
func (b *Builder) lastExt() int {
	at := 0
	for {
		n := 8 + int(b.ext[at+1])*8
		if at+n >= len(b.ext) {
			return at
		}
		at += n
	}
}

// Fragment makes the packet a fragment: offset in bytes, a multiple of eight. The payload is then what stands at offset, and
// the transport header is not written.
func (b *Builder) Fragment(offset int, more bool) *Builder {
	b.frag, b.more = uint16(offset/8), more
	if b.src.Is6() {
		var h [8]byte
		binary.BigEndian.PutUint16(h[2:], b.frag<<3|bit(more))
		binary.BigEndian.PutUint32(h[4:], b.id)
		b.addExt(44, h[:])
	}
	return b
}

func bit(v bool) uint16 {
	if v {
		return 1
	}
	return 0
}

// Proto sets an IP protocol without header; the payload follows.
func (b *Builder) Proto(p uint8) *Builder { b.proto = p; return b }

// TCP adds a TCP header. flags is any of "FSRPAUEC".
func (b *Builder) TCP(src, dst uint16, flags string) *Builder {
	h := make([]byte, 20)
	binary.BigEndian.PutUint16(h, src)
	binary.BigEndian.PutUint16(h[2:], dst)
	h[12] = 5 << 4
	for _, c := range flags {
		i := strings.IndexRune("FSRPAUEC", c)
		if i < 0 {
			panic(fmt.Sprintf("packettest: tcp flag %q", c))
		}
		h[13] |= 1 << i
	}
	binary.BigEndian.PutUint16(h[14:], 65535)
	b.proto, b.transport = decode.ProtoTCP, transport{header: h, sum: 16, pseudo: true, length: -1}
	return b
}

// Seq sets the TCP sequence and acknowledgement numbers.
func (b *Builder) Seq(seq, ack uint32) *Builder {
	binary.BigEndian.PutUint32(b.transport.header[4:], seq)
	binary.BigEndian.PutUint32(b.transport.header[8:], ack)
	return b
}

// Window sets the TCP window.
func (b *Builder) Window(n uint16) *Builder {
	binary.BigEndian.PutUint16(b.transport.header[14:], n)
	return b
}

// Urgent sets the TCP urgent pointer.
func (b *Builder) Urgent(n uint16) *Builder {
	binary.BigEndian.PutUint16(b.transport.header[18:], n)
	return b
}

// TCPOptions sets TCP options, which are padded to four bytes with end-of-list.
func (b *Builder) TCPOptions(o ...byte) *Builder {
	for len(o)%4 != 0 {
		o = append(o, 0)
	}
	b.transport.header = append(b.transport.header[:20:20], o...)
	b.transport.header[12] = uint8(len(b.transport.header)/4) << 4
	return b
}

// UDP adds a UDP header.
func (b *Builder) UDP(src, dst uint16) *Builder {
	h := make([]byte, 8)
	binary.BigEndian.PutUint16(h, src)
	binary.BigEndian.PutUint16(h[2:], dst)
	b.proto, b.transport = decode.ProtoUDP, transport{header: h, sum: 6, pseudo: true, length: 4}
	return b
}

// ICMP adds an ICMP header, or ICMPv6 when the packet is IPv6.
func (b *Builder) ICMP(kind, code uint8, id, seq uint16) *Builder {
	h := []byte{kind, code, 0, 0, byte(id >> 8), byte(id), byte(seq >> 8), byte(seq)}
	b.proto, b.transport = decode.ProtoICMP, transport{header: h, sum: 2, length: -1}
	if b.src.Is6() {
		b.proto, b.transport.pseudo = decode.ProtoICMPv6, true
	}
	return b
}

// Header adds a transport header without checksum and length.
func (b *Builder) Header(proto uint8, h ...byte) *Builder {
	b.proto, b.transport = proto, transport{header: h, sum: -1, length: -1}
	return b
}

// Payload sets what follows the transport header.
func (b *Builder) Payload(s string) *Builder { b.payload = []byte(s); return b }

// Bytes sets what follows the transport header.
func (b *Builder) Bytes(p []byte) *Builder { b.payload = p; return b }

// VLAN adds a tag for Ethernet, outermost first.
func (b *Builder) VLAN(id uint16) *Builder { b.vlan = append(b.vlan, id); return b }

// BadIPChecksum and BadChecksum spoil the IPv4 header's or the transport's checksum.
func (b *Builder) BadIPChecksum() *Builder { b.badIP = true; return b }

// BadChecksum spoils the transport's checksum.
func (b *Builder) BadChecksum() *Builder { b.badL4 = true; return b }

// Segment returns transport header and payload.
func (b *Builder) Segment() []byte {
	t := b.transport
	if b.frag != 0 || b.more {
		return b.payload
	}
	s := append(append([]byte(nil), t.header...), b.payload...)
	if t.length >= 0 {
		binary.BigEndian.PutUint16(s[t.length:], uint16(len(s)))
	}
	if t.sum >= 0 {
		sum := decode.Checksum(s)
		if t.pseudo {
			sum = decode.ChecksumL4(decode.AddrFrom(b.src), decode.AddrFrom(b.dst), b.proto, s)
		}
		if b.badL4 {
			sum ^= 0x5555
		}
		binary.BigEndian.PutUint16(s[t.sum:], sum)
	}
	return s
}

// Raw returns the packet from its IP header on.
func (b *Builder) Raw() []byte {
	s := b.Segment()
	if b.src.Is4() {
		return append(b.header4(len(s)), s...)
	}
	h := make([]byte, 40)
	binary.BigEndian.PutUint32(h, 6<<28|uint32(b.tos)<<20)
	binary.BigEndian.PutUint16(h[4:], uint16(len(b.ext)+len(s)))
	h[6], h[7] = b.proto, b.ttl
	if len(b.ext) > 0 {
		h[6] = b.firstExt
		b.ext[b.lastExt()] = b.proto
	}
	src, dst := b.src.As16(), b.dst.As16()
	copy(h[8:], src[:])
	copy(h[24:], dst[:])
	return append(append(h, b.ext...), s...)
}

func (b *Builder) header4(payload int) []byte {
	h := make([]byte, 20, 20+len(b.options)+payload)
	h = append(h, b.options...)
	h[0] = 0x40 | uint8(len(h)/4)
	h[1] = b.tos
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)+payload))
	binary.BigEndian.PutUint16(h[4:], uint16(b.id))
	binary.BigEndian.PutUint16(h[6:], b.frag|bit(b.more)<<13|bit(b.df)<<14)
	h[8], h[9] = b.ttl, b.proto
	src, dst := b.src.As4(), b.dst.As4()
	copy(h[12:], src[:])
	copy(h[16:], dst[:])
	sum := decode.Checksum(h)
	if b.badIP {
		sum ^= 0x5555
	}
	binary.BigEndian.PutUint16(h[10:], sum)
	return h
}

// Ethernet returns the packet as an Ethernet frame, VLAN tags included.
func (b *Builder) Ethernet() []byte {
	f := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}
	for i, id := range b.vlan {
		kind := uint16(0x8100)
		if i < len(b.vlan)-1 {
			kind = 0x88a8
		}
		f = binary.BigEndian.AppendUint16(f, kind)
		f = binary.BigEndian.AppendUint16(f, id)
	}
	kind := uint16(0x0800)
	if b.src.Is6() {
		kind = 0x86dd
	}
	return append(binary.BigEndian.AppendUint16(f, kind), b.Raw()...)
}

// Frame returns the packet as an Ethernet frame captured at time, Unix nanoseconds.
func (b *Builder) Frame(time int64) decode.Frame { return Frame(b.Ethernet(), time) }

// Frame returns an Ethernet frame captured at time, Unix nanoseconds.
func Frame(data []byte, time int64) decode.Frame {
	return decode.Frame{Data: data, WireLen: len(data), Time: time, Link: decode.LinkEthernet}
}

// Packet returns the packet decoded, with checksums verified.
func (b *Builder) Packet(time int64) *decode.Packet {
	p := new(decode.Packet)
	decode.Default().Decode(p, b.Frame(time))
	return p
}
