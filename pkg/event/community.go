package event

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"

	"github.com/weir-ips/weir/pkg/decode"
)

// communityID appends the Community ID v1 of a flow (https://github.com/corelight/community-id-spec): equal for both
// directions and for every tool that follows the specification.
func communityID(b []byte, seed uint16, src, dst decode.Addr, sport, dport uint16, proto uint8) []byte {
	sport, dport, oneWay := communityPorts(sport, dport, proto)
	less := bytes.Compare(src[:], dst[:])
	if !oneWay && (less > 0 || less == 0 && sport > dport) {
		src, dst, sport, dport = dst, src, dport, sport
	}
	var in [2 + 32 + 2 + 4]byte
	buf := binary.BigEndian.AppendUint16(in[:0], seed)
	if src.Is4() && dst.Is4() {
		buf = append(append(buf, src[12:]...), dst[12:]...)
	} else {
		buf = append(append(buf, src[:]...), dst[:]...)
	}
	buf = append(buf, proto, 0)
	if hasPorts(proto) || proto == decode.ProtoICMP || proto == decode.ProtoICMPv6 {
		buf = binary.BigEndian.AppendUint16(buf, sport)
		buf = binary.BigEndian.AppendUint16(buf, dport)
	}
	sum := sha1.Sum(buf)
	b = append(b, "1:"...)
	return base64.StdEncoding.AppendEncode(b, sum[:])
}

func hasPorts(proto uint8) bool {
	return proto == decode.ProtoTCP || proto == decode.ProtoUDP || proto == decode.ProtoSCTP
}

// icmpPairs are the ICMP types that answer each other; for them the ports are type and its counterpart.
var icmpPairs = [...][2]uint16{{8, 0}, {13, 14}, {15, 16}, {17, 18}, {10, 9}}

var icmp6Pairs = [...][2]uint16{{128, 129}, {133, 134}, {135, 136}, {130, 131}, {139, 140}, {144, 145}}

// communityPorts turns ICMP type and code (given as ports) into the ports of the specification; oneWay says that the
// type has no counterpart and the direction must stay.
func communityPorts(typ, code uint16, proto uint8) (sport, dport uint16, oneWay bool) {
	pairs := icmpPairs[:]
	switch proto {
	case decode.ProtoICMPv6:
		pairs = icmp6Pairs[:]
	case decode.ProtoICMP:
	default:
		return typ, code, false
	}
	for _, p := range pairs {
		if typ == p[0] {
			return p[0], p[1], false
		}
		if typ == p[1] {
			return p[1], p[0], false
		}
	}
	return typ, code, true
}
