package smtp

import (
	"bytes"
	"strconv"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/mime"
)

// command handles one line of the client.
func (p *Parser) command(line []byte) error {
	verb, arg := split(line)
	if p.tx == nil || p.done && !fold(verb, "STARTTLS") { // encryption belongs to no mail
		if len(line) == 0 {
			return nil
		}
		if !p.begin() {
			return ErrTooManyTxs
		}
	}
	p.tx.Touch(app.ToServer)
	kind := cmdOther
	switch {
	case fold(verb, "HELO"):
		kind = cmdHelo
		p.hello(arg)
	case fold(verb, "EHLO"):
		kind = cmdEhlo
		p.hello(arg)
	case fold(verb, "MAIL"):
		p.mailFrom(arg)
	case fold(verb, "RCPT"):
		if a := address(arg, "TO"); a != nil && len(p.tx.RcptTo) < maxRcpt {
			p.tx.RcptTo = append(p.tx.RcptTo, a)
		}
	case fold(verb, "DATA"):
		kind = cmdData
		if !p.startData() {
			return nil
		}
	case fold(verb, "BDAT"):
		kind = cmdBdat
		p.startChunk(arg)
	case fold(verb, "STARTTLS"):
		kind = cmdStartTLS
	case fold(verb, "RSET"):
		kind = cmdRset
		p.endMail(false)
		p.finish()
	}
	p.expect(kind)
	return nil
}

// expect notes that a reply will come.
func (p *Parser) expect(kind command) {
	if len(p.pending) > 0 && !p.piped && p.pending[len(p.pending)-1] == cmdData {
		p.event("smtp.invalid_pipelined_sequence")
	}
	if len(p.pending) < maxPending {
		p.pending = append(p.pending, kind)
	}
}

// split parts a command's verb and argument.
func split(line []byte) (verb, arg []byte) {
	line = bytes.TrimLeft(line, " \t")
	i := bytes.IndexAny(line, " \t")
	if i < 0 {
		return line, nil
	}
	return line[:i], bytes.TrimLeft(line[i:], " \t")
}

func fold(b []byte, s string) bool { return bytes.EqualFold(b, []byte(s)) }

func keep(b []byte) []byte { return append([]byte{}, b[:min(len(b), maxArgument)]...) }

func (p *Parser) hello(arg []byte) {
	if p.tx.Helo != nil {
		p.tx.Event("smtp.duplicate_fields")
	}
	arg, _ = split(arg)
	p.helo = keep(arg)
	p.tx.Helo = p.helo
}

func (p *Parser) mailFrom(arg []byte) {
	a := address(arg, "FROM")
	if a == nil {
		return
	}
	if p.tx.MailFrom != nil {
		p.tx.Event("smtp.duplicate_fields")
		return
	}
	p.tx.MailFrom = a
}

// address returns the path in "FROM:<a@b> SIZE=1": up to white space, brackets kept.
func address(arg []byte, keyword string) []byte {
	if len(arg) < len(keyword) || !fold(arg[:len(keyword)], keyword) {
		return nil
	}
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(arg[len(keyword):], " \t"), []byte(":"))
	if !ok {
		return nil
	}
	path, _ := split(rest)
	return keep(path)
}

// startData begins a mail; the client sends it once the server agrees, or at once when commands may be pipelined.
func (p *Parser) startData() bool {
	if p.mail != nil || p.raw != nil {
		p.event("smtp.unparsable_content")
		return false
	}
	p.openMail()
	if p.piped {
		p.data = content
		p.sides[app.ToServer].prevLine = true
	}
	return true
}

// openMail prepares reading of a mail.
func (p *Parser) openMail() {
	switch {
	case p.cfg.RawExtract:
		p.raw = p.tx.NewFile(&p.cfg.Mail.Files, []byte("rawmsg"), app.ToServer)
	case p.cfg.MIME:
		p.mail = mime.New(&p.cfg.Mail, &p.tx.TxBase, app.ToServer)
		p.tx.Mail = p.mail.Message()
	}
}

// body passes a mail's bytes on.
func (p *Parser) body(data []byte) {
	if p.mail != nil {
		p.mail.Write(data)
		if p.mail.Message().Status != mime.Header {
			p.tx.Advance(app.ToServer, Header)
		}
	}
	p.raw.Append(data, !p.tx.Touched[app.ToServer])
	p.tx.Touch(app.ToServer)
}

// content reads a mail's lines up to the single dot (RFC 5321 §4.5.2) and returns what follows it.
func (p *Parser) content(data []byte) []byte {
	s := &p.sides[app.ToServer]
	if p.inData == 0 && p.frames != nil {
		p.inData = p.frames.AddTx(app.ToServer, app.SMTPData, len(data), -1, &p.current().TxBase)
	}
	for len(data) > 0 {
		if s.prevLine && (len(s.part) > 0 || data[0] == '.') {
			var over bool
			if data, over = p.dot(s, data); over {
				return data
			}
			continue
		}
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			s.prevLine = false
			p.body(data)
			return nil
		}
		s.prevLine = true
		p.body(data[:i+1])
		data = data[i+1:]
	}
	return nil
}

// dot decides about a line that starts with a dot: the end of the mail, or a stuffed one. At most three bytes are held
// back until it is clear.
func (p *Parser) dot(s *side, data []byte) (rest []byte, over bool) {
	for len(data) > 0 {
		s.part = append(s.part, data[0])
		data = data[1:]
		switch string(s.part) {
		case ".", ".\r":
			continue
		case ".\n", ".\r\n":
			p.frames.SetLength(app.ToServer, p.inData, len(data)+len(s.part))
			p.inData = 0
			s.part = s.part[:0]
			p.endMail(true)
			p.finish()
			p.data = commands
			p.expect(cmdContent)
			return data, true
		}
		if p.mail != nil {
			p.mail.Stuffed()
		}
		held := s.part[1:] // the dot was stuffed
		s.prevLine = held[len(held)-1] == '\n'
		p.body(held)
		s.part = s.part[:0]
		return data, false
	}
	return nil, false
}

// endMail ends the mail being read.
func (p *Parser) endMail(whole bool) {
	if p.mail != nil {
		p.mail.Close(whole)
		p.mail = nil
	}
	if p.raw != nil {
		if whole {
			p.raw.Close()
		} else {
			p.raw.Truncate()
		}
		p.raw = nil
	}
	p.data = commands
}

// startChunk begins a chunk of BDAT (RFC 3030 §2): "BDAT 86 LAST". Chunks are not parsed as a mail.
func (p *Parser) startChunk(arg []byte) {
	size, last := split(arg)
	n, err := strconv.ParseInt(string(size), 10, 32)
	if err != nil || n < 0 {
		p.event("smtp.invalid_bdat")
		return
	}
	p.chunk, p.last = n, fold(bytes.TrimSpace(last), "LAST")
	if n == 0 {
		p.endChunk()
		return
	}
	p.data = chunked
}

// endChunk ends a chunk; the last one ends the mail.
func (p *Parser) endChunk() {
	p.data = commands
	if p.last {
		p.finish()
	}
}
