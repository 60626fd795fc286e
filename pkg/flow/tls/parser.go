package tls

import (
	"encoding/binary"
	"errors"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// ErrNotTLS says that a direction does not carry TLS records.
var ErrNotTLS = errors.New("tls: what comes is no record")

// Record types (RFC 8446 §5.1, RFC 6520).
const (
	recordCCS       = 20
	recordAlert     = 21
	recordHandshake = 22
	recordData      = 23
	recordHeartbeat = 24

	maxRecord    = 1<<14 + 2048 // ciphertext limit of TLS 1.2 (RFC 5246 §6.2.3)
	maxHandshake = 1 << 18      // bytes of one handshake message; real chains stay below a tenth
)

// Parser reads the records of one connection.
type Parser struct {
	cfg   Config
	txs   app.Queue
	tx    *Tx
	sides [2]side

	frames *app.Frames
}

// side is the reading of one direction.
type side struct {
	dir     app.Direction
	buf     []byte // start of a record that is not complete yet
	skip    int    // bytes left of a record that is not looked at
	message []byte // handshake messages, across records
	ccs     bool   // ChangeCipherSpec was seen
	records bool   // a record was seen
	resync  bool
	tail    int  // bytes of the Feed behind those that record is given
	marked  bool // the frames of the record being read have been marked
	err     error
}

// New returns a parser of one connection.
func New(cfg Config) *Parser {
	p := &Parser{cfg: cfg}
	p.sides[app.ToClient].dir = app.ToClient
	return p
}

// Proto returns app.TLS.
func (p *Parser) Proto() app.Proto { return app.TLS }

// Txs returns the transaction, once there is one.
func (p *Parser) Txs() []app.Tx { return p.txs.All() }

// Free drops the transaction; what the connection says after that is not kept.
func (p *Parser) Free(n int) { p.txs.Free(n) }

// SetFrames implements app.Framer.
func (p *Parser) SetFrames(f *app.Frames) { p.frames = f }

// Encrypted reports that both sides only send what cannot be read: both have changed to encryption, and the first of
// them sends data.
func (p *Parser) Encrypted() bool {
	if p.tx == nil {
		return false
	}
	e := p.tx.Encrypted
	return e[0] && e[1] || p.sides[0].ccs && p.sides[1].ccs && (e[0] || e[1])
}

// Feed takes the next bytes of one direction.
func (p *Parser) Feed(dir app.Direction, data []byte, now int64) error {
	s := &p.sides[dir]
	if s.err != nil {
		return s.err
	}
	if p.tx == nil {
		p.tx = &Tx{}
		p.txs.Add(p.tx, now)
		p.tx.Touch(dir)
	}
	for s.err == nil && len(data) > 0 {
		if s.skip > 0 {
			n := min(s.skip, len(data))
			s.skip -= n
			data = data[n:]
			continue
		}
		if s.resync {
			return nil
		}
		if len(s.buf) > 0 {
			data = p.resume(s, data)
			continue
		}
		s.tail = 0
		n := p.record(s, data)
		if n == 0 {
			s.buf = append(s.buf, data...)
			break
		}
		s.marked = false
		data = data[n:]
	}
	return s.err
}

// resume completes a record that began in an earlier piece, and returns what follows it.
func (p *Parser) resume(s *side, data []byte) []byte {
	for len(data) > 0 {
		take := min(max(1, wanted(s.buf)-len(s.buf)), len(data))
		s.buf = append(s.buf, data[:take]...)
		data = data[take:]
		if len(s.buf) < wanted(s.buf) {
			continue
		}
		record := s.buf
		s.buf, s.tail = nil, len(data)
		n := p.record(s, record)
		if n == 0 && s.err == nil {
			s.buf = record
			continue
		}
		s.marked = false
		s.skip -= min(s.skip, len(record)-n) // of a record that is not looked at, this part is here already
		s.buf = record[:0]
		return data
	}
	return nil
}

// wanted is how long the record that b starts will be, or as much as is needed to know that.
func wanted(b []byte) int {
	switch {
	case len(b) >= 5 && b[0]&0x80 == 0:
		return 5 + int(binary.BigEndian.Uint16(b[3:]))
	case len(b) >= 3 && b[0]&0x80 != 0:
		return 2 + int(binary.BigEndian.Uint16(b)&0x7fff)
	}
	return 5
}

// record handles the record at the start of data and returns how many bytes were used, 0 when it is not complete.
func (p *Parser) record(s *side, data []byte) int {
	if isSSLv2(data) && !s.records {
		return p.sslv2(s, data)
	}
	if len(data) < 5 {
		return 0
	}
	typ, version, n := data[0], binary.BigEndian.Uint16(data[1:]), int(binary.BigEndian.Uint16(data[3:]))
	if typ < recordCCS || typ > recordHeartbeat {
		p.tx.Event("tls.invalid_record_type")
		p.fail(s)
		return 0
	}
	if version>>8 != 3 {
		p.tx.Event("tls.invalid_record_version")
		p.fail(s)
		return 0
	}
	if n > maxRecord {
		p.tx.Event("tls.invalid_record_length")
		p.fail(s)
		return 0
	}
	s.records = true
	p.mark(s, typ, len(data)+s.tail, n)
	if s.ccs && typ != recordCCS || typ == recordData {
		p.encrypted(s, typ, data[5:], n)
		s.skip = n
		return 5
	}
	if len(data) < 5+n {
		return 0
	}
	body := data[5 : 5+n]
	switch typ {
	case recordCCS:
		p.changeCipher(s)
	case recordAlert:
		p.alert(body)
	case recordHandshake:
		p.handshake(s, body)
	case recordHeartbeat:
		p.heartbeat(body)
	}
	p.tx.Touch(s.dir)
	return 5 + n
}

func (p *Parser) fail(s *side) {
	p.tx.Touch(s.dir)
	p.tx.Event("tls.invalid_ssl_record")
	s.err = ErrNotTLS
	p.finish(s.dir)
}

// changeCipher ends the clear part of a direction. In TLS 1.3 the record means nothing, but what follows is encrypted
// all the same.
func (p *Parser) changeCipher(s *side) {
	s.ccs = true
	s.message = nil
	if s.dir == app.ToServer {
		p.tx.Advance(s.dir, ClientHandshakeDone)
	} else {
		if p.tx.Progress[s.dir] < ServerCertDone && p.tx.Version != 0 && p.tx.Version < 0x0304 {
			p.tx.Resumed = true
		}
		p.tx.Advance(s.dir, ServerHandshakeDone)
	}
}

// encrypted notes that a direction cannot be read any more. The Finished message is still handshake; what follows it is
// the bulk.
func (p *Parser) encrypted(s *side, typ byte, body []byte, n int) {
	if typ != recordData && p.tx.Version < 0x0304 && !p.tx.Encrypted[s.dir] {
		if s.dir == app.ToServer {
			p.tx.Advance(s.dir, ClientHandshakeDone)
		} else {
			p.tx.Advance(s.dir, ServerHandshakeDone)
		}
		return
	}
	if !p.tx.Encrypted[s.dir] {
		p.tx.Encrypted[s.dir] = true
		p.finish(s.dir)
	}
}

// finish completes one direction.
func (p *Parser) finish(dir app.Direction) {
	if p.tx == nil {
		return
	}
	if dir == app.ToServer {
		p.tx.Advance(dir, ClientFinished)
	} else {
		p.tx.Advance(dir, ServerFinished)
	}
	p.tx.Complete[dir] = true
}

func (p *Parser) alert(body []byte) {
	if len(body) < 2 || body[0] != 1 && body[0] != 2 {
		p.tx.Event("tls.invalid_alert_message")
	}
}

// heartbeat looks for Heartbleed (RFC 6520, CVE-2014-0160) while records can be read.
func (p *Parser) heartbeat(body []byte) {
	p.tx.Event("tls.heartbeat_message")
	p.tx.Heartbeat = true
	if len(body) < 3 || body[0] != 1 && body[0] != 2 {
		p.tx.Event("tls.invalid_heartbeat_message")
		return
	}
	if payload := int(binary.BigEndian.Uint16(body[1:])); payload+3+16 > len(body) {
		if body[0] == 1 {
			p.tx.Event("tls.overflow_heartbeat_message")
		} else {
			p.tx.Event("tls.dataleak_heartbeat_mismatch")
		}
	}
}

// Gap skips lost bytes: inside a record that is not looked at nothing is lost, elsewhere the direction ends.
func (p *Parser) Gap(dir app.Direction, n int) {
	s := &p.sides[dir]
	if n <= s.skip {
		s.skip -= n
		return
	}
	s.resync, s.marked = true, false
	s.skip, s.buf, s.message = 0, nil, nil
	p.finish(dir)
}

// Close ends one direction.
func (p *Parser) Close(dir app.Direction) {
	s := &p.sides[dir]
	s.buf, s.message = nil, nil
	if p.tx != nil {
		p.tx.Complete[dir] = true
		p.tx.Touch(dir)
	}
}
