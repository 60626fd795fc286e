package http1

import (
	"bytes"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// multipart reads an upload (RFC 7578): each part that has a file name becomes a file.
type multipart struct {
	delimiter []byte // "--" and the boundary
	buf       []byte // not consumed yet; bounded by maxPartHeader
	state     partState
	file      *app.File
	files     int
}

type partState uint8

const (
	partPreamble partState = iota
	partHeaders
	partData
	partOver
)

// maxPartHeader bounds the header block of a part, maxBoundary a boundary (RFC 2046 §5.1.1 says 70).
const (
	maxPartHeader = 16 << 10
	maxBoundary   = 1024
)

// multipartBoundary returns the boundary of a multipart/form-data message, or nil.
func multipartBoundary(m *Message) []byte {
	ct, ok := m.Get("content-type")
	if !ok || len(ct) < 10 || !equalFold(ct[:10], "multipart/") {
		return nil
	}
	b := parameter(ct, "boundary")
	if len(b) == 0 || len(b) > maxBoundary {
		return nil
	}
	return b
}

func newMultipart(boundary []byte) *multipart {
	return &multipart{delimiter: append([]byte("--"), boundary...)}
}

// write takes the next bytes of the body.
func (m *multipart) write(p *Parser, s *side, data []byte) {
	m.buf = append(m.buf, data...)
	for m.step(p, s) {
	}
}

// step consumes one unit of the buffer and reports whether there may be another.
func (m *multipart) step(p *Parser, s *side) bool {
	switch m.state {
	case partPreamble:
		i := bytes.Index(m.buf, m.delimiter)
		if i < 0 {
			m.drop(len(m.buf) - len(m.delimiter))
			return false
		}
		return m.afterDelimiter(i + len(m.delimiter))
	case partHeaders:
		return m.headers(p, s)
	case partData:
		return m.data(s)
	}
	m.buf = m.buf[:0]
	return false
}

func (m *multipart) drop(n int) {
	if n > 0 {
		m.buf = append(m.buf[:0], m.buf[n:]...)
	}
}

// afterDelimiter consumes a delimiter that ends at i with the rest of its line; "--" ends the upload.
func (m *multipart) afterDelimiter(i int) bool {
	rest := m.buf[i:]
	if bytes.HasPrefix(rest, []byte("--")) {
		m.drop(i + 2)
		m.state = partOver
		return true
	}
	nl := bytes.IndexByte(rest, '\n')
	if nl < 0 {
		if len(rest) > maxPartHeader {
			m.state = partOver
		}
		return false
	}
	m.drop(i + nl + 1)
	m.state = partHeaders
	return true
}

// headers reads a part's header block up to the empty line.
func (m *multipart) headers(p *Parser, s *side) bool {
	end, n := blockEnd(m.buf)
	if end < 0 {
		if len(m.buf) > maxPartHeader {
			s.tx.Event("http.multipart_generic_error")
			m.state = partOver
		}
		return false
	}
	name, isFile := m.fileName(s, m.buf[:end])
	m.drop(end + n)
	m.state = partData
	if isFile {
		m.file = p.openFile(s, name)
		m.files++
	}
	return true
}

// blockEnd finds the empty line that ends a header block: where the block ends, and how long the end is.
func blockEnd(b []byte) (int, int) {
	for i := 0; i < len(b); {
		nl := bytes.IndexByte(b[i:], '\n')
		if nl < 0 {
			return -1, 0
		}
		if len(chomp(b[i:i+nl+1])) == 0 {
			return i, nl + 1
		}
		i += nl + 1
	}
	return -1, 0
}

// fileName looks for a Content-Disposition with a file name.
func (m *multipart) fileName(s *side, block []byte) ([]byte, bool) {
	for len(block) > 0 {
		line, rest, _ := bytes.Cut(block, []byte("\n"))
		block = rest
		name, value, ok := bytes.Cut(chomp(line), []byte(":"))
		if !ok {
			s.tx.Event("http.multipart_invalid_header")
			continue
		}
		if !equalFold(trim(name), "content-disposition") {
			continue
		}
		if f := parameter(value, "filename"); len(f) > 0 {
			return clone(f), true
		}
	}
	return nil, false
}

// data passes a part's data on up to the next delimiter, which stands at the start of a line.
func (m *multipart) data(s *side) bool {
	i := bytes.Index(m.buf, m.delimiter)
	if i < 0 {
		m.emit(s, len(m.buf)-len(m.delimiter)-2)
		return false
	}
	if m.afterEnd(i) < 0 {
		return false
	}
	end := i
	if end > 0 && m.buf[end-1] == '\n' {
		end--
	}
	if end > 0 && end < i && m.buf[end-1] == '\r' {
		end--
	}
	m.file.Append(m.buf[:end], !s.tx.Touched[s.dir])
	m.file.Close()
	m.file = nil
	return m.afterDelimiter(i + len(m.delimiter))
}

// afterEnd returns 0 when what follows a delimiter at i is there, so that the part can be ended at once.
func (m *multipart) afterEnd(i int) int {
	rest := m.buf[i+len(m.delimiter):]
	if len(rest) >= 2 && rest[0] == '-' && rest[1] == '-' || bytes.IndexByte(rest, '\n') >= 0 || len(rest) > maxPartHeader {
		return 0
	}
	return -1
}

// emit passes n bytes on to the file.
func (m *multipart) emit(s *side, n int) {
	if n <= 0 {
		return
	}
	m.file.Append(m.buf[:n], !s.tx.Touched[s.dir])
	m.drop(n)
}

// end closes what is open when the body ends.
func (m *multipart) end(s *side) {
	if m.file != nil {
		m.emit(s, len(m.buf))
		m.file.Truncate()
		m.file = nil
	}
	m.buf = nil
}
