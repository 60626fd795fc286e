package http1

import (
	"bytes"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// unseenURI stands for the request target of a response whose request was not seen, as in Suricata's records.
const unseenURI = "/libhtp::request_uri_not_seen"

// responseStep takes one step of reading responses and reports whether another may follow.
func (p *Parser) responseStep(s *side) bool {
	switch s.state {
	case idle:
		return p.responseBegin(s)
	case firstLine:
		line, ok := p.line(s, true)
		return ok && p.responseLine(s, line)
	case headerLines:
		return p.header(s)
	case finish:
		return p.responseFinish(s)
	}
	return p.bodyStep(s)
}

// responseBegin takes up the oldest request that is not answered, or makes up one that was not seen.
func (p *Parser) responseBegin(s *side) bool {
	if allSpace(s.in) {
		s.in = nil
		return false
	}
	if p.answer < p.txs.Len() {
		s.tx = p.txs.All()[p.answer].(*Tx)
	} else if s.tx = p.unseen(s); s.tx == nil {
		return false
	}
	s.body = bodyReader{}
	s.fields = 0
	s.frame = p.frames.AddTx(s.dir, app.HTTP1Response, len(s.in), -1, &s.tx.TxBase)
	s.tx.Advance(app.ToClient, Started)
	s.state = firstLine
	if s.tx.Request.Version09 {
		s.body.start(p, s)
		s.tx.Advance(app.ToClient, Body)
		s.state = bodyToClose
	}
	return true
}

// unseen makes the transaction of a response without request.
func (p *Parser) unseen(s *side) *Tx {
	t := p.begin(s)
	if t == nil {
		return nil
	}
	t.Event("http.unable_to_match_response_to_request")
	t.Request.RawURI, t.Request.URI = []byte(unseenURI), []byte(unseenURI)
	t.Request.Unseen = true
	t.Progress[app.ToServer] = Complete
	t.Complete[app.ToServer] = true
	t.OneWay, t.Dir = true, app.ToClient
	return t
}

// responseLine reads protocol, status and reason (RFC 9112 §4). What does not look like a status line is body, as it is
// for browsers.
func (p *Parser) responseLine(s *side, raw []byte) bool {
	if allSpace(raw) {
		return true
	}
	if !looksLikeStatus(raw) {
		return p.headless(s, raw)
	}
	r := &s.tx.Response
	line := clone(chomp(raw))
	r.Line = line
	var rest []byte
	r.Protocol, rest = word(trimNul(line))
	r.Status, rest = word(trimLeft(rest))
	r.Reason = trim(rest)
	if !knownProtocol(r.Protocol) {
		s.tx.Event("http.response_invalid_protocol")
	}
	if r.StatusCode = statusCode(r.Status); r.StatusCode < 0 {
		s.tx.Event("http.response_invalid_status")
	}
	s.tx.Advance(app.ToClient, Line)
	s.state = headerLines
	return true
}

// headless treats a first line that is none as body until the connection closes, unless a status line follows at once.
func (p *Parser) headless(s *side, raw []byte) bool {
	if len(s.in) > 1 && looksLikeStatus(s.in) {
		return true
	}
	s.tx.Event("http.response_body_unexpected")
	s.body.plain = true
	s.body.start(p, s)
	s.tx.Advance(app.ToClient, Body)
	s.tx.Response.Body.Wire += uint64(len(raw))
	s.body.write(p, s, raw)
	s.state = bodyToClose
	return true
}

func trimNul(b []byte) []byte {
	for len(b) > 0 && (isSpace(b[0]) || b[0] == 0) {
		b = b[1:]
	}
	return b
}

// looksLikeStatus is how browsers tell a status line: "http" after white space, in any case.
func looksLikeStatus(b []byte) bool {
	b = trimNul(b)
	return len(b) >= 4 && equalFold(b[:4], "http")
}

func statusCode(b []byte) int {
	if len(b) != 3 {
		return -1
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	if n < 100 {
		return -1
	}
	return n
}

// responseHeaders decides, once all fields are there, what follows them (RFC 9112 §6.3).
func (p *Parser) responseHeaders(s *side) {
	r := &s.tx.Response
	s.tx.Advance(app.ToClient, Headers)
	code, method, tx := r.StatusCode, string(s.tx.Request.Method), s.tx
	switch {
	case code == 100 && !hasBody(&r.Message):
		p.interim(s)
		return
	case code == 101 && p.switching(s.tx):
		p.endMessage(s, true)
		p.tunnel(tx, upgradeProto(&r.Message))
		return
	case method == "CONNECT" && code >= 200 && code < 300:
		s.tx.Tunnel = true
		p.endMessage(s, true)
		p.tunnel(tx, app.Unknown)
		return
	case method == "HEAD":
		s.state = finish
	case (code < 200 && code >= 100 || code == 204 || code == 304) && !hasBody(&r.Message):
		s.state = finish
	default:
		if code < 200 && code >= 100 || code == 204 || code == 304 {
			s.tx.Event("http.response_body_unexpected")
		}
		p.responseFraming(s)
	}
	s.body.start(p, s)
	if s.state != finish {
		s.tx.Advance(app.ToClient, Body)
	}
}

func hasBody(m *Message) bool {
	_, te := m.Get("transfer-encoding")
	_, cl := m.Get("content-length")
	return te || cl
}

// interim drops a 100 Continue and waits for the final response.
func (p *Parser) interim(s *side) {
	if s.tx.continued {
		s.tx.Event("http.100_continue_already_seen")
	}
	s.tx.continued = true
	s.tx.Response = Response{StatusCode: -1}
	s.tx.Response.ContentLength = -1
	s.tx.Progress[app.ToClient] = Started
	s.fields = 0
	s.state = firstLine
}

// responseFraming finds how long the body is.
func (p *Parser) responseFraming(s *side) {
	r := &s.tx.Response
	te := r.Joined("transfer-encoding")
	hasTE := te != nil
	n, hasCL, okCL := contentLength(&r.Message)
	if hasCL && okCL {
		r.ContentLength = n
	}
	if hasTE && containsFold(te, "chunked") {
		if !equalFold(trim(te), "chunked") {
			s.tx.Event("http.response_abnormal_transfer_encoding")
		}
		if string(r.Protocol) != "HTTP/1.1" {
			s.tx.Event("http.response_chunked_old_proto")
		}
		r.Chunked = true
		s.state = chunkLine
		return
	}
	if hasTE {
		s.tx.Event("http.invalid_transfer_encoding_value_in_response")
	}
	switch {
	case hasCL && !okCL:
		s.tx.Event("http.invalid_content_length_field_in_response")
		s.state = bodyToClose
	case hasCL && n == 0:
		s.state = finish
	case hasCL:
		s.state, s.left = bodyLength, n
	default:
		if ct, ok := r.Get("content-type"); ok && containsFold(ct, "multipart/byteranges") {
			s.tx.Event("http.response_multipart_byteranges")
		}
		s.state = bodyToClose
	}
}

// responseFinish ends a response. What follows in the same piece and is no status line belongs to its body.
func (p *Parser) responseFinish(s *side) bool {
	if len(s.in) > 0 {
		end := bytes.IndexByte(s.in, '\n') + 1
		if end == 0 {
			end = len(s.in)
		}
		if !looksLikeStatus(s.in[:end]) && !isStatusStart(s.in) {
			s.tx.Event("http.response_body_unexpected")
			s.body.write(p, s, s.in[:end])
			s.in = s.in[end:]
			return true
		}
	}
	p.endMessage(s, true)
	return true
}

func isStatusStart(in []byte) bool {
	b := trimNul(in)
	return len(b) > 0 && len(b) < 4 && equalFold(b, "http"[:len(b)])
}

// afterResponse moves on to the next request's answer.
func (p *Parser) afterResponse(s *side) {
	if p.answer < p.txs.Len() && p.txs.All()[p.answer] == app.Tx(s.tx) {
		p.answer++
	}
	req := &p.sides[app.ToServer]
	if req.state == waitConnect && req.tx == s.tx && !p.upgraded && !s.tx.Tunnel {
		req.state, req.tx = idle, nil
		req.in, req.part = req.part, nil
		p.run(req)
	}
	s.state, s.tx = idle, nil
}

// switching reports whether the client had asked for what 101 grants.
func (p *Parser) switching(t *Tx) bool {
	_, ok := t.Response.Get("upgrade")
	t.Tunnel = t.Tunnel || ok
	return ok
}

func upgradeProto(m *Message) app.Proto {
	if v, _ := m.Get("upgrade"); equalFold(v, "h2c") {
		return app.HTTP2
	}
	return app.Unknown
}

// tunnel ends HTTP/1 on this connection.
func (p *Parser) tunnel(last *Tx, next app.Proto) {
	p.upgraded, p.next, p.last = true, next, last
}
