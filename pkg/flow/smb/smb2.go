package smb

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// Commands of SMB 2 (MS-SMB2 §2.2.1.2).
const (
	cmd2Negotiate  = 0
	cmd2Setup      = 1
	cmd2Tree       = 3
	cmd2Disconnect = 4
	cmd2Create     = 5
	cmd2Close      = 6
	cmd2Read       = 8
	cmd2Write      = 9
	cmd2Ioctl      = 11
	cmd2GetInfo    = 16
	cmd2SetInfo    = 17

	header2Len         = 64
	statusPending      = 0x103
	statusMore         = 0xc0000016
	statusEOF          = 0xc0000011
	statusOverflow     = 0x80000005
	fsctlPipe          = 0x0011c017
	infoRename         = 10
	infoDisposition    = 13
	optionDirectory    = 0x1
	optionDeleteOnExit = 0x1000
)

// header2 is the part that all messages have (MS-SMB2 §2.2.1).
type header2 struct {
	status, flags, next uint32
	command             uint16
	message, session    uint64
	tree                uint32
	response, async     bool
}

func parseHeader2(b []byte) (h header2, ok bool) {
	if len(b) < header2Len {
		return h, false
	}
	le := binary.LittleEndian
	h.status, h.command, h.flags = le.Uint32(b[8:]), le.Uint16(b[12:]), le.Uint32(b[16:])
	h.next, h.message = le.Uint32(b[20:]), le.Uint64(b[24:])
	h.response, h.async = h.flags&1 != 0, h.flags&2 != 0
	if !h.async {
		h.tree = le.Uint32(b[36:])
	}
	h.session = le.Uint64(b[40:])
	return h, true
}

// smb2 reads a message, or several that are compounded.
func (p *Parser) smb2(s *side, b []byte) {
	var last header2
	for first := true; len(b) >= header2Len && b[0] == 0xfe; first = false {
		if !first && p.frames != nil {
			p.markParts(s, app.SMB2PDU, s.back, header2Len, chained(b, len(b)))
		}
		h, _ := parseHeader2(b)
		body := b[header2Len:]
		if h.next >= header2Len && int(h.next) <= len(b) {
			body = b[header2Len:h.next]
		}
		if h.flags&4 != 0 { // related: of the same session and share as the one before
			h.session, h.tree = last.session, last.tree
		}
		last = h
		if h.response {
			if s.dir == app.ToServer {
				p.event("smb.response_to_server", s.dir)
			}
			p.response2(s, &h, body)
		} else {
			if s.dir == app.ToClient {
				p.event("smb.request_to_client", s.dir)
			}
			p.request2(s, &h, body)
		}
		if h.next < header2Len || int(h.next) > len(b) {
			return
		}
		b = b[h.next:]
		s.back -= int(h.next)
	}
}

// key uses the message id alone: it is unique on a connection, and the answer to a logon has a session id that the
// request did not have.
func (h *header2) key() key { return key{message: h.message, command: h.command} }

// request2 handles a request.
func (p *Parser) request2(s *side, h *header2, b []byte) {
	q := &pending{}
	like := &Tx{Version: 2, SessionID: h.session, TreeID: h.tree}
	switch h.command {
	case cmd2Read:
		p.readRequest2(b, q)
	case cmd2Write:
		p.writeRequest2(s, h, b, q, like)
	case cmd2SetInfo:
		q.tx = p.setInfo2(h, b)
	case cmd2GetInfo:
	case cmd2Ioctl:
		p.ioctlRequest2(h, b, q, like)
	default:
		if q.tx = p.begin(2, command2(h.command)); q.tx == nil {
			return
		}
		q.tx.SessionID, q.tx.TreeID = h.session, h.tree
		p.detail2(h, b, q)
	}
	if q.tx != nil {
		done(q.tx, app.ToServer)
	}
	p.await(h.key(), q)
}

// detail2 reads what a request says besides its header.
func (p *Parser) detail2(h *header2, b []byte, q *pending) {
	switch h.command {
	case cmd2Negotiate:
		q.tx.Dialects = dialects2(b)
	case cmd2Setup:
		if len(b) >= 24 {
			p.security(q.tx, field(b, int(binary.LittleEndian.Uint16(b[12:]))-header2Len, int(binary.LittleEndian.Uint16(b[14:]))))
		}
	case cmd2Tree:
		if len(b) >= 8 {
			q.share = utf8Of(field(b, int(binary.LittleEndian.Uint16(b[4:]))-header2Len, int(binary.LittleEndian.Uint16(b[6:]))))
		}
	case cmd2Create:
		p.createRequest2(h, b, q)
	case cmd2Close:
		if len(b) >= 24 {
			q.handle = string(b[8:24])
			q.tx.FUID, q.tx.FileName = b2(q.handle), p.names[q.handle]
		}
	}
}

func b2(s string) []byte { return []byte(s) }

// field returns n bytes at an offset, or nothing when they are not there.
func field(b []byte, off, n int) []byte {
	if off < 0 || n < 0 || off+n > len(b) {
		return nil
	}
	return b[off : off+n]
}

func dialects2(b []byte) []string {
	if len(b) < 36 {
		return nil
	}
	var list []string
	n := int(binary.LittleEndian.Uint16(b[2:]))
	for b = b[36:]; n > 0 && len(b) >= 2 && len(list) < 64; n-- {
		list = append(list, dialect2(binary.LittleEndian.Uint16(b)))
		b = b[2:]
	}
	return list
}

func dialect2(v uint16) string {
	if v == 0x02ff {
		return "2.??"
	}
	return fmt.Sprintf("%x.%02x", v>>8, v&0xff)
}

