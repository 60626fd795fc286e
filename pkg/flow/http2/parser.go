package http2

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/coding"
)

// Errors of Feed.
var (
	ErrNotHTTP2 = errors.New("http2: what comes is no frame")
	ErrGap      = errors.New("http2: bytes lost between or inside of frames that others depend on")
)

// preface is what a client begins with (RFC 9113 §3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Frame types (RFC 9113 §6).
const (
	frameData         = 0
	frameHeaders      = 1
	framePriority     = 2
	frameReset        = 3
	frameSettings     = 4
	framePush         = 5
	framePing         = 6
	frameGoAway       = 7
	frameWindow       = 8
	frameContinuation = 9

	flagEndStream  = 0x01 // of DATA and HEADERS; ACK of SETTINGS and PING
	flagEndHeaders = 0x04
	flagPadded     = 0x08
	flagPriority   = 0x20
)

// Limits of a connection.
const (
	headerLen = 9
	maxTx     = 4096
	maxFrame  = 1 << 16 // bytes of a frame other than DATA that is read; longer ones are skipped
	maxBlock  = 1 << 17 // bytes of a header block over CONTINUATION frames
	maxFrames = 1024    // frames noted of one stream and direction
	maxList16 = 64
)

// Config bounds a parser.
type Config struct {
	RequestBodyLimit, ResponseBodyLimit int // bytes of a body kept for inspection; 0: unlimited
	DecompressLayers                    int
	BombLimit                           int
	Files                               app.FileConfig
}

// DefaultConfig returns the limits of HTTP/1.
func DefaultConfig() Config {
	return Config{RequestBodyLimit: 100 << 10, ResponseBodyLimit: 100 << 10, DecompressLayers: 2, BombLimit: 1 << 20}
}

// Parser reads one connection.
type Parser struct {
	cfg     Config
	txs     app.Queue
	streams map[uint32]*stream
	sides   [2]side
	now     int64
	doh     bool     // a stream carries DNS
	reset   []uint32 // streams that the client has given up and whose answers may be under way, oldest first
	frames  *app.Frames
}

// side is the reading of one direction.
type side struct {
	dir     app.Direction
	buf     []byte // start of a frame that is not complete yet
	skip    int    // bytes left of a frame that is not read
	data    *stream
	padding int // bytes at the end of the DATA frame being read that are none
	end     bool
	headers table // what this direction's encoder has put into the dynamic table
	block   []byte
	of      uint32 // stream of the block
	blockIn bool   // CONTINUATION must follow
	ends    bool   // the block's HEADERS frame ends the stream
	magic   bool   // the preface was seen
	marked  bool   // the frame being read has been marked
	err     error
}

// stream is what a parser knows of an open stream.
type stream struct {
	tx    *Tx
	chain [2]*coding.Chain
	file  [2]*app.File
	piece *app.Piece // the answer's body is a part of a file
	seen  [2]bool    // headers were seen
	doh   [2]bool    // the direction's body is a DNS message
}

// New returns a parser of one connection.
func New(cfg Config) *Parser {
	p := &Parser{cfg: cfg, streams: map[uint32]*stream{}}
	for d := range p.sides {
		p.sides[d].dir = app.Direction(d)
		p.sides[d].headers = table{max: defaultTable, limit: defaultTable}
	}
	return p
}

// Probe tells HTTP/2 by the client's preface, or by the server's first SETTINGS.
func Probe(dir app.Direction, data []byte, _, _ uint16) app.Match {
	if dir == app.ToServer {
		n := min(len(data), len(preface))
		switch {
		case string(data[:n]) != preface[:n]:
			return app.No
		case n < len("PRI * HTTP/2.0\r\n"):
			return app.More
		}
		return app.Yes
	}
	if len(data) < headerLen {
		if len(data) > 0 && data[0] != 0 || len(data) > 3 && data[3] != frameSettings {
			return app.No
		}
		return app.More
	}
	n := int(data[0])<<16 | int(binary.BigEndian.Uint16(data[1:]))
	if data[3] == frameSettings && data[4] == 0 && n%6 == 0 && n <= 6*16 && bytes.Equal(data[5:9], []byte{0, 0, 0, 0}) {
		return app.Yes
	}
	return app.No
}

// Proto returns app.HTTP2, or app.DOH2 once a stream carries DNS.
func (p *Parser) Proto() app.Proto {
	if p.doh {
		return app.DOH2
	}
	return app.HTTP2
}

// SetFrames implements app.Framer.
func (p *Parser) SetFrames(f *app.Frames) { p.frames = f }

// Txs returns the live transactions.
func (p *Parser) Txs() []app.Tx { return p.txs.All() }

// Free drops the oldest n transactions.
func (p *Parser) Free(n int) {
	for _, t := range p.txs.All()[:min(n, p.txs.Len())] {
		if id := t.(*Tx).StreamID; p.streams[id] != nil && app.Tx(p.streams[id].tx) == t {
			delete(p.streams, id)
		}
	}
	p.txs.Free(n)
}

