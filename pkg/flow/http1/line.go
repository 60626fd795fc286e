package http1

import "bytes"

// line takes the next line with its end from the input. Lines may arrive in pieces; the result is lent until the next
// call. crEnds makes a bare CR end a line too, and LF CR, as clients that read responses do.
func (p *Parser) line(s *side, crEnds bool) ([]byte, bool) {
	n := lineEnd(s.in, crEnds, len(s.part) > 0 && s.part[len(s.part)-1] == '\r')
	if n < 0 {
		if len(s.part)+len(s.in) > p.cfg.HardFieldLimit {
			p.fieldTooLong(s)
			s.err = ErrFieldTooLong
			return nil, false
		}
		s.part = append(s.part, s.in...)
		s.in = nil
		return nil, false
	}
	line := s.in[:n]
	if len(s.part) > 0 {
		s.part = append(s.part, line...)
		line, s.part = s.part, s.part[:0]
	}
	s.in = s.in[n:]
	if len(line) > p.cfg.SoftFieldLimit {
		p.fieldTooLong(s)
	}
	if len(line) > p.cfg.HardFieldLimit {
		s.err = ErrFieldTooLong
		return nil, false
	}
	return line, true
}

func (p *Parser) fieldTooLong(s *side) {
	if s.tx != nil {
		s.event("http.request_field_too_long", "http.response_field_too_long")
	}
}

// event records an event whose name depends on the direction; an empty name means there is none.
func (s *side) event(request, response string) {
	name := request
	if s.dir == 1 {
		name = response
	}
	if name != "" && s.tx != nil {
		s.tx.Event(name)
	}
}

// lineEnd returns the length of the first line with its end, or -1 when it is not complete. afterCR says that the byte
// before in was a CR.
func lineEnd(in []byte, crEnds, afterCR bool) int {
	if !crEnds {
		return bytes.IndexByte(in, '\n') + 1 - b2i(bytes.IndexByte(in, '\n') < 0)
	}
	for i, c := range in {
		switch {
		case c == '\n':
			if i > 0 && in[i-1] == '\r' || i == 0 && afterCR {
				return i + 1
			}
			if i+1 < len(in) && in[i+1] == '\r' && !bytes.HasPrefix(in[i+2:], []byte("\n")) {
				return i + 2
			}
			return i + 1
		case i == 0 && afterCR && c != '\r':
			return 0
		case i > 0 && in[i-1] == '\r' && c != '\r':
			return i
		}
	}
	return -1
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// chomp cuts line ends and nothing else.
func chomp(line []byte) []byte {
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	return line
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func trimLeft(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	return b
}

func trim(b []byte) []byte {
	b = trimLeft(b)
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func allSpace(b []byte) bool { return len(trimLeft(b)) == 0 }

// word splits off what stands before the first white space.
func word(b []byte) (first, rest []byte) {
	for i, c := range b {
		if isSpace(c) {
			return b[:i], b[i:]
		}
	}
	return b, nil
}

func clone(b []byte) []byte { return append([]byte{}, b...) }

// findStart skips lines until one starts like a message, after a gap.
func (s *side) findStart() bool {
	for len(s.in) > 0 {
		if s.dir == 0 && startsLikeRequest(s.in) || s.dir == 1 && startsLikeResponse(s.in) {
			s.resync = false
			return true
		}
		i := bytes.IndexByte(s.in, '\n')
		if i < 0 {
			s.in = nil
			return false
		}
		s.in = s.in[i+1:]
	}
	return false
}