// createRequest2 reads CREATE (MS-SMB2 §2.2.13).
func (p *Parser) createRequest2(h *header2, b []byte, q *pending) {
	if len(b) < 56 {
		return
	}
	le := binary.LittleEndian
	q.tx.FileName = utf8Of(field(b, int(le.Uint16(b[44:]))-header2Len, int(le.Uint16(b[46:]))))
	p.created = q.tx.FileName
	options := le.Uint32(b[40:])
	q.tx.Create = &Create{Disposition: disposition(le.Uint32(b[36:])), Access: access(options), Directory: options&optionDirectory != 0}
	if p.trees[treeKey{h.session, h.tree}].isPipe {
		q.tx.NamedPipe = q.tx.FileName
	}
}

func access(options uint32) string {
	if options&optionDeleteOnExit != 0 {
		return "delete on close"
	}
	return "normal"
}

func disposition(v uint32) string {
	names := [...]string{"FILE_SUPERSEDE", "FILE_OPEN", "FILE_CREATE", "FILE_OPEN_IF", "FILE_OVERWRITE", "FILE_OVERWRITE_IF"}
	if int(v) < len(names) {
		return names[v]
	}
	return "UNKNOWN"
}

// readRequest2 remembers what is read (MS-SMB2 §2.2.19).
func (p *Parser) readRequest2(b []byte, q *pending) {
	if len(b) >= 48 {
		q.offset, q.handle = binary.LittleEndian.Uint64(b[8:]), string(b[16:32])
	}
}

// writeRequest2 takes what is written to a file or a pipe (MS-SMB2 §2.2.21).
func (p *Parser) writeRequest2(s *side, h *header2, b []byte, q *pending, like *Tx) {
	if len(b) < 48 {
		return
	}
	le := binary.LittleEndian
	off, n := int(le.Uint16(b[2:]))-header2Len, int(le.Uint32(b[4:]))
	q.offset, q.handle = le.Uint64(b[8:]), string(b[16:32])
	if p.cfg.MaxWrite > 0 && uint32(n) > p.cfg.MaxWrite {
		p.event("smb.write_request_too_large", s.dir)
	}
	if off < 0 || off > len(b) {
		return
	}
	data := b[off:min(len(b), off+n)]
	if p.trees[treeKey{h.session, h.tree}].isPipe || p.isRPC(q.handle, data) {
		p.pipeData(q.handle, app.ToServer, data, command2(h.command), like)
		return
	}
	f := p.transferOf(2, q.handle, app.ToServer, command2(h.command), like)
	p.begun(s, f, q.offset, data, n)
}

// begun writes the first bytes of a transfer and notes that the rest of the message belongs to it.
func (p *Parser) begun(s *side, f *transfer, offset uint64, data []byte, n int) {
	if f == nil {
		return
	}
	f.write(offset, data)
	if len(data) < n && s.skip > 0 {
		s.into, s.offset = f, offset+uint64(len(data))
	}
}

// isRPC guesses a pipe when the share was connected before the capture began.
func (p *Parser) isRPC(handle string, data []byte) bool {
	if p.pipes[handle] != nil {
		return true
	}
	return len(data) >= 16 && data[0] == 5 && data[1] == 0 && data[2] <= 16 && data[4] == 0x10 &&
		int(binary.LittleEndian.Uint16(data[8:])) == len(data) && p.files[fileKey{handle, app.ToServer}] == nil
}

// setInfo2 reads SET_INFO: a rename or a deletion has a transaction (MS-SMB2 §2.2.39).
func (p *Parser) setInfo2(h *header2, b []byte) *Tx {
	if len(b) < 32 || b[2] != 1 {
		return nil
	}
	le := binary.LittleEndian
	data := field(b, int(le.Uint16(b[8:]))-header2Len, int(le.Uint32(b[4:])))
	handle := string(b[16:32])
	switch b[3] {
	case infoRename:
		if len(data) < 20 {
			return nil
		}
		t := p.begin(2, command2(h.command))
		if t != nil {
			to := utf8Of(field(data, 20, int(le.Uint32(data[16:]))))
			t.Rename = &Rename{From: p.names[handle], To: to}
		}
		return p.handleTx(t, h, handle)
	case infoDisposition:
		t := p.begin(2, command2(h.command))
		if t != nil && len(data) > 0 {
			t.Delete = data[0]&1 != 0
		}
		return p.handleTx(t, h, handle)
	}
	return nil
}

func (p *Parser) handleTx(t *Tx, h *header2, handle string) *Tx {
	if t != nil {
		t.SessionID, t.TreeID, t.FUID, t.FileName = h.session, h.tree, []byte(handle), p.names[handle]
		if handle == relatedHandle {
			t.FileName = p.created
		}
	}
	return t
}

// relatedHandle stands in a compound for the file that its CREATE opens (MS-SMB2 §3.2.4.1.4).
var relatedHandle = strings.Repeat("\xff", 16)

// ioctlRequest2 takes a call over a pipe (MS-SMB2 §2.2.31).
func (p *Parser) ioctlRequest2(h *header2, b []byte, q *pending, like *Tx) {
	if len(b) < 56 {
		return
	}
	le := binary.LittleEndian
	q.handle, q.function = string(b[8:24]), le.Uint32(b[4:])
	data := field(b, int(le.Uint32(b[24:]))-header2Len, int(le.Uint32(b[28:])))
	if q.function == fsctlPipe && p.isRPC(q.handle, data) {
		p.pipeData(q.handle, app.ToServer, data, command2(h.command), like)
		return
	}
	if q.tx = p.begin(2, command2(h.command)); q.tx != nil {
		p.handleTx(q.tx, h, q.handle)
		q.tx.Function = q.function
	}
}