// Feed takes the next bytes of one direction.
func (p *Parser) Feed(dir app.Direction, data []byte, now int64) error {
	s := &p.sides[dir]
	if s.err != nil {
		return s.err
	}
	p.now = now
	if len(s.buf) > 0 {
		s.buf = append(s.buf, data...)
		data = s.buf
	}
	for len(data) > 0 && s.err == nil {
		n := p.step(s, data)
		if n == 0 {
			break
		}
		s.marked = false
		data = data[n:]
	}
	if s.err != nil {
		s.buf = nil
		return s.err
	}
	s.buf = append(s.buf[:0], data...)
	return nil
}

// step reads the preface, a frame, or a piece of one, and returns how many bytes it took, 0 when more are needed.
func (p *Parser) step(s *side, b []byte) int {
	if s.skip > 0 {
		n := min(s.skip, len(b))
		s.skip -= n
		p.dataPiece(s, b[:n])
		return n
	}
	if s.dir == app.ToServer && !s.magic {
		n := min(len(b), len(preface))
		if string(b[:n]) != preface[:n] {
			s.magic = true
			if b[0] != 'P' {
				return p.step(s, b) // the beginning was not seen
			}
			p.fail(s, "http2.invalid_client_magic")
			return 0
		}
		if n < len(preface) {
			return 0
		}
		s.magic = true
		return n
	}
	if len(b) < headerLen {
		return 0
	}
	return p.frame(s, b)
}

func (p *Parser) fail(s *side, event string) {
	if t := p.global(s.dir); t != nil {
		t.Event(event)
	}
	s.err = ErrNotHTTP2
}

// frame reads a frame header (RFC 9113 §4.1) and, but for DATA, its payload.
func (p *Parser) frame(s *side, b []byte) int {
	n := int(b[0])<<16 | int(binary.BigEndian.Uint16(b[1:]))
	f := frameHeader{Frame: Frame{Type: b[3], Flags: b[4], Length: uint32(n)}, stream: binary.BigEndian.Uint32(b[5:]) & 0x7fffffff}
	if s.blockIn && (f.Type != frameContinuation || f.stream != s.of) {
		p.fail(s, "http2.invalid_frame_data")
		return 0
	}
	p.mark(s, len(b), n)
	if f.Type == frameData {
		return p.data(s, &f, b)
	}
	if n > maxFrame {
		if t := p.txOf(s.dir, f.stream); t != nil {
			t.Event("http2.long_frame_data")
		}
		s.skip, s.data = n, nil
		return headerLen
	}
	if len(b) < headerLen+n {
		return 0
	}
	p.dispatch(s, &f, b[headerLen:headerLen+n])
	return headerLen + n
}

// mark marks a frame that begins back bytes before the end of what came, with n bytes behind its header.
func (p *Parser) mark(s *side, back, n int) {
	if p.frames == nil || s.marked {
		return
	}
	s.marked = true
	p.frames.Add(s.dir, app.HTTP2PDU, back, int64(headerLen+n))
	p.frames.Add(s.dir, app.HTTP2Header, back, headerLen)
	if n > 0 {
		p.frames.Add(s.dir, app.HTTP2Data, back-headerLen, int64(n))
	}
}

type frameHeader struct {
	Frame
	stream uint32
}

// global starts a transaction for a frame of the connection itself.
func (p *Parser) global(dir app.Direction) *Tx {
	t := p.begin(0)
	if t == nil {
		return nil
	}
	t.Complete = [2]bool{true, true}
	t.Progress = [2]uint8{Complete, Complete}
	t.Touch(dir)
	return t
}

// begin starts a transaction, or returns nil when there are too many.
func (p *Parser) begin(id uint32) *Tx {
	if p.txs.Len() >= maxTx {
		p.txs.All()[p.txs.Len()-1].Base().Event("http2.too_many_streams")
		return nil
	}
	t := &Tx{StreamID: id}
	p.txs.Add(t, p.now)
	return t
}

// open returns an open stream, starting it when it is new.
func (p *Parser) open(id uint32) *stream {
	st := p.streams[id]
	if st == nil {
		t := p.begin(id)
		if t == nil {
			return nil
		}
		st = &stream{tx: t}
		p.streams[id] = st
	}
	return st
}

// txOf returns the transaction that a frame belongs to.
func (p *Parser) txOf(dir app.Direction, id uint32) *Tx {
	if id == 0 {
		return p.global(dir)
	}
	if st := p.open(id); st != nil {
		return st.tx
	}
	return nil
}

// Gap skips lost bytes inside of DATA; elsewhere the direction ends, for later header blocks depend on earlier ones.
func (p *Parser) Gap(dir app.Direction, n int) {
	s := &p.sides[dir]
	if s.err != nil {
		return
	}
	if n <= s.skip {
		s.skip -= n
		if s.data != nil {
			s.data.file[dir].Gap(n)
			s.data.gap(dir)
			s.data.tx.Of(dir).BodySize += uint64(n)
			s.data.chain[dir].Drop()
			if s.skip == 0 {
				p.dataEnd(s)
			}
		}
		return
	}
	s.err = ErrGap
	s.buf = nil
}

// Close ends one direction: streams that are open become complete.
func (p *Parser) Close(dir app.Direction) {
	for _, st := range p.streams {
		if !st.tx.Complete[dir] {
			p.endStream(st, dir, false)
		}
	}
	p.txs.Close(dir)
	p.sides[dir].buf, p.sides[dir].block = nil, nil
}
