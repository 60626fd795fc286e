package quic

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/handshake"
)

// Google QUIC up to Q046 sends its hellos in the clear
// (https://docs.google.com/document/d/1WJvyZflAO2pq77yOLbp9NsGjC1CHetAXV8I0fQe-B_U).

// isGoogle reports whether a version is one of Google's that can be read: "Q043" to "Q046".
func isGoogle(version uint32) bool { return version >= 0x51303433 && version <= 0x51303436 }

// google reads a packet with a long header of Q046.
func (p *Parser) google(dir app.Direction, version uint32, b []byte) {
	if p.txs.Len() >= maxGoogle {
		return
	}
	t := p.begin(dir, version)
	if t == nil || len(b) < 6 {
		return
	}
	off := 6 + idLen(b[5]>>4) + idLen(b[5]&15) + int(b[0]&3) + 1
	const hashLen = 12 // of the unencrypted packet's hash
	if off+hashLen >= len(b) {
		return
	}
	if tags := streamData(b[off+hashLen:]); tags != nil {
		p.tags(t, version, tags)
	}
}

// idLen decodes a connection id's length: 0, or three less than it is.
func idLen(v byte) int {
	if v == 0 {
		return 0
	}
	return int(v) + 3
}

// streamData returns the data of the first STREAM frame: 1fdoooss, stream id, offset, length.
func streamData(b []byte) []byte {
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	if len(b) == 0 || b[0]&0x80 == 0 {
		return nil
	}
	flags := b[0]
	off := 1 + int(flags&3) + 1
	if o := int(flags >> 2 & 7); o > 0 {
		off += o + 1
	}
	if flags&0x20 != 0 {
		off += 2
	}
	if off >= len(b) {
		return nil
	}
	return b[off:]
}

// tags reads a handshake message: its name, its count of entries, then for each a tag and where its value ends.
func (p *Parser) tags(t *Tx, version uint32, b []byte) {
	if len(b) < 8 || string(b[:4]) != "CHLO" {
		return
	}
	n := int(binary.LittleEndian.Uint16(b[4:]))
	values := 8 + 8*n
	if n > 128 || values > len(b) {
		t.Event("quic.error_on_data")
		return
	}
	text := []byte(fmt.Sprintf("%d,", int(byte(version>>8)-'0')*10+int(byte(version)-'0')))
	start := uint32(0)
	for i := range n {
		tag := bytes.TrimRight(b[8+8*i:12+8*i], "\x00")
		end := binary.LittleEndian.Uint32(b[12+8*i:])
		if i > 0 {
			text = append(text, '-')
		}
		text = append(text, tag...)
		if end >= start && values+int(end) <= len(b) {
			value := b[values+int(start) : values+int(end)]
			switch string(tag) {
			case "SNI":
				t.SNI = append([]byte{}, value...)
			case "UAID":
				t.UA = append([]byte{}, value...)
			}
		}
		start = end
	}
	t.CYU = append(t.CYU, CYU{String: string(text), Hash: handshake.MD5(string(text))})
}
