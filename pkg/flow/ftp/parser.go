package ftp

import (
	"bytes"
	"errors"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// ErrTooManyTxs says that more commands wait for inspection than the limit.
var ErrTooManyTxs = errors.New("ftp: more live transactions than the limit")

// Limits of a session.
const (
	maxLine    = 4096 // bytes of a command or reply that are kept
	maxReplies = 128  // lines kept of one answer
	maxTx      = 512  // commands that wait, unless configured
)

// Config bounds what is kept.
type Config struct {
	MaxLine int // bytes of a command or reply line; longer ones are cut; 0 means 4096
	MaxTx   int // transactions that may wait beside the current one; beyond, the session is read no further; 0 means 512
	Files   app.FileConfig
}

// Parser reads one control connection.
type Parser struct {
	cfg    Config
	txs    app.Queue
	now    int64
	sides  [2]side
	answer int // index in txs of the oldest command that waits for its reply

	link     *transfer // the data connection that was announced last
	expected []app.Expectation
	tls      bool
	rest     []byte
	full     bool // too many transactions: nothing more is read
	closed   [2]bool
	frames   *app.Frames
}

// side collects lines.
type side struct {
	part []byte
	long bool
	raw  int // bytes of the line being read, its end included
}

// New returns a parser of one control connection.
func New(cfg Config) *Parser {
	if cfg.MaxLine == 0 {
		cfg.MaxLine = maxLine
	}
	if cfg.MaxTx == 0 {
		cfg.MaxTx = maxTx
	}
	return &Parser{cfg: cfg}
}

// Proto returns app.FTP.
func (p *Parser) Proto() app.Proto { return app.FTP }

// SetFrames implements app.Framer.
func (p *Parser) SetFrames(f *app.Frames) { p.frames = f }

// Txs returns the live transactions.
func (p *Parser) Txs() []app.Tx { return p.txs.All() }

// Free drops the oldest n transactions.
func (p *Parser) Free(n int) {
	n = min(n, p.txs.Len())
	p.txs.Free(n)
	p.answer = max(0, p.answer-n)
}

// Expected returns the data connections announced since the last call.
func (p *Parser) Expected() []app.Expectation {
	list := p.expected
	p.expected = nil
	return list
}

// Upgrade implements app.Upgrader: the session goes on under TLS after AUTH TLS.
func (p *Parser) Upgrade() (next app.Proto, rest []byte, ok bool) {
	if !p.tls {
		return app.Unknown, nil, false
	}
	rest, p.rest = p.rest, nil
	return app.TLS, rest, true
}

// Feed takes the next bytes of one direction.
func (p *Parser) Feed(dir app.Direction, data []byte, now int64) error {
	p.now = now
	for len(data) > 0 && !p.tls && !p.full {
		line, rest, cut, ok := p.line(dir, data)
		p.sides[dir].raw += len(data) - len(rest)
		if !ok {
			return nil
		}
		p.mark(dir, len(rest))
		data, p.rest = rest, rest
		if dir == app.ToClient {
			p.reply(line, cut)
		} else if err := p.command(line, cut); err != nil {
			return err
		}
	}
	return nil
}

// mark marks the line that has just been read, its end included, with rest bytes behind it.
func (p *Parser) mark(dir app.Direction, rest int) {
	n := p.sides[dir].raw
	p.sides[dir].raw = 0
	t := app.FTPCommand
	if dir == app.ToClient {
		t = app.FTPReply
	}
	p.frames.Add(dir, t, rest+n, int64(n))
}

// line takes the next line off data, without its end; cut says that it was longer than the limit.
func (p *Parser) line(dir app.Direction, data []byte) (line, rest []byte, cut, ok bool) {
	s := &p.sides[dir]
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		p.collect(s, data)
		return nil, nil, false, false
	}
	line, rest = data[:i], data[i+1:]
	if len(s.part) > 0 {
		p.collect(s, line)
		line, s.part = s.part, s.part[:0]
	}
	if len(line) > p.cfg.MaxLine {
		line, s.long = line[:p.cfg.MaxLine], true
	}
	cut, s.long = s.long, false
	return bytes.TrimSuffix(line, []byte("\r")), rest, cut, true
}

