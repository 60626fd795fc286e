package smb

import (
	"bytes"
	"encoding/binary"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// Commands of SMB 1 (MS-CIFS §2.2.2.1).
const (
	cmd1Close         = 0x04
	cmd1Rename        = 0x07
	cmd1Write         = 0x0b
	cmd1Trans         = 0x25
	cmd1WriteAndClose = 0x2c
	cmd1OpenAndX      = 0x2d
	cmd1ReadAndX      = 0x2e
	cmd1WriteAndX     = 0x2f
	cmd1Trans2        = 0x32
	cmd1Disconnect    = 0x71
	cmd1Negotiate     = 0x72
	cmd1Setup         = 0x73
	cmd1Logoff        = 0x74
	cmd1Tree          = 0x75
	cmd1Create        = 0xa2

	header1Len = 32
)

// header1 is the part that all messages have (MS-CIFS §2.2.3.1).
type header1 struct {
	command   uint8
	status    uint32
	response  bool
	wide      bool // strings are UTF-16
	ntStatus  bool
	tree, uid uint16
	pid, mid  uint16
}

// smb1 reads a message with its chain of commands.
func (p *Parser) smb1(s *side, b []byte) {
	if len(b) < header1Len+3 {
		p.event("smb.malformed_data", s.dir)
		return
	}
	le := binary.LittleEndian
	flags2 := le.Uint16(b[10:])
	h := header1{command: b[4], status: le.Uint32(b[5:]), response: b[9]&0x80 != 0, wide: flags2&0x8000 != 0, ntStatus: flags2&0x4000 != 0,
		tree: le.Uint16(b[24:]), pid: le.Uint16(b[26:]), uid: le.Uint16(b[28:]), mid: le.Uint16(b[30:])}
	if h.response == (s.dir == app.ToServer) {
		if h.response {
			p.event("smb.response_to_server", s.dir)
		} else {
			p.event("smb.request_to_client", s.dir)
		}
	}
	for off, n := header1Len, 0; off >= header1Len && off+3 <= len(b) && n < 8; n++ {
		words := 2 * int(b[off])
		if off+1+words+2 > len(b) {
			return
		}
		m := &message1{s: s, h: &h, all: b, words: b[off+1 : off+1+words], dataOff: off + 1 + words + 2}
		size := int(le.Uint16(b[off+1+words:]))
		m.data = b[m.dataOff:min(len(b), m.dataOff+size)]
		if h.response {
			p.response1(m)
		} else {
			p.request1(m)
		}
		if !isAndX(h.command) || words < 4 || m.words[0] == 0xff {
			return
		}
		next := int(le.Uint16(m.words[2:]))
		if next <= off {
			return
		}
		h.command, off = m.words[0], next
	}
}

func isAndX(c uint8) bool {
	switch c {
	case cmd1OpenAndX, cmd1ReadAndX, cmd1WriteAndX, cmd1Setup, cmd1Logoff, cmd1Tree, cmd1Create, 0x24:
		return true
	}
	return false
}

// message1 is one command of a message.
type message1 struct {
	s       *side
	h       *header1
	all     []byte // the whole message, for offsets count from its start
	words   []byte
	data    []byte
	dataOff int
}

func (m *message1) word(i int) uint16 {
	if 2*i+2 > len(m.words) {
		return 0
	}
	return binary.LittleEndian.Uint16(m.words[2*i:])
}

func (m *message1) dword(off int) uint32 {
	if off+4 > len(m.words) {
		return 0
	}
	return binary.LittleEndian.Uint32(m.words[off:])
}

func (h *header1) key() key {
	return key{session: uint64(h.uid)<<16 | uint64(h.pid), message: uint64(h.mid), tree: uint32(h.tree), command: uint16(h.command) | 0x8000}
}

// request1 handles a request.
func (p *Parser) request1(m *message1) {
	h, q := m.h, &pending{}
	like := &Tx{Version: 1, SessionID: uint64(h.uid), TreeID: uint32(h.tree)}
	switch h.command {
	case cmd1ReadAndX:
		q.handle, q.offset = p.handle1(h, m.word(2)), uint64(m.dword(6))
		if len(m.words) >= 24 {
			q.offset |= uint64(m.dword(20)) << 32
		}
		p.await(h.key(), q)
		return
	case cmd1WriteAndX:
		p.write1(m, like, q)
		p.await(h.key(), q)
		return
	case cmd1Write, cmd1WriteAndClose:
		p.oldWrite1(m, like)
		p.await(h.key(), q)
		return
	case cmd1Trans: // a transaction of ours only when it carries a call
		p.trans1(m, like, q)
		p.await(h.key(), q)
		return
	}
	if q.tx = p.begin(1, command1(h.command)); q.tx == nil {
		return
	}
	q.tx.SessionID, q.tx.TreeID = uint64(h.uid), uint32(h.tree)
	p.detail1(m, q)
	done(q.tx, app.ToServer)
	p.await(h.key(), q)
}

// detail1 reads what a request says besides its header.
func (p *Parser) detail1(m *message1, q *pending) {
	switch m.h.command {
	case cmd1Negotiate:
		for _, d := range bytes.Split(m.data, []byte{0}) {
			if len(d) > 1 && d[0] == 2 && len(q.tx.Dialects) < 64 {
				q.tx.Dialects = append(q.tx.Dialects, string(d[1:]))
			}
		}
		p.dialects = q.tx.Dialects
	case cmd1Setup:
		p.setup1(m, q.tx)
	case cmd1Tree:
		if n := int(m.word(3)); n <= len(m.data) {
			if list := strings1(m.data[n:], m.h.wide, m.dataOff+n); len(list) > 0 {
				q.share = list[0]
			}
		}
	case cmd1Create:
		p.create1(m, q)
	case cmd1OpenAndX:
		if list := strings1(m.data, m.h.wide, m.dataOff); len(list) > 0 {
			q.tx.FileName = list[0]
		}
	case cmd1Close:
		q.handle = p.handle1(m.h, m.word(0))
		q.tx.FUID, q.tx.FileName = []byte(q.handle)[:2], p.names[q.handle]
	case cmd1Rename:
		p.rename1(m, q.tx)
	}
}

// handle1 makes a file id unique on the connection: it belongs to a share.
func (p *Parser) handle1(h *header1, fid uint16) string {
	return string([]byte{byte(fid), byte(fid >> 8), byte(h.tree), byte(h.tree >> 8), 1})
}

// setup1 reads SESSION_SETUP_ANDX with extended security (MS-SMB §2.2.4.6.1), or with a user name.
func (p *Parser) setup1(m *message1, t *Tx) {
	var names [][]byte
	switch len(m.words) {
	case 24:
		n := int(m.word(7))
		if n > len(m.data) {
			return
		}
		p.security(t, m.data[:n])
		names = strings1(m.data[n:], m.h.wide, m.dataOff+n)
	case 26:
		n := int(m.word(7)) + int(m.word(8))
		if n > len(m.data) {
			return
		}
		names = strings1(m.data[n:], m.h.wide, m.dataOff+n)
		if len(names) >= 2 {
			t.NTLMSSP = &NTLMSSP{User: names[0], Domain: names[1]}
			names = names[2:]
		}
	}
	if len(names) >= 2 {
		t.SetupReq = &Native{OS: names[0], LM: names[1]}
	}
}

// create1 reads NT_CREATE_ANDX (MS-CIFS §2.2.4.64).
func (p *Parser) create1(m *message1, q *pending) {
	if len(m.words) < 48 {
		return
	}
	name := m.data
	if m.h.wide && m.dataOff&1 == 1 && len(name) > 0 {
		name = name[1:]
	}
	name = name[:min(len(name), int(binary.LittleEndian.Uint16(m.words[5:])))]
	if m.h.wide {
		name = utf8Of(name)
	}
	q.tx.FileName = append([]byte{}, bytes.TrimRight(name, "\x00")...)
	options := m.dword(39)
	q.tx.Create = &Create{Disposition: disposition(m.dword(35)), Access: access(options), Directory: options&optionDirectory != 0}
	if p.trees[treeKey{uint64(m.h.uid), uint32(m.h.tree)}].isPipe {
		q.tx.NamedPipe = q.tx.FileName
	}
}

// rename1 reads RENAME (MS-CIFS §2.2.4.8): two names, each with a format byte before it.
func (p *Parser) rename1(m *message1, t *Tx) {
	list := strings1(bytes.TrimPrefix(m.data, []byte{4}), m.h.wide, m.dataOff+1)
	if len(list) >= 2 {
		t.Rename = &Rename{From: list[0], To: bytes.TrimPrefix(list[1], []byte{4})}
	}
}

// write1 takes what WRITE_ANDX writes (MS-SMB §2.2.4.3.1).
func (p *Parser) write1(m *message1, like *Tx, q *pending) {
	if len(m.words) < 24 {
		return
	}
	q.handle = p.handle1(m.h, m.word(2))
	offset := uint64(m.dword(6))
	if len(m.words) >= 28 {
		offset |= uint64(m.dword(24)) << 32
	}
	n, off := int(m.word(10))|int(m.word(9))<<16, int(m.word(11))
	if off < header1Len || off > len(m.all) {
		return
	}
	data := m.all[off:min(len(m.all), off+n)]
	if p.isPipe1(m.h, q.handle) || p.isRPC(q.handle, data) {
		p.pipeData(q.handle, app.ToServer, data, command1(m.h.command), like)
		return
	}
	p.begun(m.s, p.transferOf(1, q.handle, app.ToServer, command1(m.h.command), like), offset, data, n)
}

// oldWrite1 takes what WRITE and WRITE_AND_CLOSE write (MS-CIFS §2.2.4.12, §2.2.4.40).
func (p *Parser) oldWrite1(m *message1, like *Tx) {
	if len(m.words) < 8 {
		return
	}
	handle, data := p.handle1(m.h, m.word(0)), m.data
	if m.h.command == cmd1Write {
		data = field(m.data, 3, len(m.data)-3)
	} else if len(data) > 0 {
		data = data[1:]
	}
	if f := p.transferOf(1, handle, app.ToServer, command1(m.h.command), like); f != nil {
		f.write(uint64(m.dword(4)), data)
	}
	if m.h.command == cmd1WriteAndClose {
		p.closeHandle(handle)
	}
}

func (p *Parser) isPipe1(h *header1, handle string) bool {
	return p.trees[treeKey{uint64(h.uid), uint32(h.tree)}].isPipe || p.pipes[handle] != nil
}

// trans1 takes a call over a pipe: TRANSACTION with a pipe function (MS-CIFS §2.2.5.6).
func (p *Parser) trans1(m *message1, like *Tx, q *pending) {
	if len(m.words) < 32 || m.word(14) != 0x26 && m.word(14) != 0x36 {
		return
	}
	q.handle = p.handle1(m.h, m.word(15))
	data := field(m.all, int(m.word(12)), int(m.word(11)))
	p.pipeData(q.handle, app.ToServer, data, command1(m.h.command), like)
}
