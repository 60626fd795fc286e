package event

import (
	"encoding/binary"

	"github.com/weir-ips/weir/pkg/decode"
)

// arpLen is the length of an ARP packet for IPv4 over Ethernet (RFC 826).
const arpLen = 28

// ARP writes an ARP packet for IPv4 over Ethernet; payload is what follows the link header.
func (l *Logger) ARP(s *Subject, payload []byte) {
	if len(payload) < arpLen || binary.BigEndian.Uint16(payload) != 1 || binary.BigEndian.Uint16(payload[2:]) != 0x0800 {
		return
	}
	for _, o := range l.Outputs {
		if !o.Types.Has(ARP) {
			continue
		}
		e := l.begin(o, ARP, s, ofPacket)
		e.open("arp")
		e.str("hw_type", "ethernet")
		e.str("proto_type", "ipv4")
		e.str("opcode", arpOpcode(binary.BigEndian.Uint16(payload[6:])))
		e.hexColon("src_mac", payload[8:14])
		e.addr("src_ip", fromIPv4(payload[14:18]))
		e.hexColon("dest_mac", payload[18:24])
		e.addr("dest_ip", fromIPv4(payload[24:28]))
		e.close()
		l.put(o, ARP)
	}
}

func fromIPv4(b []byte) decode.Addr {
	a := decode.Addr{10: 0xff, 11: 0xff}
	copy(a[12:], b)
	return a
}

func arpOpcode(n uint16) string {
	names := [...]string{1: "request", 2: "reply", 3: "request_reverse", 4: "reply_reverse", 5: "drarp_request", 6: "drarp_reply",
		7: "drarp_error", 8: "inarp_request", 9: "inarp_reply", 10: "arp_nak"}
	if int(n) < len(names) && names[n] != "" {
		return names[n]
	}
	return "unknown"
}
