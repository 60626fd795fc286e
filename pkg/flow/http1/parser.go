package http1

import (
	"errors"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// Errors of Feed. A direction that has failed takes no more bytes.
var (
	ErrFieldTooLong   = errors.New("http1: line longer than the hard limit")
	ErrTooManyHeaders = errors.New("http1: more header fields than the limit")
	ErrTooManyTxs     = errors.New("http1: more live transactions than the limit")
	ErrBadLength      = errors.New("http1: content length or chunk length is not a number")
	ErrGap            = errors.New("http1: bytes lost outside of a body")
)

// maxHeaderBlock bounds the raw header block of one message, maxPending what a client sends behind a CONNECT before
// the answer.
const (
	maxHeaderBlock = 256 << 10
	maxPending     = 64 << 10
)

// Parser reads the two directions of one connection.
type Parser struct {
	cfg   Config
	txs   app.Queue
	now   int64
	sides [2]side
	// answer is the index of the transaction whose response is being read or comes next.
	answer int

	upgraded bool
	next     app.Proto
	last     *Tx // the request that was answered with the change of protocol
	frames   *app.Frames
}

// side is the reading of one direction.
type side struct {
	dir    app.Direction
	state  state
	in     []byte // what is left of this Feed
	part   []byte // start of a line that is not complete yet
	held   []byte // header line that the next line may continue
	lfcr   bool   // the last header line ended in LF CR
	fields int    // header fields so far
	left   int64  // bytes left of the body or chunk
	tx     *Tx
	body   bodyReader
	closed bool
	resync bool   // after a gap: skip until something starts like a message
	frame  uint32 // number of the message's frame
	err    error
}

type state uint8

const (
	idle state = iota
	firstLine
	headerLines
	bodyLength  // until left is 0
	bodyToClose // until the direction ends
	chunkLine
	chunkData
	chunkEnd
	trailerLines
	finish      // the message is over; what follows in this Feed may still belong to its body
	waitConnect // a CONNECT request waits for its answer
	ignoring    // HTTP/0.9 is over: nothing more is expected
)

// New returns a parser of one connection.
func New(cfg Config) *Parser {
	p := &Parser{cfg: cfg}
	p.sides[app.ToClient].dir = app.ToClient
	return p
}

// Proto returns app.HTTP1.
func (p *Parser) Proto() app.Proto { return app.HTTP1 }

// SetFrames implements app.Framer.
func (p *Parser) SetFrames(f *app.Frames) { p.frames = f }

// Txs returns the live transactions.
func (p *Parser) Txs() []app.Tx { return p.txs.All() }

// Free drops the oldest n transactions. One that is still being read is read on, unseen.
func (p *Parser) Free(n int) {
	n = min(n, p.txs.Len())
	for _, tx := range p.txs.All()[:n] {
		tx.(*Tx).giveBack(p.cfg.Bodies)
	}
	p.txs.Free(n)
	p.answer = max(0, p.answer-n)
}

// Feed takes the next bytes of one direction.
func (p *Parser) Feed(dir app.Direction, data []byte, now int64) error {
	s := &p.sides[dir]
	if s.err != nil || p.upgraded || s.closed {
		return s.err
	}
	p.now = now
	s.in = data
	p.run(s)
	if !p.upgraded {
		s.in = nil
	}
	return s.err
}

// run takes steps until bytes are missing.
func (p *Parser) run(s *side) {
	for s.err == nil && !p.upgraded {
		if s.resync && !s.findStart() {
			return
		}
		var more bool
		if s.dir == app.ToServer {
			more = p.requestStep(s)
		} else {
			more = p.responseStep(s)
		}
		if !more {
			return
		}
	}
}

// Upgrade implements app.Upgrader: after an answered CONNECT or Upgrade the connection speaks something else.
func (p *Parser) Upgrade() (next app.Proto, rest []byte, ok bool) {
	if !p.upgraded {
		return app.Unknown, nil, false
	}
	s := &p.sides[app.ToClient]
	rest, s.in = s.in, nil
	return p.next, rest, true
}

// Bequest implements app.Bequeather: the request that asked for HTTP/2 is answered there.
func (p *Parser) Bequest() *app.Request {
	if p.next != app.HTTP2 || p.last == nil || p.last.Request.Unseen {
		return nil
	}
	q := &p.last.Request
	r := &app.Request{Method: q.Method, Target: q.RawURI}
	for i := range q.Headers {
		r.Fields = append(r.Fields, app.Field{Name: q.Headers[i].Name, Value: q.Headers[i].Value})
	}
	return r
}

// begin starts a transaction, or fails when there are too many.
func (p *Parser) begin(s *side) *Tx {
	if p.cfg.MaxTx > 0 && p.txs.Len() >= p.cfg.MaxTx {
		s.err = ErrTooManyTxs
		return nil
	}
	t := &Tx{}
	t.Request.Port = -1
	t.Request.ContentLength, t.Response.ContentLength = -1, -1
	t.Response.StatusCode = -1
	p.txs.Add(t, p.now)
	return t
}

// Gap skips n lost bytes. Inside a body they count as part of it; elsewhere reading goes on at the next message.
func (p *Parser) Gap(dir app.Direction, n int) {
	s := &p.sides[dir]
	if s.err != nil || p.upgraded || s.closed || n <= 0 {
		return
	}
	lost := int64(n)
	switch s.state {
	case bodyToClose, ignoring:
		p.lost(s, n)
		return
	case bodyLength, chunkData:
		here := min(lost, s.left)
		p.lost(s, int(here))
		s.left -= here
		if lost -= here; lost == 0 {
			p.run(s)
			return
		}
	case idle, finish:
		p.run(s)
	case firstLine, headerLines:
		if dir == app.ToServer { // a line with a hole tells more than none
			return
		}
	}
	p.abandon(s)
	s.resync = true
}

// lost notes a gap in the body.
func (p *Parser) lost(s *side, n int) {
	if s.tx != nil && n > 0 {
		s.body.gap(p, s, n)
	}
}

// abandon ends the message being read because its rest is lost.
func (p *Parser) abandon(s *side) {
	s.part, s.held = nil, nil
	if s.state != idle && s.tx != nil {
		p.endMessage(s, false)
	}
	s.state = idle
}

// Close ends one direction: what is open becomes complete.
func (p *Parser) Close(dir app.Direction) {
	s := &p.sides[dir]
	if s.closed {
		return
	}
	s.closed = true
	if s.err == nil && !p.upgraded {
		p.lastLine(s)
		whole := s.state == bodyToClose || s.state == finish
		if s.tx != nil && s.state != idle {
			p.endMessage(s, whole)
		}
	} else if s.tx != nil && !s.tx.Complete[dir] {
		p.endMessage(s, false)
	}
	p.txs.Close(dir)
	if p.sides[app.ToClient].closed { // requests that came after the server's end will not be answered
		p.txs.Close(app.ToClient)
	}
	s.part, s.held = nil, nil
}

// lastLine gives a line that the end of the direction cuts short to its reader, as if it had ended.
func (p *Parser) lastLine(s *side) {
	if len(s.part) == 0 && len(s.held) == 0 {
		return
	}
	if s.state == firstLine || s.state == headerLines {
		s.in = []byte("\n")
		if s.state == headerLines {
			s.in = []byte("\n\n")
		}
		p.run(s)
		s.in = nil
	}
}
