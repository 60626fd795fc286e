package smb

import (
	"bytes"
	"encoding/binary"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// response1 handles an answer.
func (p *Parser) response1(m *message1) {
	h := m.h
	k := h.key()
	q := p.take1(k)
	if q == nil {
		q = &pending{tx: &Tx{}} // an answer alone is no transaction, but may open a share or a file
	}
	like := &Tx{Version: 1, SessionID: uint64(h.uid), TreeID: uint32(h.tree), StatusCode: h.status, Status: status(h.status)}
	if !h.ntStatus && h.status != 0 {
		like.Status, like.StatusCode = dosStatus(uint8(h.status), uint16(h.status>>16)), h.status>>16
		like.DOSStatus = true
	}
	if t := q.tx; t != nil {
		t.Status, t.StatusCode, t.DOSStatus = like.Status, like.StatusCode, like.DOSStatus
	}
	p.answer1(m, q, like)
	if q.tx != nil {
		q.tx.Dialect = p.dialectOr(q.tx.Dialect)
		done(q.tx, app.ToClient)
	}
}

// take1 finds the request of an answer. The answer to a logon or a connection carries a new user or share id, and a
// server may not repeat the others exactly.
func (p *Parser) take1(k key) *pending {
	if q := p.open[k]; q != nil {
		delete(p.open, k)
		return q
	}
	for o, q := range p.open {
		if o.command == k.command && (k.command == cmd1Negotiate|0x8000 || o.message == k.message && uint16(o.session) == uint16(k.session)) {
			delete(p.open, o)
			return q
		}
	}
	return nil
}

// answer1 reads what an answer says besides its header.
func (p *Parser) answer1(m *message1, q *pending, like *Tx) {
	h, ok := m.h, m.h.status == 0
	switch h.command {
	case cmd1Negotiate:
		p.negotiated1(m, q.tx)
	case cmd1Setup:
		p.setupAnswer1(m, q.tx)
	case cmd1Tree:
		p.tree1(m, q, ok)
	case cmd1Disconnect:
		delete(p.trees, treeKey{uint64(h.uid), uint32(h.tree)})
	case cmd1Create:
		p.created1(m, q, ok)
	case cmd1OpenAndX:
		if ok && len(m.words) >= 6 {
			p.named1(m, q, m.word(2))
		}
	case cmd1Close:
		if q.handle != "" {
			p.closeHandle(q.handle)
		}
	case cmd1ReadAndX:
		p.readAnswer1(m, q, like)
	case cmd1Trans:
		if q.handle != "" && len(m.words) >= 20 {
			p.pipeData(q.handle, app.ToClient, field(m.all, int(m.word(7)), int(m.word(6))), command1(h.command), like)
		}
	}
}

// negotiated1 reads which dialect the server takes (MS-SMB §2.2.4.5.2).
func (p *Parser) negotiated1(m *message1, t *Tx) {
	if len(m.words) < 2 {
		return
	}
	if i := int(m.word(0)); i < len(p.dialects) {
		p.dialect = p.dialects[i]
		t.Dialect = p.dialect
	}
	if len(m.words) == 34 && m.dword(19)&0x80000000 != 0 && len(m.data) >= 16 {
		t.ServerGUID = append([]byte{}, m.data[:16]...)
	}
}

func (p *Parser) setupAnswer1(m *message1, t *Tx) {
	data, off := m.data, m.dataOff
	if len(m.words) == 8 {
		n := int(m.word(3))
		if n > len(data) {
			return
		}
		data, off = data[n:], off+n
	}
	if names := strings1(data, m.h.wide, off); len(names) >= 2 {
		t.SetupRes = &Native{OS: names[0], LM: names[1]}
	}
}

// tree1 remembers a share; its service tells a pipe from a disk.
func (p *Parser) tree1(m *message1, q *pending, ok bool) {
	if !ok {
		q.tx.Share = q.share
		return
	}
	service, _, _ := bytes.Cut(m.data, []byte{0})
	kind := byte(1)
	switch string(service) {
	case "IPC":
		kind = 2
	case "LPT1:":
		kind = 3
	}
	q.tx.TreeID = uint32(m.h.tree)
	p.connected(q.tx, treeKey{uint64(m.h.uid), uint32(m.h.tree)}, q.share, kind)
}

// created1 reads the answer to NT_CREATE_ANDX (MS-CIFS §2.2.4.64.2).
func (p *Parser) created1(m *message1, q *pending, ok bool) {
	if !ok || len(m.words) < 66 {
		return
	}
	le := binary.LittleEndian
	if c := q.tx.Create; c != nil {
		w := m.words
		c.Created, c.Accessed = fileTime(le.Uint64(w[11:])), fileTime(le.Uint64(w[19:]))
		c.Modified, c.Changed = fileTime(le.Uint64(w[27:])), fileTime(le.Uint64(w[35:]))
		c.Size = le.Uint64(w[55:])
	}
	p.named1(m, q, le.Uint16(m.words[5:]))
}

// named1 remembers the name of a file id.
func (p *Parser) named1(m *message1, q *pending, fid uint16) {
	handle := p.handle1(m.h, fid)
	q.tx.FUID = []byte(handle)[:2]
	if len(p.names) < maxHandles {
		p.names[handle] = q.tx.FileName
	}
}

// readAnswer1 takes what READ_ANDX read (MS-SMB §2.2.4.2.2).
func (p *Parser) readAnswer1(m *message1, q *pending, like *Tx) {
	if m.h.status != 0 && m.h.status != statusOverflow || len(m.words) < 24 || q.handle == "" {
		return
	}
	n, off := int(m.word(5))|int(m.word(7))<<16, int(m.word(6))
	if n == 0 || off < header1Len || off > len(m.all) {
		return
	}
	data := m.all[off:min(len(m.all), off+n)]
	if p.isPipe1(m.h, q.handle) {
		p.pipeData(q.handle, app.ToClient, data, command1(m.h.command), like)
		return
	}
	p.begun(m.s, p.transferOf(1, q.handle, app.ToClient, command1(m.h.command), like), q.offset, data, n)
}
