package flow

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// Recognised lists protocols that are told by their first bytes but not parsed: rules and records can name them. All but SIP
// are asked on their well-known ports alone, for their headers say little.
func Recognised() []Protocol {
	on := func(looks func([]byte) bool, ports ...uint16) func(app.Direction, []byte, uint16) app.Match {
		return func(_ app.Direction, data []byte, port uint16) app.Match {
			if (len(ports) == 0 || slices.Contains(ports, port)) && looks(data) {
				return app.Yes
			}
			return app.No
		}
	}
	return []Protocol{
		{Proto: app.NTP, UDP: true, Probe: on(isNTP, 123)},
		{Proto: app.SNMP, UDP: true, Probe: on(isSNMP, 161, 162)},
		{Proto: app.DHCP, UDP: true, Probe: on(isDHCP, 67, 68)},
		{Proto: app.TFTP, UDP: true, Probe: on(isTFTP, 69)},
		{Proto: app.IKE, UDP: true, Probe: on(isIKE, 500, 4500)},
		{Proto: app.KRB5, UDP: true, Probe: on(isKRB5, 88)},
		{Proto: app.KRB5, TCP: true, Probe: on(isKRB5Record, 88)},
		{Proto: app.SIP, UDP: true, Probe: on(isSIP)},
	}
}

// isNTP tells a header by version and mode (RFC 5905 §7.3).
func isNTP(b []byte) bool {
	return len(b) >= 48 && b[0]>>3&7 >= 1 && b[0]>>3&7 <= 4 && b[0]&7 != 0 || len(b) >= 12 && b[0]&7 >= 6 && b[0]>>3&7 >= 1 && b[0]>>3&7 <= 4
}

// isSNMP tells a message by its version: 0, 1 or 3 in a sequence (RFC 3416, RFC 3412).
func isSNMP(b []byte) bool {
	if len(b) < 7 || b[0] != 0x30 {
		return false
	}
	at := 2
	if b[1]&0x80 != 0 {
		at += int(b[1] & 0x7f)
	}
	return at+3 <= len(b) && b[at] == 2 && b[at+1] == 1 && (b[at+2] <= 1 || b[at+2] == 3)
}

// isDHCP tells a message by the magic cookie before its options (RFC 2131 §3).
func isDHCP(b []byte) bool {
	return len(b) >= 240 && (b[0] == 1 || b[0] == 2) && binary.BigEndian.Uint32(b[236:]) == 0x63825363
}

// isTFTP tells a request: an operation, a file name, and a mode (RFC 1350 §5).
func isTFTP(b []byte) bool {
	return len(b) >= 9 && b[0] == 0 && (b[1] == 1 || b[1] == 2) && bytes.Count(b[2:], []byte{0}) >= 2
}

// isIKE tells a header by version and length (RFC 2408 §3.1, RFC 7296 §3.1); on port 4500 four zero bytes are before it.
func isIKE(b []byte) bool {
	b = bytes.TrimPrefix(b, []byte{0, 0, 0, 0})
	return len(b) >= 28 && (b[17]>>4 == 1 || b[17]>>4 == 2) && int64(binary.BigEndian.Uint32(b[24:])) >= 28
}

// isKRB5 tells a message by its ASN.1 application tag (RFC 4120 §5.10).
func isKRB5(b []byte) bool {
	return len(b) >= 10 && b[0]&0xe0 == 0x60 && (b[0]&0x1f >= 10 && b[0]&0x1f <= 16 || b[0]&0x1f == 30)
}

// isKRB5Record tells a message behind its length.
func isKRB5Record(b []byte) bool {
	return len(b) >= 14 && b[0] == 0 && isKRB5(b[4:])
}

var sipMethods = [...]string{"INVITE ", "ACK ", "BYE ", "CANCEL ", "OPTIONS ", "REGISTER ", "PRACK ", "SUBSCRIBE ", "NOTIFY ", "PUBLISH ",
	"INFO ", "REFER ", "MESSAGE ", "UPDATE "}

// isSIP tells a status line, or a request line whose URI is one of SIP (RFC 3261 §7).
func isSIP(b []byte) bool {
	if bytes.HasPrefix(b, []byte("SIP/2.0 ")) {
		return true
	}
	for _, m := range sipMethods {
		if rest, ok := bytes.CutPrefix(b, []byte(m)); ok {
			return bytes.HasPrefix(rest, []byte("sip:")) || bytes.HasPrefix(rest, []byte("sips:")) || bytes.HasPrefix(rest, []byte("tel:"))
		}
	}
	return false
}
