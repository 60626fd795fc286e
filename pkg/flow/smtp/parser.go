package smtp

import (
	"bytes"
	"errors"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/mime"
)

// ErrTooManyTxs says that more mails wait for inspection than the limit.
var ErrTooManyTxs = errors.New("smtp: more live transactions than the limit")

// Limits of a session.
const (
	maxLine     = 4094 // bytes of a command or reply that are looked at
	maxRcpt     = 1024
	maxPending  = 256 // commands that wait for their reply
	maxTx       = 256
	maxArgument = 2048
)

// Config says what is read. DefaultConfig gives Suricata's defaults.
type Config struct {
	MIME       bool // read mails
	Mail       mime.Config
	RawExtract bool // the whole mail is one file, "rawmsg"; excludes MIME
}

// DefaultConfig reads mails and extracts http links.
func DefaultConfig() Config { return Config{MIME: true, Mail: mime.DefaultConfig()} }

// Parser reads one session.
type Parser struct {
	cfg   Config
	txs   app.Queue
	now   int64
	sides [2]side

	helo    []byte
	tx      *Tx // current transaction; nil or done when the next command starts one
	done    bool
	mail    *mime.Parser
	raw     *app.File
	data    dataState
	chunk   int64 // bytes left of a BDAT chunk
	last    bool  // the chunk is the last one
	pending []command
	greeted bool
	piped   bool // the server said that it takes pipelined commands
	tls     bool // STARTTLS was accepted
	frames  *app.Frames
	inData  uint32 // frame of the mail being read, 0 for none
}

// side collects the lines of one direction.
type side struct {
	part     []byte
	long     bool // the rest of a line that is too long is dropped
	rest     []byte
	closed   bool
	prevLine bool // data mode: the byte before was a line end
	raw      int  // bytes of the line being read, its end included
}

type dataState uint8

const (
	commands dataState = iota
	content            // after DATA
	chunked            // inside BDAT
)

// command is what a reply answers.
type command uint8

const (
	cmdOther command = iota
	cmdData
	cmdBdat
	cmdStartTLS
	cmdHelo
	cmdEhlo
	cmdRset
	cmdContent // the end of a mail's data
)

// New returns a parser of one session.
func New(cfg Config) *Parser { return &Parser{cfg: cfg} }

// Proto returns app.SMTP.
func (p *Parser) Proto() app.Proto { return app.SMTP }

// Txs returns the live transactions.
func (p *Parser) Txs() []app.Tx { return p.txs.All() }

// Free drops the oldest n transactions. One that is still being read is read on, unseen.
func (p *Parser) Free(n int) { p.txs.Free(n) }

// SetFrames implements app.Framer.
func (p *Parser) SetFrames(f *app.Frames) { p.frames = f }

// Upgrade implements app.Upgrader: the session goes on under TLS.
func (p *Parser) Upgrade() (next app.Proto, rest []byte, ok bool) {
	if !p.tls {
		return app.Unknown, nil, false
	}
	rest, p.sides[app.ToClient].rest = p.sides[app.ToClient].rest, nil
	return app.TLS, rest, true
}

// Feed takes the next bytes of one direction.
func (p *Parser) Feed(dir app.Direction, data []byte, now int64) error {
	p.now = now
	if p.tls {
		return nil
	}
	if dir == app.ToServer {
		return p.client(data)
	}
	p.server(data)
	return nil
}

// client takes commands, or a mail's data.
func (p *Parser) client(data []byte) error {
	for len(data) > 0 {
		switch p.data {
		case content:
			data = p.content(data)
			continue
		case chunked:
			n := min(int64(len(data)), p.chunk)
			p.body(data[:n])
			p.chunk -= n
			data = data[n:]
			if p.chunk == 0 {
				p.endChunk()
			}
			continue
		}
		line, rest, ok := p.line(app.ToServer, data)
		data = rest
		if !ok {
			return nil
		}
		if err := p.command(line); err != nil {
			return err
		}
		p.markLine(app.ToServer, app.SMTPCommand, len(rest))
	}
	return nil
}

// line takes the next line off data, without its end. A line that is too long is cut and raises an event.
func (p *Parser) line(dir app.Direction, data []byte) (line, rest []byte, ok bool) {
	s := &p.sides[dir]
	i := bytes.IndexByte(data, '\n')
	if s.raw += i + 1; i < 0 {
		s.raw += len(data)
		if room := maxLine - len(s.part); len(data) > room {
			s.long = true
			data = data[:max(0, room)]
		}
		s.part = append(s.part, data...)
		return nil, nil, false
	}
	line, rest = data[:i], data[i+1:]
	if len(s.part) > 0 {
		if room := maxLine - len(s.part); len(line) > room {
			s.long = true
			line = line[:max(0, room)]
		}
		s.part = append(s.part, line...)
		line, s.part = s.part, s.part[:0]
	}
	if len(line) > maxLine {
		line, s.long = line[:maxLine], true
	}
	if s.long {
		s.long = false
		p.eventLong(dir)
	}
	return bytes.TrimSuffix(line, []byte("\r")), rest, true
}

func (p *Parser) eventLong(dir app.Direction) {
	if dir == app.ToServer {
		p.event("smtp.max_command_line_len_exceeded")
	} else {
		p.event("smtp.max_reply_line_len_exceeded")
	}
}

// event records an event with the current transaction, starting one when there is none.
func (p *Parser) event(name string) {
	if t := p.current(); t != nil {
		t.Event(name)
		t.Touch(app.ToServer)
		t.Touch(app.ToClient)
	}
}

// current returns the transaction that is open or was open last.
func (p *Parser) current() *Tx {
	if p.tx == nil {
		p.begin()
	}
	return p.tx
}

// begin starts a transaction.
func (p *Parser) begin() bool {
	if p.txs.Len() >= maxTx {
		return false
	}
	p.tx = &Tx{Helo: p.helo}
	p.done, p.mail, p.raw = false, nil, nil
	p.txs.Add(p.tx, p.now)
	return true
}

// finish completes the transaction in both directions.
func (p *Parser) finish() {
	if p.tx == nil || p.done {
		return
	}
	p.done = true
	for dir := range p.tx.Complete {
		p.tx.Advance(app.Direction(dir), Complete)
		p.tx.Complete[dir] = true
	}
}

// Gap skips lost bytes: in a mail's data they are a gap of the file, elsewhere reading goes on at the next line.
func (p *Parser) Gap(dir app.Direction, n int) {
	s := &p.sides[dir]
	s.part, s.raw = s.part[:0], 0
	if dir != app.ToServer || n <= 0 {
		return
	}
	switch p.data {
	case content:
		p.gapData(n)
	case chunked:
		here := min(int64(n), p.chunk)
		p.gapData(int(here))
		if p.chunk -= here; p.chunk == 0 {
			p.endChunk()
		}
	}
}

func (p *Parser) gapData(n int) {
	if p.mail != nil {
		p.mail.Gap(n)
	}
	p.raw.Gap(n)
}

// Close ends one direction; a mail that is not finished stays as it is.
func (p *Parser) Close(dir app.Direction) {
	p.sides[dir].closed = true
	if dir == app.ToServer {
		p.endMail(false)
	}
	if p.tx != nil {
		p.tx.Complete[dir] = true
		p.tx.Touch(dir)
	}
}
