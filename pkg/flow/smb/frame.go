package smb

import (
	"encoding/binary"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// marks are the frames of a message that have been marked.
type marks uint8

const (
	sessionMarked marks = 1 << iota
	recordMarked
)

// header3Len is the length of the header of an encrypted message (MS-SMB2 §2.2.41).
const header3Len = 52

// markSession marks a NetBIOS session message of n bytes whose header begins back bytes before the end of what came.
func (p *Parser) markSession(s *side, back, n int) {
	if p.frames == nil || s.marked&sessionMarked != 0 {
		return
	}
	s.marked |= sessionMarked
	p.frames.Add(s.dir, app.NBSSPDU, back, int64(4+n))
	p.frames.Add(s.dir, app.NBSSHeader, back, 4)
	if n > 0 {
		p.frames.Add(s.dir, app.NBSSData, back-4, int64(n))
	}
}

// markRecord marks an SMB message of n bytes as soon as enough of it, b, has come to know its parts.
func (p *Parser) markRecord(s *side, b []byte, back, n int) {
	if p.frames == nil || s.marked&recordMarked != 0 {
		return
	}
	switch {
	case len(b) == 0:
		return
	case b[0] == 0xff:
		p.markParts(s, app.SMB1PDU, back, header1Len, n)
	case b[0] == 0xfe && len(b) < min(n, header2Len):
		return
	case b[0] == 0xfe:
		p.markParts(s, app.SMB2PDU, back, header2Len, chained(b, n))
	case b[0] == 0xfd:
		p.markParts(s, app.SMB3PDU, back, header3Len, n)
	}
	s.marked |= recordMarked
}

// chained is how many of the n bytes that b begins belong to its first message.
func chained(b []byte, n int) int {
	if len(b) >= header2Len {
		if next := int(binary.LittleEndian.Uint32(b[20:])); next >= header2Len && next <= n {
			return next
		}
	}
	return n
}

// markParts marks a message, its header and what follows that; the three types come one after the other.
func (p *Parser) markParts(s *side, pdu app.FrameType, back, header, n int) {
	p.frames.Add(s.dir, pdu, back, int64(n))
	if n < header {
		return
	}
	p.frames.Add(s.dir, pdu+1, back, int64(header))
	if n > header {
		p.frames.Add(s.dir, pdu+2, back-header, int64(n-header))
	}
}
