package dns

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// ErrNotDNS says that a TCP direction does not carry DNS messages.
var ErrNotDNS = errors.New("dns: what the length field announces is no message")

// defaultMaxTx is how many messages may wait for inspection.
const defaultMaxTx = 500

// Parser reads the messages of one flow.
type Parser struct {
	cfg   Config
	txs   app.Queue
	sides [2]stream
	quiet []uint16 // IDs of questions whose answers are not recorded, oldest first

	frames *app.Frames
}

// stream is one direction over TCP: messages with their length before them (RFC 1035 §4.2.2).
type stream struct {
	buf    []byte
	resync bool // after a gap: what comes next must look like a message
	closed bool
	frame  uint32 // number of the message's frame
	marked bool   // the message being read has been marked
}

// New returns a parser of one flow.
func New(cfg Config) *Parser {
	if cfg.MaxTx == 0 {
		cfg.MaxTx = defaultMaxTx
	}
	return &Parser{cfg: cfg}
}

// Proto returns app.DNS.
func (p *Parser) Proto() app.Proto { return app.DNS }

// SetFrames implements app.Framer.
func (p *Parser) SetFrames(f *app.Frames) { p.frames = f }

// Txs returns the live transactions.
func (p *Parser) Txs() []app.Tx { return p.txs.All() }

// Free drops the oldest n transactions.
func (p *Parser) Free(n int) { p.txs.Free(n) }

// Feed takes a datagram, or the next bytes of a TCP direction.
func (p *Parser) Feed(dir app.Direction, data []byte, now int64) error {
	if !p.cfg.TCP {
		id := p.frames.Add(dir, app.DNSPDU, len(data), int64(len(data)))
		p.message(dir, data, now)
		p.ofMessage(dir, id)
		return nil
	}
	s := &p.sides[dir]
	if s.resync {
		if ProbeTCP(dir, data, 53, 53) != app.Yes {
			return nil
		}
		s.resync = false
	}
	if len(s.buf) > 0 {
		s.buf = append(s.buf, data...)
		data = s.buf
	}
	for len(data) >= 2 {
		n := int(binary.BigEndian.Uint16(data))
		if n > 0 && n < headerLen {
			return ErrNotDNS
		}
		if !s.marked && n > 0 {
			s.marked, s.frame = true, p.frames.Add(dir, app.DNSPDU, len(data)-2, int64(n))
		}
		if len(data) < 2+n {
			break
		}
		if n > 0 {
			p.message(dir, data[2:2+n], now)
			p.ofMessage(dir, s.frame)
		}
		s.marked = false
		data = data[2+n:]
	}
	s.buf = append(s.buf[:0], data...)
	return nil
}

// ofMessage says that the newest transaction is that of a frame.
func (p *Parser) ofMessage(dir app.Direction, frame uint32) {
	if n := p.txs.Len(); frame != 0 && n > 0 {
		p.frames.SetTx(dir, frame, p.txs.All()[n-1].Base())
	}
}

// message reads one message into a transaction of its own.
func (p *Parser) message(dir app.Direction, data []byte, now int64) {
	var m Message
	err := m.parse(data)
	if err == errHeader || p.txs.Len() >= p.cfg.MaxTx {
		p.malformed(dir, now)
		return
	}
	t := p.add(dir, now)
	response := m.Flags&FlagQR != 0
	switch {
	case response && dir == app.ToServer:
		t.Event("dns.not_request")
	case !response && dir == app.ToClient:
		t.Event("dns.not_response")
	}
	if m.Flags&FlagZ != 0 {
		t.Event("dns.z_flag_set")
	}
	if m.Opcode() >= 7 {
		t.Event("dns.invalid_opcode")
	}
	for _, e := range m.events {
		t.Event(e)
	}
	if err != nil {
		t.Event("dns.malformed_data")
		return
	}
	m.events = nil
	if response {
		t.Response = &m
		t.Logged = p.answered(m.ID)
	} else {
		t.Request = &m
	}
}

// maxQuiet bounds the questions without record whose answers are awaited.
const maxQuiet = 64

// Silence implements app.Silencer: the answer to a question that is not recorded is not recorded either.
func (p *Parser) Silence(tx app.Tx) {
	t, ok := tx.(*Tx)
	if !ok || t.Request == nil {
		return
	}
	if len(p.quiet) >= maxQuiet {
		p.quiet = slices.Delete(p.quiet, 0, 1)
	}
	p.quiet = append(p.quiet, t.Request.ID)
}

// answered reports whether the question with this ID is not recorded, and forgets it.
func (p *Parser) answered(id uint16) bool {
	i := slices.Index(p.quiet, id)
	if i < 0 {
		return false
	}
	p.quiet = slices.Delete(p.quiet, i, i+1)
	return true
}

// add starts a transaction that is complete at once.
func (p *Parser) add(dir app.Direction, now int64) *Tx {
	t := &Tx{}
	t.OneWay, t.Dir = true, dir
	t.Progress = [2]uint8{MaxProgress, MaxProgress}
	t.Complete = [2]bool{true, true}
	t.Touch(dir)
	p.txs.Add(t, now)
	return t
}

// malformed records a message that cannot even be begun in a transaction without message.
func (p *Parser) malformed(dir app.Direction, now int64) {
	if p.txs.Len() < p.cfg.MaxTx {
		p.add(dir, now).Event("dns.malformed_data")
	}
}

// Gap drops a message that misses bytes and goes on at the next segment that starts with one.
func (p *Parser) Gap(dir app.Direction, n int) {
	if p.cfg.TCP && n > 0 {
		p.sides[dir].buf = nil
		p.sides[dir].resync, p.sides[dir].marked = true, false
	}
}

// Close ends one direction; a message cut short is dropped.
func (p *Parser) Close(dir app.Direction) { p.sides[dir] = stream{closed: true} }
