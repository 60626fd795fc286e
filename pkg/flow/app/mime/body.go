package mime

import (
	"bytes"
	"slices"
)

// bodyLine decodes one line of a part.
func (p *Parser) bodyLine(line []byte) {
	text := chomp(line)
	end := line[len(text):]
	switch p.part.encoding {
	case base64Encoding:
		p.encodedLine(text)
		decoded, bad := p.part.b64.decode(text)
		if bad {
			p.event("invalid_base64")
		}
		p.deliver(decoded)
	case quotedPrintable:
		p.encodedLine(text)
		p.flushHeld()
		decoded, soft, bad := decodeQP(text)
		if bad {
			p.event("invalid_qp")
		}
		p.deliver(decoded)
		if !soft {
			p.held = append(p.held[:0], end...)
		}
	default:
		p.flushHeld()
		p.deliver(text)
		p.held = append(p.held[:0], end...)
	}
}

func (p *Parser) encodedLine(text []byte) {
	if len(text) > maxEncoded {
		p.event("long_enc_line")
	}
}

// flushHeld gives out the end of the line before: no boundary followed it.
func (p *Parser) flushHeld() {
	if len(p.held) > 0 {
		p.deliver(p.held)
		p.held = p.held[:0]
	}
}

// deliver passes decoded bytes to the file or looks for links in them.
func (p *Parser) deliver(data []byte) {
	if len(data) == 0 {
		return
	}
	if p.part.file != nil {
		p.part.file.Append(data, !p.tx.Touched[p.dir])
		p.tx.Touched[p.dir] = true
		return
	}
	if p.part.text && p.cfg.ExtractURLs {
		p.part.tail = p.links(append(p.part.tail, data...))
	}
}

// endPart closes what is being decoded.
func (p *Parser) endPart(whole bool) {
	if p.part.encoding == base64Encoding {
		p.deliver(p.part.b64.end())
	}
	if p.part.text && len(p.part.tail) > 0 {
		p.links(append(p.part.tail, '\n'))
	}
	p.held = p.held[:0]
	if whole {
		p.part.file.Close()
	} else {
		p.part.file.Truncate()
	}
	p.part = part{}
}

// links finds links in text and returns its end that may belong to one that goes on.
func (p *Parser) links(text []byte) []byte {
	for {
		start, skip := p.nextLink(text)
		if start < 0 {
			// Keep what may be the beginning of a scheme.
			if n := len(text); n > 16 {
				text = text[n-16:]
			}
			return append([]byte{}, text...)
		}
		end := bytes.IndexFunc(text[start:], endsLink)
		if end < 0 {
			if len(text)-start > maxURL {
				end = maxURL
			} else {
				return append([]byte{}, text[start:]...)
			}
		}
		link := text[start : start+end]
		if !p.cfg.KeepScheme {
			link = link[skip:]
		}
		p.addLink(link)
		text = text[start+end:]
	}
}

// addLink puts the latest link first, where Suricata's records have it.
func (p *Parser) addLink(link []byte) {
	if len(link) > 0 && len(p.msg.URLs) < maxURLs {
		p.msg.URLs = slices.Insert(p.msg.URLs, 0, bytes.Clone(link))
	}
}

// nextLink returns where the first link starts and how long its scheme is.
func (p *Parser) nextLink(text []byte) (start, skip int) {
	start = -1
	low := lowered(text)
	for _, s := range p.cfg.Schemes {
		scheme := s + "://"
		if i := bytes.Index(low, []byte(scheme)); i >= 0 && (start < 0 || i < start) {
			start, skip = i, len(scheme)
		}
	}
	return start, skip
}

// lowered lowers ASCII letters and leaves offsets as they are.
func lowered(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		out[i] = lower(c)
	}
	return out
}

func endsLink(r rune) bool {
	return r <= ' ' || r == '"' || r == '\'' || r == '<' || r == '>' || r == ']' || r == '}'
}

// base64Decoder takes base64 in pieces (RFC 2045 §6.8), skipping what is not in the alphabet.
type base64Decoder struct {
	bits uint32
	n    int
	over bool // padding was seen
	out  []byte
}

// decode returns what is complete; bad says that there was something outside of the alphabet. The result is lent.
func (d *base64Decoder) decode(text []byte) (out []byte, bad bool) {
	d.out = d.out[:0]
	for _, c := range text {
		v := base64Value(c)
		if c == '=' {
			d.over = true
			continue
		}
		if v < 0 {
			bad = bad || !isSpace(c)
			continue
		}
		if d.over { // data after padding starts anew
			d.finish()
		}
		d.bits = d.bits<<6 | uint32(v)
		if d.n++; d.n == 4 {
			d.out = append(d.out, byte(d.bits>>16), byte(d.bits>>8), byte(d.bits))
			d.bits, d.n = 0, 0
		}
	}
	return d.out, bad
}

func (d *base64Decoder) finish() {
	switch d.n {
	case 2:
		d.out = append(d.out, byte(d.bits>>4))
	case 3:
		d.out = append(d.out, byte(d.bits>>10), byte(d.bits>>2))
	}
	d.bits, d.n, d.over = 0, 0, false
}

// end returns the bytes of an incomplete last group.
func (d *base64Decoder) end() []byte {
	d.out = d.out[:0]
	d.finish()
	return d.out
}

func base64Value(c byte) int {
	switch {
	case 'A' <= c && c <= 'Z':
		return int(c - 'A')
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 26
	case '0' <= c && c <= '9':
		return int(c-'0') + 52
	case c == '+':
		return 62
	case c == '/':
		return 63
	}
	return -1
}

// decodeQP decodes one line of quoted-printable (RFC 2045 §6.7). soft says that the line goes on with the next.
func decodeQP(text []byte) (out []byte, soft, bad bool) {
	out = make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '=' {
			out = append(out, text[i])
			continue
		}
		if len(trim(text[i+1:])) == 0 {
			return out, true, bad
		}
		if i+2 < len(text) && hexDigit(text[i+1]) >= 0 && hexDigit(text[i+2]) >= 0 {
			out = append(out, byte(hexDigit(text[i+1])<<4|hexDigit(text[i+2])))
			i += 2
			continue
		}
		bad = true
		out = append(out, '=')
	}
	return out, false, bad
}
