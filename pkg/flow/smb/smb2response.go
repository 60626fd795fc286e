package smb

import (
	"encoding/binary"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// response2 handles an answer.
func (p *Parser) response2(s *side, h *header2, b []byte) {
	q := p.open[h.key()]
	if h.status == statusPending && h.async {
		return // the real answer comes later
	}
	delete(p.open, h.key())
	if q == nil && h.command == cmd2Negotiate {
		q = p.take1(key{command: cmd1Negotiate | 0x8000}) // a server may answer SMB 1's offer with SMB 2
	}
	if q == nil {
		q = &pending{tx: &Tx{}} // an answer alone is no transaction, but may open a share or a file
	}
	like := &Tx{Version: 2, SessionID: h.session, TreeID: h.tree, Status: status(h.status), StatusCode: h.status}
	if t := q.tx; t != nil {
		t.Status, t.StatusCode = like.Status, like.StatusCode
		if t.SessionID == 0 {
			t.SessionID = h.session
		}
	}
	p.answer2(s, h, b, q, like)
	if q.tx != nil {
		q.tx.Dialect = p.dialectOr(q.tx.Dialect)
		done(q.tx, app.ToClient)
	}
}

// dialectOr is the dialect agreed meanwhile.
func (p *Parser) dialectOr(old string) string {
	if p.dialect != "" {
		return p.dialect
	}
	return old
}

// answer2 reads what an answer says besides its header.
func (p *Parser) answer2(s *side, h *header2, b []byte, q *pending, like *Tx) {
	ok := h.status == 0
	switch h.command {
	case cmd2Negotiate:
		if ok && q.tx != nil {
			p.negotiated2(q.tx, b)
		}
	case cmd2Tree:
		if ok && len(b) >= 4 {
			p.connected(q.tx, treeKey{h.session, h.tree}, q.share, b[2])
		} else if q.share != nil {
			q.tx.Share = q.share
		}
		q.tx.TreeID = h.tree
	case cmd2Disconnect:
		delete(p.trees, treeKey{h.session, h.tree})
	case cmd2Create:
		if ok {
			p.created2(q, b)
		}
	case cmd2Close:
		p.closeHandle(q.handle)
	case cmd2Read:
		p.readResponse2(s, h, b, q, like)
	case cmd2Ioctl:
		if len(b) >= 48 && (ok || h.status == statusOverflow) && q.function == fsctlPipe && p.pipes[q.handle] != nil {
			le := binary.LittleEndian
			data := field(b, int(le.Uint32(b[32:]))-header2Len, int(le.Uint32(b[36:])))
			p.pipeData(q.handle, app.ToClient, data, command2(h.command), like)
		}
	}
}

// negotiated2 reads the dialect (MS-SMB2 §2.2.4).
func (p *Parser) negotiated2(t *Tx, b []byte) {
	if len(b) < 40 {
		return
	}
	le := binary.LittleEndian
	p.dialect = dialect2(le.Uint16(b[4:]))
	t.ServerGUID = append([]byte{}, b[8:24]...)
	if v := le.Uint32(b[32:]); p.cfg.MaxRead > 0 && v > p.cfg.MaxRead {
		t.Event("smb.negotiate_max_read_size_too_large")
	}
	if v := le.Uint32(b[36:]); p.cfg.MaxWrite > 0 && v > p.cfg.MaxWrite {
		t.Event("smb.negotiate_max_write_size_too_large")
	}
}

// connected remembers a share.
func (p *Parser) connected(t *Tx, k treeKey, share []byte, kind byte) {
	isPipe := kind == 2
	if len(p.trees) < maxHandles {
		p.trees[k] = tree{name: share, isPipe: isPipe}
	}
	t.ShareType = [...]string{"UNKNOWN", "DISK", "PIPE", "PRINT"}[kind&3]
	if isPipe {
		t.NamedPipe = share
	} else {
		t.Share = share
	}
}

// created2 reads the handle and the file's dates (MS-SMB2 §2.2.14).
func (p *Parser) created2(q *pending, b []byte) {
	if len(b) < 80 || q.tx == nil {
		return
	}
	le := binary.LittleEndian
	handle := string(b[64:80])
	q.tx.FUID = []byte(handle)
	if c := q.tx.Create; c != nil {
		c.Created, c.Accessed = fileTime(le.Uint64(b[8:])), fileTime(le.Uint64(b[16:]))
		c.Modified, c.Changed = fileTime(le.Uint64(b[24:])), fileTime(le.Uint64(b[32:]))
		c.Size = le.Uint64(b[48:])
	}
	if len(p.names) < maxHandles {
		p.names[handle] = q.tx.FileName
	}
}

// fileTime converts 100 ns since 1601 to Unix seconds; before 1970 it is 0.
func fileTime(v uint64) uint32 {
	const epoch = 11644473600
	if sec := v / 10_000_000; sec > epoch {
		return uint32(sec - epoch)
	}
	return 0
}

// readResponse2 takes what was read from a file or a pipe (MS-SMB2 §2.2.20).
func (p *Parser) readResponse2(s *side, h *header2, b []byte, q *pending, like *Tx) {
	if h.status == statusEOF {
		if f := p.files[fileKey{q.handle, app.ToClient}]; f != nil {
			f.end(true)
			delete(p.files, fileKey{q.handle, app.ToClient})
		}
		return
	}
	if len(b) < 16 || h.status != 0 && h.status != statusOverflow || q.handle == "" {
		return
	}
	off, n := int(b[2])-header2Len, int(binary.LittleEndian.Uint32(b[4:]))
	if p.cfg.MaxRead > 0 && uint32(n) > p.cfg.MaxRead {
		p.event("smb.read_response_too_large", s.dir)
	}
	if off < 0 || off > len(b) {
		return
	}
	data := b[off:min(len(b), off+n)]
	if p.trees[treeKey{h.session, h.tree}].isPipe || p.pipes[q.handle] != nil {
		p.pipeData(q.handle, app.ToClient, data, command2(h.command), like)
		return
	}
	p.begun(s, p.transferOf(2, q.handle, app.ToClient, command2(h.command), like), q.offset, data, n)
}
