package http1

import (
	"bytes"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// bodyStep takes one step of reading a body.
func (p *Parser) bodyStep(s *side) bool {
	if len(s.in) == 0 {
		return false
	}
	switch s.state {
	case bodyLength, chunkData:
		n := int(min(int64(len(s.in)), s.left))
		s.tx.Of(s.dir).Body.Wire += uint64(n)
		s.body.write(p, s, s.in[:n])
		s.in = s.in[n:]
		if s.left -= int64(n); s.left == 0 && s.state == chunkData {
			s.state = chunkEnd
		} else if s.left == 0 {
			s.state = finish
		}
		return true
	case bodyToClose:
		s.tx.Of(s.dir).Body.Wire += uint64(len(s.in))
		s.body.write(p, s, s.in)
		s.in = nil
		return false
	case chunkLine:
		return p.chunkLine(s)
	case chunkEnd:
		return p.chunkEnd(s)
	}
	return p.header(s)
}

// chunkLine reads a chunk's size (RFC 9112 §7.1). Empty lines before it are skipped; a response whose size is no number
// is read as a body until the connection closes.
func (p *Parser) chunkLine(s *side) bool {
	if s.dir == app.ToClient && bytes.IndexByte(s.in, '\n') < 0 {
		if start := append(s.part, s.in...); !probeChunk(start) {
			s.part, s.in = nil, nil
			return p.badChunk(s, start)
		}
	}
	raw, ok := p.line(s, false)
	if !ok {
		return false
	}
	size, state := chunkSize(raw)
	switch state {
	case chunkEmpty:
		return true
	case chunkBad:
		return p.badChunk(s, clone(raw))
	}
	s.tx.Of(s.dir).Body.Wire += uint64(len(raw))
	if bytes.IndexByte(raw, ';') >= 0 {
		s.event("http.request_chunk_extension", "http.response_chunk_extension")
	}
	if s.left = size; size > 0 {
		s.state = chunkData
		return true
	}
	s.state = trailerLines
	s.tx.Advance(s.dir, Trailer)
	return true
}

func (p *Parser) badChunk(s *side, raw []byte) bool {
	s.event("http.invalid_request_chunk_len", "http.invalid_response_chunk_len")
	if s.dir == app.ToServer {
		s.err = ErrBadLength
		return false
	}
	s.tx.Of(s.dir).Body.Wire += uint64(len(raw))
	s.body.write(p, s, raw)
	s.state = bodyToClose
	return true
}

// probeChunk reports whether bytes can be the start of a chunk's size: what does not have its line end within eight
// bytes must start with a hexadecimal digit.
func probeChunk(in []byte) bool {
	if len(in) < 8 {
		return true
	}
	for _, c := range in[:8] {
		if hexDigit(c) >= 0 {
			return true
		}
		if !isSpace(c) {
			return false
		}
	}
	return true
}

// Outcomes of chunkSize.
const (
	chunkGood = iota
	chunkEmpty
	chunkBad
)

// maxChunk is the largest chunk that browsers take.
const maxChunk = 1<<31 - 1

// chunkSize reads a hexadecimal number after white space; junk and extensions behind it do not matter.
func chunkSize(line []byte) (int64, int) {
	line = trimLeft(line)
	if len(line) == 0 {
		return 0, chunkEmpty
	}
	n, i := int64(0), 0
	for ; i < len(line); i++ {
		d := hexDigit(line[i])
		if d < 0 {
			break
		}
		if n = n<<4 | int64(d); n > maxChunk {
			return 0, chunkBad
		}
	}
	if i == 0 {
		return 0, chunkBad
	}
	return n, chunkGood
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= lower(c) && lower(c) <= 'f':
		return int(lower(c)-'a') + 10
	}
	return -1
}

// chunkEnd skips what stands between a chunk's data and the next size: up to the line's end.
func (p *Parser) chunkEnd(s *side) bool {
	i := bytes.IndexByte(s.in, '\n')
	if i < 0 {
		s.tx.Of(s.dir).Body.Wire += uint64(len(s.in))
		s.in = nil
		return false
	}
	s.tx.Of(s.dir).Body.Wire += uint64(i + 1)
	s.in = s.in[i+1:]
	s.state = chunkLine
	return true
}

// endMessage completes one direction of the transaction. whole says that its body arrived as announced.
func (p *Parser) endMessage(s *side, whole bool) {
	s.body.end(p, s, whole)
	p.frames.SetLength(s.dir, s.frame, len(s.in))
	t := s.tx
	t.Of(s.dir).Body.Done = true
	t.Advance(s.dir, Complete)
	t.Complete[s.dir] = true
	s.part, s.held = s.part[:0], s.held[:0]
	if s.dir == app.ToServer {
		p.afterRequest(s)
		return
	}
	p.afterResponse(s)
}
