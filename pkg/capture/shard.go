package capture

import (
	"encoding/binary"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/decode"
)

// sharder chooses the worker of a frame by the conversation that it belongs to: tenant (endpoint) and addresses, alike for both
// directions. Ports do not count, as in the program's choice among capture rings (bpf/src/hash.h): the later fragments of a datagram
// have none, and would be inspected apart from their conversation; and a connection that another announces (FTP) goes with it. It
// looks into GENEVE and VXLAN, whose outer ends are others; what other tunnels carry goes by their ends. It reads no more than that: a
// whole decoding would cost several times as much.
type sharder struct {
	seed    uint64
	workers int
}

// worker returns 0 for what is not IP.
func (s *sharder) worker(frame []byte) int {
	c, ok := ethernet(frame, 0)
	if !ok {
		return 0
	}
	t, _ := bpf.NewTuple(c.tenant, c.src, c.dst, 0, 0, c.proto)
	return t.Shard(s.seed, s.workers)
}

// ends are what a conversation is known by, and what leads on to the packet inside.
type ends struct {
	tenant   uint64
	src, dst decode.Addr
	proto    uint8
	fragment bool
}

const (
	typeIPv4  = 0x0800
	typeIPv6  = 0x86dd
	typeVLAN  = 0x8100
	typeQinQ  = 0x88a8
	typeInner = 0x6558 // transparent Ethernet bridging

	portGENEVE = 6081
	portVXLAN  = 4789

	maxTags       = 3 // VLAN
	maxExtensions = 8 // IPv6
)

// ethernet reads a frame; tenant is what it was found in.
func ethernet(b []byte, tenant uint64) (c ends, ok bool) {
	at := 12
	for range maxTags + 1 {
		if len(b) < at+2 {
			return c, false
		}
		t := binary.BigEndian.Uint16(b[at:])
		if at += 2; t != typeVLAN && t != typeQinQ {
			return network(b[at:], t, tenant)
		}
		at += 2
	}
	return c, false
}

func network(b []byte, kind uint16, tenant uint64) (c ends, ok bool) {
	c.tenant = tenant
	switch {
	case kind == typeIPv4 && len(b) >= 20 && b[0]>>4 == 4:
		c.src[10], c.src[11], c.dst[10], c.dst[11] = 0xff, 0xff, 0xff, 0xff
		copy(c.src[12:], b[12:16])
		copy(c.dst[12:], b[16:20])
		c.proto, c.fragment = b[9], binary.BigEndian.Uint16(b[6:])&0x3fff != 0
		end := min(len(b), int(binary.BigEndian.Uint16(b[2:])))
		b = b[min(end, max(20, int(b[0]&0xf)*4)):end]
	case kind == typeIPv6 && len(b) >= 40 && b[0]>>4 == 6:
		copy(c.src[:], b[8:24])
		copy(c.dst[:], b[24:40])
		c.proto = b[6]
		b = c.extensions(b[40:min(len(b), 40+int(binary.BigEndian.Uint16(b[4:])))])
	default:
		return c, false
	}
	if c.fragment {
		return c, true
	}
	return c.transport(b), true
}

// extensions steps over IPv6's extension headers (RFC 8200 §4).
func (c *ends) extensions(b []byte) []byte {
	const hopByHop, routing, fragment, authentication, options = 0, 43, 44, 51, 60
	for range maxExtensions {
		n := 0
		switch c.proto {
		case hopByHop, routing, options:
			if len(b) >= 2 {
				n = 8 * (int(b[1]) + 1)
			}
		case authentication:
			if len(b) >= 2 {
				n = 4 * (int(b[1]) + 2)
			}
		case fragment:
			n = 8
			c.fragment = len(b) >= 4 && binary.BigEndian.Uint16(b[2:])&0xfff9 != 0
		default:
			return b
		}
		if n == 0 || len(b) < n {
			return nil
		}
		c.proto, b = b[0], b[n:]
		if c.fragment {
			return nil
		}
	}
	return nil
}

// transport goes on into what a tunnel or an ICMP error carries.
func (c ends) transport(b []byte) ends {
	switch c.proto {
	case decode.ProtoICMP, decode.ProtoICMPv6:
		return c.quoted(b)
	case decode.ProtoUDP:
		if len(b) < 8 {
			return c
		}
		if n := int(binary.BigEndian.Uint16(b[4:])); n >= 8 { // of a frame in several buffers here is what the first holds
			if inner, ok := c.tunnelled(binary.BigEndian.Uint16(b[2:]), b[8:min(n, len(b))]); ok {
				return inner
			}
		}
	}
	return c
}

// quoted reads what an ICMP error is about (RFC 792, RFC 4443 §3): it belongs to that conversation.
func (c ends) quoted(b []byte) ends {
	version := uint8(4)
	kind := uint16(typeIPv4)
	if c.proto == decode.ProtoICMPv6 {
		version, kind = 6, typeIPv6
	}
	if len(b) < 8 || !decode.IsICMPError(version, b[0]) {
		return c
	}
	if q, ok := network(b[8:], kind, c.tenant); ok {
		return q
	}
	return c
}

// tunnelled reads what a UDP datagram to a port carries.
func (c ends) tunnelled(port uint16, b []byte) (inner ends, ok bool) {
	if len(b) < 8 {
		return c, false
	}
	tenant := uint64(binary.BigEndian.Uint32(b[4:]) >> 8)
	switch {
	case port == portVXLAN && b[0]&0x08 != 0:
		if c.tenant != 0 {
			tenant = c.tenant
		}
		return ethernet(b[8:], tenant)
	case port == portGENEVE && b[0]>>6 == 0:
		n := 8 + int(b[0]&0x3f)*4
		if n > len(b) {
			return c, false
		}
		id, ok := endpoint(b[8:n])
		if !ok {
			return c, false
		}
		if id != 0 {
			tenant = id
		}
		if c.tenant != 0 {
			tenant = c.tenant
		}
		if kind := binary.BigEndian.Uint16(b[2:]); kind != typeInner {
			return network(b[n:], kind, tenant)
		}
		return ethernet(b[n:], tenant)
	}
	return c, false
}

// endpoint is the load balancer's endpoint among GENEVE options (class 0x0108 of AWS, 0x0132 of GCP, 0x0167 of Tencent, type 1), 0
// without; not ok when they are malformed.
func endpoint(o []byte) (id uint64, ok bool) {
	for len(o) > 0 {
		if len(o) < 4 {
			return 0, false
		}
		n := 4 + int(o[3]&0x1f)*4
		if n > len(o) {
			return 0, false
		}
		switch binary.BigEndian.Uint16(o) {
		case 0x0108, 0x0132, 0x0167:
			if o[2] == 1 && n >= 12 {
				id = binary.BigEndian.Uint64(o[4:])
			}
		}
		o = o[n:]
	}
	return id, true
}
