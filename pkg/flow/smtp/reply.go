package smtp

import (
	"bytes"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// server takes replies.
func (p *Parser) server(data []byte) {
	for len(data) > 0 && !p.tls {
		line, rest, ok := p.line(app.ToClient, data)
		if !ok {
			return
		}
		p.sides[app.ToClient].rest = rest
		data = rest
		p.reply(line)
		p.markLine(app.ToClient, app.SMTPReply, len(rest))
	}
}

// reply handles one line of the server: "250-PIPELINING" or "354 go ahead".
func (p *Parser) reply(line []byte) {
	if len(line) < 3 || !isDigit(line[0]) || !isDigit(line[1]) || !isDigit(line[2]) {
		p.event("smtp.invalid_reply")
		return
	}
	code, more := string(line[:3]), len(line) > 3 && line[3] == '-'
	if !p.greeted {
		if !more {
			p.greeted = true
		}
		if code == "220" {
			return
		}
		p.greeted = true
		p.event("smtp.no_server_welcome_message")
	}
	if len(p.pending) == 0 {
		if code != "421" { // the server may leave at any time
			p.event("smtp.unable_to_match_reply_with_request")
		}
		return
	}
	kind := p.pending[0]
	if kind == cmdEhlo && len(line) > 4 && fold(bytes.TrimSpace(line[4:]), "PIPELINING") {
		p.piped = true
	}
	if more {
		return
	}
	p.pending = append(p.pending[:0], p.pending[1:]...)
	p.answer(kind, code)
	if p.tx != nil {
		p.tx.Touch(app.ToClient)
	}
}

// answer acts on the final reply to a command.
func (p *Parser) answer(kind command, code string) {
	switch kind {
	case cmdStartTLS:
		if code == "220" {
			p.finish()
			p.tls = true
		} else {
			p.event("smtp.tls_rejected")
		}
	case cmdData:
		if code == "354" {
			if p.data == commands && (p.mail != nil || p.raw != nil || !p.cfg.MIME && !p.cfg.RawExtract) {
				p.data = content
				p.sides[app.ToServer].prevLine = true
			}
			return
		}
		p.event("smtp.data_command_rejected")
		if p.data == content {
			p.data = commands
		}
		p.mail, p.raw = nil, nil
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