// collect keeps the start of a line, up to the limit.
func (p *Parser) collect(s *side, data []byte) {
	if room := p.cfg.MaxLine - len(s.part); len(data) > room {
		s.long = true
		data = data[:max(0, room)]
	}
	s.part = append(s.part, data...)
}

// command starts a transaction with one line of the client.
func (p *Parser) command(line []byte, cut bool) error {
	line = bytes.Clone(bytes.TrimLeft(line, " \t"))
	if len(line) == 0 {
		return nil
	}
	t := p.begin()
	if t == nil {
		return ErrTooManyTxs
	}
	verb, arg, _ := bytes.Cut(line, []byte(" "))
	t.Command, t.Data = verb, bytes.TrimLeft(arg, " \t")
	if cut {
		t.CommandTruncated = true
		t.Event("ftp.request_command_too_long")
	}
	t.Advance(app.ToServer, Complete)
	t.Complete[app.ToServer] = true
	switch {
	case bytes.EqualFold(verb, []byte("PORT")):
		p.active(t, portArgument)
	case bytes.EqualFold(verb, []byte("EPRT")):
		p.active(t, extendedArgument)
	case bytes.EqualFold(verb, []byte("RETR")):
		p.transfer(t, "RETR", app.ToClient)
	case bytes.EqualFold(verb, []byte("STOR")):
		p.transfer(t, "STOR", app.ToServer)
	}
	return nil
}

// begin starts a transaction, or returns nil when there are too many.
func (p *Parser) begin() *Tx {
	if n := p.txs.Len(); n > p.cfg.MaxTx {
		p.txs.All()[n-1].Base().Event("ftp.too_many_transactions")
		p.full = true
		return nil
	}
	t := &Tx{}
	p.txs.Add(t, p.now)
	return t
}

// reply adds one line of the server to the oldest command that is not answered.
func (p *Parser) reply(line []byte, cut bool) {
	var t *Tx
	if p.answer < p.txs.Len() {
		t = p.txs.All()[p.answer].(*Tx)
	} else if t = p.begin(); t != nil {
		t.Advance(app.ToServer, Complete)
		t.Complete[app.ToServer] = true
	} else {
		return
	}
	if cut {
		t.ReplyTruncated = true
		t.Event("ftp.response_command_too_long")
	}
	code, text := splitReply(line)
	if len(t.Replies) < maxReplies {
		t.Replies = append(t.Replies, Reply{Code: bytes.Clone(code), Text: bytes.Clone(text)})
	}
	t.Touch(app.ToClient)
	final := len(code) == 3 && code[0] != '1' && (len(line) == 3 || line[3] == ' ')
	if !final {
		return
	}
	p.finish(t, string(code), text)
}

// finish completes a command with its final reply.
func (p *Parser) finish(t *Tx, code string, text []byte) {
	switch {
	case code == "227" && bytes.EqualFold(t.Command, []byte("PASV")):
		p.passive(t, text, portArgument)
	case code == "229" && bytes.EqualFold(t.Command, []byte("EPSV")):
		p.passive(t, text, extendedArgument)
	case code == "234" && bytes.EqualFold(t.Command, []byte("AUTH")):
		p.tls = true
	}
	t.Done = true
	t.Advance(app.ToClient, Complete)
	t.Complete[app.ToClient] = true
	p.answer++
}

// splitReply parts "230 text" and "230-text"; a line without code is all text.
func splitReply(line []byte) (code, text []byte) {
	if len(line) < 3 || !isDigit(line[0]) || !isDigit(line[1]) || !isDigit(line[2]) {
		return nil, line
	}
	if len(line) == 3 {
		return line, nil
	}
	if line[3] != ' ' && line[3] != '-' {
		return nil, line
	}
	return line[:3], line[4:]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// Gap drops a line that misses bytes.
func (p *Parser) Gap(dir app.Direction, _ int) { p.sides[dir] = side{} }

// Close ends one direction: commands without reply stay so.
func (p *Parser) Close(dir app.Direction) {
	p.closed[dir] = true
	if len(p.sides[dir].part) > 0 && !p.tls {
		_ = p.Feed(dir, []byte("\n"), p.now)
	}
	p.txs.Close(dir)
	p.sides[dir] = side{}
}
