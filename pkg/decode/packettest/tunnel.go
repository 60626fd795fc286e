package packettest

import "encoding/binary"

// Option is one GENEVE option (RFC 8926 §3.5); Value is a multiple of four bytes.
type Option struct {
	Class uint16
	Type  uint8
	Value []byte
}

// AWS returns the options of AWS's Gateway Load Balancer: endpoint, attachment, flow cookie.
func AWS(endpoint, attachment uint64, cookie uint32) []Option {
	return []Option{
		{0x0108, 1, binary.BigEndian.AppendUint64(nil, endpoint)},
		{0x0108, 2, binary.BigEndian.AppendUint64(nil, attachment)},
		{0x0108, 3, binary.BigEndian.AppendUint32(nil, cookie)},
	}
}

// GENEVE returns inner, an IP packet, wrapped as a gateway load balancer at src sends it to the appliance at dst: an
// Ethernet frame.
func GENEVE(src, dst string, options []Option, inner []byte) []byte {
	return IP4(src, dst).UDP(54321, 6081).Bytes(GENEVEHeader(0, options, inner)).Ethernet()
}

// GENEVEHeader returns a GENEVE header with its payload: an IP packet, or an Ethernet frame when it begins with neither
// version.
func GENEVEHeader(vni uint32, options []Option, inner []byte) []byte {
	var o []byte
	for _, opt := range options {
		o = binary.BigEndian.AppendUint16(o, opt.Class)
		o = append(o, opt.Type, uint8(len(opt.Value)/4))
		o = append(o, opt.Value...)
	}
	kind := uint16(0x6558)
	switch inner[0] >> 4 {
	case 4:
		kind = 0x0800
	case 6:
		kind = 0x86dd
	}
	h := []byte{uint8(len(o) / 4), 0}
	h = binary.BigEndian.AppendUint16(h, kind)
	h = binary.BigEndian.AppendUint32(h, vni<<8)
	return append(append(h, o...), inner...)
}

// VXLAN returns an Ethernet frame wrapped as Traffic Mirroring sends it from src to dst: the IP packet, without Ethernet.
func VXLAN(src, dst string, vni uint32, frame []byte) []byte {
	h := binary.BigEndian.AppendUint32([]byte{8, 0, 0, 0}, vni<<8)
	return IP4(src, dst).UDP(65432, 4789).Bytes(append(h, frame...)).Raw()
}
