package flow

import (
	"unsafe"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow/app"
)

const flowSize = uint64(unsafe.Sizeof(Flow{}))

var _ [0]struct{} = [flowSize % 64]struct{}{} // flows begin at a cache line

// keyOf returns the key of the flow that a packet belongs to; false when it belongs to none.
func (t *Tracker) keyOf(p *decode.Packet) (k key, ok bool) {
	if p.IPVersion == 0 || p.Fragment || p.Invalid {
		return k, false
	}
	k.tenant, k.proto, k.ip = p.Tenant, p.Proto, p.IPVersion
	if t.cfg.UseVLAN {
		k.vlan = p.VLAN
	}
	switch p.Proto {
	case decode.ProtoTCP, decode.ProtoUDP, decode.ProtoSCTP:
		if p.L4 == nil {
			return k, false
		}
		k.orient(&p.Src, &p.Dst, p.SrcPort, p.DstPort)
	case decode.ProtoICMP, decode.ProtoICMPv6:
		if p.L4 == nil {
			return k, false
		}
		if t.quoted(p, &k) {
			return k, true
		}
		k.proto = p.Proto
		k.icmp(p)
	case decode.ProtoESP:
		if p.L4 == nil {
			return k, false
		}
		k.orient(&p.Src, &p.Dst, 0, 0)
		k.pa, k.pb = uint16(p.L4[0])<<8|uint16(p.L4[1]), uint16(p.L4[2])<<8|uint16(p.L4[3])
	case decode.ProtoIPIP, decode.ProtoIPv6:
		k.orient(&p.Src, &p.Dst, 0, 0)
	default:
		return k, false
	}
	return k, true
}

// icmp keys a request and its answer alike: the types are a pair.
func (k *key) icmp(p *decode.Packet) {
	answer := counterpart(p.IPVersion, p.ICMPType)
	k.orient(&p.Src, &p.Dst, uint16(p.ICMPType), uint16(answer))
	if k.pa > k.pb && k.a == k.b {
		k.pa, k.pb = k.pb, k.pa
	}
}

// counterpart returns the type that answers an ICMP type, or the type itself.
func counterpart(ip, t uint8) uint8 {
	if ip == 6 {
		switch t {
		case 128, 130, 133, 135, 139, 144, 146:
			return t + 1
		case 129, 134, 136, 140, 145, 147, 131:
			return t - 1
		}
		return t
	}
	switch t {
	case 8, 0:
		return 8 - t
	case 13, 15, 17:
		return t + 1
	case 14, 16, 18:
		return t - 1
	case 9, 10:
		return 19 - t
	}
	return t
}

// quoted keys an ICMP error as the flow whose packet it quotes, if that flow is known.
func (t *Tracker) quoted(p *decode.Packet, k *key) bool {
	if !decode.IsICMPError(p.IPVersion, p.ICMPType) {
		return false
	}
	q := p.Payload
	var src, dst decode.Addr
	var proto uint8
	switch {
	case p.IPVersion == 4 && len(q) >= 20 && q[0]>>4 == 4:
		n := int(q[0]&0xf) * 4
		if n < 20 || len(q) < n+8 || q[6]&0x1f != 0 || q[7] != 0 {
			return false
		}
		proto = q[9]
		src, dst = addr4(q[12:]), addr4(q[16:])
		q = q[n:]
	case p.IPVersion == 6 && len(q) >= 48 && q[0]>>4 == 6:
		proto = q[6]
		copy(src[:], q[8:24])
		copy(dst[:], q[24:40])
		q = q[40:]
	default:
		return false
	}
	switch proto {
	case decode.ProtoTCP, decode.ProtoUDP, decode.ProtoSCTP:
	default:
		return false
	}
	quoted := *k
	quoted.proto = proto
	quoted.orient(&src, &dst, uint16(q[0])<<8|uint16(q[1]), uint16(q[2])<<8|uint16(q[3]))
	if t.table.find(&quoted, quoted.hash(t.table.seed)) == nil {
		return false
	}
	*k = quoted
	return true
}

func addr4(b []byte) (a decode.Addr) {
	a[10], a[11] = 0xff, 0xff
	copy(a[12:], b[:4])
	return a
}

// direction tells which side of the flow a packet comes from.
func (f *Flow) direction(p *decode.Packet) app.Direction {
	if f.Src != f.Dst || p.Proto != f.Proto {
		if p.Src == f.Src {
			return app.ToServer
		}
		return app.ToClient
	}
	if p.SrcPort == f.SrcPort {
		return app.ToServer
	}
	return app.ToClient
}
