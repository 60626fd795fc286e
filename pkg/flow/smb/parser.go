package smb

import (
	"encoding/binary"
	"errors"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// ErrNotSMB says that a direction does not carry SMB messages.
var ErrNotSMB = errors.New("smb: what comes is no NetBIOS session message with SMB in it")

// ErrTooManyTxs says that more messages wait for their answers or for inspection than the limit.
var ErrTooManyTxs = errors.New("smb: more live transactions than the limit")

// Limits of a connection.
const (
	maxTx      = 1024
	maxRecord  = 1 << 20 // bytes of a message that is not a file's data; longer ones are skipped
	maxHandles = 1024    // open files and shares that are remembered
	headerNeed = 256     // bytes of a READ or WRITE that are needed before its data can be passed on
)

// Config bounds what is kept of files.
type Config struct {
	Files app.FileConfig
	// MaxRead and MaxWrite are the sizes above which a server's offer or a message raises an event; 0: no limit.
	MaxRead, MaxWrite uint32
	MaxTx             int // live transactions; 0 means 1024
}

// DefaultConfig returns Suricata's defaults: 16 MiB.
func DefaultConfig() Config { return Config{MaxRead: 16 << 20, MaxWrite: 16 << 20} }

// Parser reads one connection.
type Parser struct {
	cfg   Config
	txs   app.Queue
	now   int64
	sides [2]side

	dialect  string
	dialects []string
	open     map[key]*pending
	trees    map[treeKey]tree
	names    map[string][]byte // by file handle
	created  []byte            // name in the last CREATE of SMB 2
	files    map[fileKey]*transfer
	pipes    map[string]*pipe
	frames   *app.Frames
}

// side is the reading of one direction.
type side struct {
	dir    app.Direction
	buf    []byte
	skip   int       // bytes left of a message that is not looked at
	into   *transfer // file that the rest of the message belongs to
	offset uint64    // place in the file of the next of those bytes
	resync bool
	marked marks // what of the message being read has been marked
	back   int   // from the start of the record being read to the end of the Feed
	err    error
}

// key matches an answer to its request.
type key struct {
	session, message uint64
	tree             uint32
	command          uint16
}

// pending is a request that waits for its answer.
type pending struct {
	tx       *Tx
	handle   string
	offset   uint64
	share    []byte
	function uint32 // of IOCTL
}

type treeKey struct {
	session uint64
	id      uint32
}

type tree struct {
	name   []byte
	isPipe bool
}

// New returns a parser of one connection.
func New(cfg Config) *Parser {
	p := &Parser{cfg: cfg, open: map[key]*pending{}, trees: map[treeKey]tree{}, names: map[string][]byte{},
		files: map[fileKey]*transfer{}, pipes: map[string]*pipe{}}
	p.sides[app.ToClient].dir = app.ToClient
	return p
}

// Proto returns app.SMB.
func (p *Parser) Proto() app.Proto { return app.SMB }

// SetFrames implements app.Framer.
func (p *Parser) SetFrames(f *app.Frames) { p.frames = f }

// Txs returns the live transactions.
func (p *Parser) Txs() []app.Tx { return p.txs.All() }

// Free drops the oldest n transactions.
func (p *Parser) Free(n int) { p.txs.Free(n) }

// Feed takes the next bytes of one direction.
func (p *Parser) Feed(dir app.Direction, data []byte, now int64) error {
	s := &p.sides[dir]
	if s.err != nil {
		return s.err
	}
	p.now = now
	if s.resync && !s.find(&data) {
		return nil
	}
	for len(data) > 0 && s.err == nil {
		if s.skip > 0 {
			n := min(s.skip, len(data))
			p.rest(s, data[:n])
			s.skip -= n
			data = data[n:]
			continue
		}
		if len(s.buf) > 0 {
			data = p.resume(s, data)
			continue
		}
		n := p.message(s, data)
		if n == 0 {
			s.buf = append(s.buf, data...)
			break
		}
		s.marked = 0
		data = data[n:]
	}
	return s.err
}

// resume completes a message that began in an earlier piece and returns what follows it.
func (p *Parser) resume(s *side, data []byte) []byte {
	had := len(s.buf)
	s.buf = append(s.buf, data...)
	buf := s.buf
	s.buf = nil
	n := p.message(s, buf)
	if n == 0 {
		s.buf = buf
		return nil
	}
	s.marked = 0
	s.buf = buf[:0]
	return data[max(0, n-had):]
}

// rest handles bytes of a message whose header has been read.
func (p *Parser) rest(s *side, data []byte) {
	if s.into != nil {
		s.into.write(s.offset, data)
		s.offset += uint64(len(data))
	}
}

// message reads a NetBIOS session message (RFC 1002 §4.3) at the start of data and returns how many bytes it used, 0
// when more are needed.
func (p *Parser) message(s *side, data []byte) int {
	if len(data) < 4 {
		return 0
	}
	n := int(data[1])<<16 | int(binary.BigEndian.Uint16(data[2:]))
	s.into = nil
	p.markSession(s, len(data), n)
	if data[0] != 0 {
		if data[0] < 0x81 || data[0] > 0x85 {
			p.fail(s)
			return 0
		}
		s.skip = n & 0x1ffff
		return 4
	}
	if len(data) < 8 && n >= 4 {
		return 0
	}
	if n < 4 || data[5] != 'S' || data[6] != 'M' || data[7] != 'B' {
		p.event("smb.malformed_data", s.dir)
		s.skip = n
		return 4
	}
	have := min(len(data)-4, n)
	s.back = len(data) - 4
	p.markRecord(s, data[4:4+have], s.back, n)
	if have < n {
		if have >= headerNeed && p.isTransfer(data[4:4+have]) {
			return 4 + p.record(s, data[4:4+have], n)
		}
		if n > maxRecord {
			s.skip = n
			return 4
		}
		return 0
	}
	return 4 + p.record(s, data[4:4+n], n)
}

// record dispatches by version. b may be the beginning only of a message of n bytes; it returns how much of b is done.
func (p *Parser) record(s *side, b []byte, n int) int {
	if len(b) < n {
		s.skip = n - len(b)
	}
	switch b[0] {
	case 0xff:
		p.smb1(s, b)
	case 0xfe:
		p.smb2(s, b)
	case 0xfd, 0xfc: // encrypted, compressed
	default:
		p.event("smb.malformed_data", s.dir)
	}
	return len(b)
}

// isTransfer reports whether a message moves a file's data, so that it can be taken piece by piece.
func (p *Parser) isTransfer(b []byte) bool {
	switch {
	case b[0] == 0xfe:
		h, ok := parseHeader2(b)
		return ok && h.next == 0 && (h.command == cmd2Read && h.response || h.command == cmd2Write && !h.response)
	case b[0] == 0xff:
		return b[4] == cmd1ReadAndX && b[9]&0x80 != 0 || (b[4] == cmd1WriteAndX || b[4] == cmd1WriteAndClose) && b[9]&0x80 == 0
	}
	return false
}

func (p *Parser) fail(s *side) {
	p.event("smb.malformed_data", s.dir)
	s.err = ErrNotSMB
}

// event records an event with the latest transaction, starting one when there is none.
func (p *Parser) event(name string, dir app.Direction) {
	var t *Tx
	if n := p.txs.Len(); n > 0 {
		t = p.txs.All()[n-1].(*Tx)
	} else if t = p.begin(0, ""); t == nil {
		return
	}
	t.Event(name)
	t.Touch(dir)
}

// begin starts a transaction.
func (p *Parser) begin(version uint8, command string) *Tx {
	limit := p.cfg.MaxTx
	if limit == 0 {
		limit = maxTx
	}
	if p.txs.Len() >= limit {
		p.txs.All()[p.txs.Len()-1].Base().Event("smb.too_many_transactions")
		p.sides[0].err, p.sides[1].err = ErrTooManyTxs, ErrTooManyTxs
		return nil
	}
	t := &Tx{Version: version, Command: command, Dialect: p.dialectOr("unknown")}
	p.txs.Add(t, p.now)
	t.TxBase.Touch(app.ToServer)
	t.ID = t.TxBase.ID + 1
	return t
}

// done completes a direction of a transaction.
func done(t *Tx, dir app.Direction) {
	t.Advance(dir, Complete)
	t.Complete[dir] = true
}

// await remembers a request until its answer comes.
func (p *Parser) await(k key, q *pending) {
	if len(p.open) < maxTx {
		p.open[k] = q
	}
}

// Gap skips lost bytes: a hole in a file when they belong to one, else reading goes on at the next message.
func (p *Parser) Gap(dir app.Direction, n int) {
	s := &p.sides[dir]
	if n <= s.skip {
		if s.into != nil {
			s.into.gap(s.offset, n)
			s.offset += uint64(n)
		}
		s.skip -= n
		return
	}
	if s.into != nil {
		s.into.gap(s.offset, s.skip)
	}
	s.buf, s.skip, s.into, s.marked = s.buf[:0], 0, nil, 0
	s.resync = true
}

// find goes to the first byte of data that starts a message.
func (s *side) find(data *[]byte) bool {
	b := *data
	for i := 0; i+8 <= len(b); i++ {
		if b[i] == 0 && b[i+4] >= 0xfc && b[i+5] == 'S' && b[i+6] == 'M' && b[i+7] == 'B' {
			*data = b[i:]
			s.resync = false
			return true
		}
	}
	return false
}

// Close ends one direction.
func (p *Parser) Close(dir app.Direction) {
	p.sides[dir].buf = nil
	for k, f := range p.files {
		if k.dir == dir {
			f.end(false)
			delete(p.files, k)
		}
	}
	p.txs.Close(dir)
}

// Probe tells SMB by the first session message.
func Probe(dir app.Direction, data []byte, _, _ uint16) app.Match {
	if len(data) >= 4 && data[0] == 0x81 && data[1] == 0 && (data[2] == 0 || data[2] == 1) {
		return probeSession(data)
	}
	if len(data) > 0 && data[0] != 0 {
		return app.No
	}
	if len(data) < 8 {
		return app.More
	}
	if data[4] < 0xfc || data[5] != 'S' || data[6] != 'M' || data[7] != 'B' {
		return app.No
	}
	if answer, known := isAnswer(data[4:]); known && answer == (dir == app.ToServer) {
		return app.No
	}
	return app.Yes
}

// isAnswer reports whether a message says that the server has sent it; known is false when its flags are not there.
func isAnswer(b []byte) (answer, known bool) {
	switch {
	case b[0] == 0xff && len(b) > 9:
		return b[9]&0x80 != 0, true
	case b[0] == 0xfe && len(b) > 16:
		return b[16]&1 != 0, true
	}
	return false, false
}

// probeSession judges a session request (RFC 1002 §4.3.2), which comes before SMB on port 139.
func probeSession(data []byte) app.Match {
	n := 4 + int(binary.BigEndian.Uint16(data[2:]))
	if len(data) >= 5 && data[4] != 0x20 {
		return app.No
	}
	if len(data) >= n && n >= 4+34*2 {
		return app.Yes
	}
	return app.More
}
