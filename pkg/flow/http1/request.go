package http1

import (
	"bytes"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// requestStep takes one step of reading requests and reports whether another may follow.
func (p *Parser) requestStep(s *side) bool {
	switch s.state {
	case idle:
		return p.requestBegin(s)
	case firstLine:
		line, ok := p.line(s, false)
		return ok && p.requestLine(s, line)
	case headerLines:
		return p.header(s)
	case bodyLength, bodyToClose, chunkLine, chunkData, chunkEnd, trailerLines:
		return p.bodyStep(s)
	case finish:
		return p.requestFinish(s)
	case waitConnect:
		if len(s.part)+len(s.in) <= maxPending {
			s.part = append(s.part, s.in...)
		}
		s.in = nil
		return false
	}
	if !allSpace(s.in) {
		s.event("http.request_body_unexpected", "")
	}
	s.in = nil
	return false
}

// requestBegin starts a transaction at the first byte that is not an empty line.
func (p *Parser) requestBegin(s *side) bool {
	s.in = bytes.TrimLeft(s.in, "\r\n")
	if len(s.in) == 0 {
		return false
	}
	if s.tx = p.begin(s); s.tx == nil {
		return false
	}
	s.body = bodyReader{}
	s.fields = 0
	s.frame = p.frames.AddTx(s.dir, app.HTTP1Request, len(s.in), -1, &s.tx.TxBase)
	s.tx.Advance(app.ToServer, Started)
	s.state = firstLine
	return true
}

// requestLine reads method, target and protocol (RFC 9112 §3), with any white space between them.
func (p *Parser) requestLine(s *side, raw []byte) bool {
	r := &s.tx.Request
	line := clone(chomp(raw))
	r.Line = line
	if isSpace(line0(line)) {
		s.tx.Event("http.request_line_leading_whitespace")
		line = trimLeft(line)
	}
	var rest []byte
	r.Method, rest = word(line)
	if len(rest) > 0 && rest[0] != ' ' {
		s.tx.Event("http.method_delim_non_compliant")
	}
	r.RawURI, r.Protocol = splitTarget(trim(rest))
	r.Version09 = len(r.Protocol) == 0
	if len(r.RawURI) == 0 {
		s.tx.Event("http.request_line_incomplete")
	} else if bytes.ContainsAny(r.RawURI, "\t\v\f") {
		s.tx.Event("http.uri_delim_non_compliant")
	}
	if !r.Version09 && !knownProtocol(r.Protocol) {
		s.tx.Event("http.request_line_invalid")
	}
	p.target(s.tx)
	s.tx.Advance(app.ToServer, Line)
	if r.Version09 && len(chomp(s.in)) == 0 {
		s.state = finish
		return true
	}
	if r.Version09 {
		s.tx.Event("http.request_line_missing_protocol")
		r.Version09 = false
	}
	s.state = headerLines
	return true
}

func line0(line []byte) byte {
	if len(line) == 0 {
		return 'x'
	}
	return line[0]
}

// splitTarget parts request target and protocol: the protocol is the last word if it looks like one, for a target may
// hold spaces.
func splitTarget(rest []byte) (uri, protocol []byte) {
	i := bytes.LastIndexAny(rest, " \t\v\f")
	if i < 0 {
		if looksLikeProtocol(rest) {
			return nil, rest
		}
		return rest, nil
	}
	if last := rest[i+1:]; looksLikeProtocol(last) {
		return trim(rest[:i]), last
	}
	return rest, nil
}

func looksLikeProtocol(b []byte) bool {
	return len(b) >= 5 && equalFold(b[:5], "http/")
}

func knownProtocol(b []byte) bool {
	return string(b) == "HTTP/1.1" || string(b) == "HTTP/1.0" || string(b) == "HTTP/0.9"
}

// requestHeaders decides, once all fields are there, what follows them.
func (p *Parser) requestHeaders(s *side) {
	p.host(s.tx)
	p.authorization(s.tx)
	s.tx.Advance(app.ToServer, Headers)
	p.requestFraming(s)
	s.body.start(p, s)
	if s.state != finish {
		s.tx.Advance(app.ToServer, Body)
	}
}

// requestFraming finds how long the body is (RFC 9112 §6): chunked wins over a length.
func (p *Parser) requestFraming(s *side) {
	r := &s.tx.Request
	te := r.Joined("transfer-encoding")
	hasTE := te != nil
	n, hasCL, okCL := contentLength(&r.Message)
	if hasCL && okCL {
		r.ContentLength = n
	}
	switch {
	case hasTE && containsFold(te, "chunked"):
		r.Chunked = true
		s.state = chunkLine
	case hasTE:
		s.tx.Event("http.invalid_transfer_encoding_value_in_request")
		s.state = finish
		if hasCL && okCL {
			s.state, s.left = bodyLength, n
		}
	case hasCL && !okCL:
		s.tx.Event("http.invalid_content_length_field_in_request")
		s.err = ErrBadLength
	case hasCL:
		s.state, s.left = bodyLength, n
	default:
		s.state = finish
	}
}

// requestFinish ends a request. What follows in the same piece and is no request belongs to its body: clients send it
// and servers take it.
func (p *Parser) requestFinish(s *side) bool {
	if len(s.in) > 0 && !allSpace(s.in) && !s.tx.Request.Version09 {
		end := bytes.IndexByte(s.in, '\n') + 1
		if end == 0 {
			end = len(s.in)
		}
		if m, _ := word(trimLeft(s.in[:end])); len(m) > 0 && !isMethod(m) && !isMethodStart(m, s.in) {
			s.tx.Event("http.request_body_unexpected")
			s.body.write(p, s, s.in[:end])
			s.in = s.in[end:]
			return true
		}
	}
	p.endMessage(s, true)
	return true
}

// isMethodStart reports whether m is all that the piece holds and could still become a method.
func isMethodStart(m, in []byte) bool {
	if len(m) != len(in) {
		return false
	}
	for _, name := range methods {
		if len(m) < len(name) && name[:len(m)] == string(m) {
			return true
		}
	}
	return false
}

// afterRequest says how to go on after a complete request.
func (p *Parser) afterRequest(s *side) {
	switch r := &s.tx.Request; {
	case r.Version09:
		s.state = ignoring
	case string(r.Method) == "CONNECT" && !s.tx.Complete[app.ToClient]:
		s.state = waitConnect
	default:
		s.state = idle
		s.tx = nil
	}
}
