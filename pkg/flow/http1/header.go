package http1

import (
	"bytes"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// maxFolded bounds a field that is spread over lines.
const maxFolded = 100 << 10

// header takes one line of a header block and reports whether reading can go on.
func (p *Parser) header(s *side) bool {
	raw, ok := p.line(s, s.dir == app.ToClient)
	if !ok {
		return false
	}
	m := s.tx.Of(s.dir)
	if len(m.Raw)+len(raw) > maxHeaderBlock {
		s.event("http.request_too_many_headers", "http.response_too_many_headers")
		s.err = ErrTooManyHeaders
		return false
	}
	m.Raw = append(m.Raw, raw...)
	line := chomp(raw)
	if s.dir == app.ToClient {
		p.oddEnd(s, raw)
	}
	if endsBlock(raw) || s.dir == app.ToClient && blankLine(raw) && !bytes.HasPrefix(s.in, []byte("\n")) {
		return p.endHeaders(s, m)
	}
	if len(line) == 0 {
		return true
	}
	if !isBlank(line[0]) && line[0] != 0 {
		ok = p.flushField(s, m)
		s.held = append(s.held[:0], line...)
		return ok
	}
	return p.fold(s, m, line)
}

// oddEnd takes "\n\r\r\n\r\n" for one end of the block, as browsers do.
func (p *Parser) oddEnd(s *side, raw []byte) {
	if s.lfcr && string(raw) == "\r\n" && bytes.HasPrefix(s.in, raw) {
		s.in = s.in[2:]
	}
	s.lfcr = bytes.HasSuffix(raw, []byte("\n\r"))
}

// endsBlock is the empty line; a bare CR is none.
func endsBlock(raw []byte) bool {
	return string(raw) == "\r\n" || string(raw) == "\n" || string(raw) == "\n\r"
}

// blankLine is a line of one blank: it ends the block for browsers.
func blankLine(raw []byte) bool { return len(raw) == 2 && isBlank(raw[0]) && raw[1] == '\n' }

// fold joins a line that starts with white space to the field before it (RFC 9112 §5.2). Servers that write HTTP/1.1
// and start a field with a space are read as browsers read them: a new field.
func (p *Parser) fold(s *side, m *Message, line []byte) bool {
	s.event("http.invalid_request_field_folding", "http.invalid_response_field_folding")
	apart := s.dir == app.ToClient && string(m.Protocol) == "HTTP/1.1" &&
		bytes.IndexByte(line, ':') >= 0 && bytes.IndexByte(s.held, ':') >= 0
	if len(s.held) == 0 || apart {
		ok := p.flushField(s, m)
		s.held = append(s.held[:0], trimLeft(line)...)
		return ok
	}
	if len(s.held)+len(line) <= maxFolded {
		s.held = append(append(trimRight(s.held), ' '), trimLeft(line)...)
	}
	return true
}

func trimRight(b []byte) []byte {
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// endHeaders ends a header block or the trailers of a chunked body.
func (p *Parser) endHeaders(s *side, m *Message) bool {
	if !p.flushField(s, m) {
		return false
	}
	switch {
	case s.state == trailerLines:
		s.state = finish
	case s.dir == app.ToServer:
		p.requestHeaders(s)
	default:
		p.responseHeaders(s)
	}
	return s.err == nil
}

// flushField parses the held line into a field.
func (p *Parser) flushField(s *side, m *Message) bool {
	if len(s.held) == 0 {
		return true
	}
	if p.cfg.MaxHeaders > 0 && s.fields >= p.cfg.MaxHeaders {
		s.event("http.request_too_many_headers", "http.response_too_many_headers")
		s.err = ErrTooManyHeaders
		return false
	}
	s.fields++
	h := p.splitField(s, clone(s.held))
	s.held = s.held[:0]
	list := &m.Headers
	if s.state == trailerLines {
		list = &m.Trailers
	}
	for i := range *list {
		if len(h.Name) > 0 && bytes.EqualFold((*list)[i].Name, h.Name) {
			h.Repeated = true
			p.repeated(s, h.Name)
			break
		}
	}
	*list = append(*list, h)
	return true
}

func (p *Parser) repeated(s *side, name []byte) {
	s.event("http.request_header_repetition", "http.response_header_repetition")
	if equalFold(name, "content-length") {
		s.event("http.duplicate_content_length_field_in_request", "http.duplicate_content_length_field_in_response")
	}
}

// splitField parts a line at its colon.
func (p *Parser) splitField(s *side, line []byte) Header {
	i := bytes.IndexByte(line, ':')
	if i < 0 {
		s.event("http.request_field_missing_colon", "http.response_field_missing_colon")
		return Header{Name: []byte{}, Value: trim(line)}
	}
	name := trimRight(line[:i])
	if len(name) == 0 || len(name) < i || !isToken(name) {
		s.event("http.request_header_invalid", "http.response_header_invalid")
	}
	return Header{Name: name, Value: trim(line[i+1:])}
}

// isToken reports whether b is a token (RFC 9110 §5.6.2).
func isToken(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || bytes.IndexByte([]byte(`()<>@,;:\"/[]?={}`), c) >= 0 {
			return false
		}
	}
	return len(b) > 0
}

// contentLength reads the first number in the first Content-Length field, whatever stands around it.
func contentLength(m *Message) (n int64, present, ok bool) {
	v, present := m.Get("content-length")
	if !present {
		return -1, false, false
	}
	i := 0
	for i < len(v) && (v[i] < '0' || v[i] > '9') {
		i++
	}
	if i == len(v) {
		return -1, true, false
	}
	for ; i < len(v) && '0' <= v[i] && v[i] <= '9'; i++ {
		if n > 1<<58 {
			return -1, true, false
		}
		n = n*10 + int64(v[i]-'0')
	}
	return n, true, true
}

// containsFold reports whether b holds s, which is lower case, without regard to case and zero bytes.
func containsFold(b []byte, s string) bool {
	return bytes.Contains(lowerNoNul(b), []byte(s))
}

func lowerNoNul(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for _, c := range b {
		if c != 0 {
			out = append(out, lower(c))
		}
	}
	return out
}
