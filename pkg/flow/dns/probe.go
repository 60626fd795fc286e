package dns

import (
	"encoding/binary"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// Probe tells DNS in a datagram by a message that parses whole. On other ports than 53 a message must also be one that
// a resolver would send, for other binary protocols parse by chance. The format's local relatives (NetBIOS names, mDNS,
// LLMNR) are protocols of their own.
func Probe(dir app.Direction, data []byte, srcPort, dstPort uint16) app.Match {
	if isLocal(srcPort) || isLocal(dstPort) {
		return app.No
	}
	return probe(dir, data, len(data), srcPort, dstPort)
}

// ProbeTCP is Probe for a TCP direction, where a length comes first.
func ProbeTCP(dir app.Direction, data []byte, srcPort, dstPort uint16) app.Match {
	if len(data) < 2 {
		return app.More
	}
	want := int(binary.BigEndian.Uint16(data))
	if want < headerLen {
		return app.No
	}
	if data = data[2:]; len(data) < headerLen {
		return app.More
	}
	return probe(dir, data, want, srcPort, dstPort)
}

// probe judges what there is of a message of want bytes.
func probe(dir app.Direction, data []byte, want int, srcPort, dstPort uint16) app.Match {
	if len(data) < headerLen {
		return app.No
	}
	if !plausible(data, want) || (dir == app.ToClient) != (data[2]&0x80 != 0) {
		return app.No
	}
	usual := srcPort == 53 || dstPort == 53
	if len(data) < want {
		switch {
		case usual:
			return app.Yes
		case !begins(data): // what is encrypted may begin with a length, too
			return app.No
		case len(data) > 512:
			return app.Yes
		}
		return app.More
	}
	var m Message
	if m.parse(data[:want]) != nil || !usual && !m.ordinary() {
		return app.No
	}
	return app.Yes
}

// isLocal are the ports of NetBIOS name service, mDNS (RFC 6762) and LLMNR (RFC 4795).
func isLocal(p uint16) bool { return p == 137 || p == 5353 || p == 5355 }

// plausible checks that the announced records could fit the message.
func plausible(msg []byte, size int) bool {
	n := 0
	for i := 4; i < headerLen; i += 2 {
		n += int(binary.BigEndian.Uint16(msg[i:]))
	}
	if n == 0 { // a server that does not understand the question may answer with a header alone (RFC 1035 §4.1.1)
		return msg[2]&0x80 != 0 && msg[3]&0x0f != 0
	}
	return 2*n <= size
}

// begins reports whether a message begins as a common query or answer does: with a name in the first question.
func begins(msg []byte) bool {
	m := Message{Flags: binary.BigEndian.Uint16(msg[2:])}
	if m.Opcode() != 0 || m.Flags&FlagZ != 0 || binary.BigEndian.Uint16(msg[4:]) == 0 {
		return false
	}
	name := msg[headerLen:]
	if len(name) == 0 {
		return true
	}
	n := int(name[0])
	for _, c := range name[1:min(1+n, len(name))] {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return n < 64
}

// ordinary reports whether a message is a common query or answer: one question of a usual class, nothing reserved.
func (m *Message) ordinary() bool {
	if m.Opcode() != 0 || m.Flags&FlagZ != 0 || len(m.Queries) == 0 || len(m.Queries) > 4 || len(m.events) > 0 {
		return false
	}
	for _, q := range m.Queries {
		if q.Class != 1 && q.Class != 3 && q.Class != 255 || q.Type == 0 || q.Type > 512 {
			return false
		}
		for _, c := range q.Name.Bytes {
			if c <= ' ' || c >= 0x7f {
				return false
			}
		}
	}
	return m.Flags&FlagQR != 0 || len(m.Answers) == 0
}
