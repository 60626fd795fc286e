package http1

import (
	"bytes"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// maxFileName is the length above which a name is cut and an event raised.
const maxFileName = 1<<15 - 1

// openBody starts the file that the body is: every response, and what POST and PUT send. Its name is that of the
// Content-Disposition, else the path.
func (p *Parser) openBody(s *side) *app.File {
	t := s.tx
	if s.dir == app.ToServer && string(t.Request.Method) != "POST" && string(t.Request.Method) != "PUT" {
		return nil
	}
	m := t.Of(s.dir)
	name := t.Request.URI
	if i := bytes.IndexAny(name, "?#"); i >= 0 {
		name = name[:i]
	}
	if cd, ok := m.Get("content-disposition"); ok {
		if v := parameter(cd, "filename"); len(v) > 0 {
			name = v
		}
	}
	f := p.openFile(s, name)
	if f != nil && s.dir == app.ToClient && t.Response.StatusCode == 206 {
		p.fileRange(t, f)
	}
	return f
}

func (p *Parser) openFile(s *side, name []byte) *app.File {
	if len(name) > maxFileName {
		s.tx.Event("http.file_name_too_long")
		name = name[:maxFileName]
	}
	return s.tx.NewFile(&p.cfg.Files, name, s.dir)
}

// fileRange notes which part of a file a 206 response holds.
func (p *Parser) fileRange(t *Tx, f *app.File) {
	v, ok := t.Response.Get("content-range")
	if ok && !f.SetRange(v) {
		t.Event("http.range_invalid")
	}
}

// parameter returns the value of a field's parameter: `name=value`, `name="value"`; nil when there is none.
func parameter(field []byte, name string) []byte {
	for {
		i := bytes.IndexByte(field, ';')
		if i < 0 {
			return nil
		}
		field = trimLeft(field[i+1:])
		eq := bytes.IndexByte(field, '=')
		if eq < 0 {
			return nil
		}
		key, rest := trim(field[:eq]), trimLeft(field[eq+1:])
		if len(key) != len(name) || !equalFold(key, name) {
			field = skipValue(field, eq+1)
			continue
		}
		return unquote(rest)
	}
}

// skipValue returns field from the end of the value that starts at i: a quoted one may hold semicolons.
func skipValue(field []byte, i int) []byte {
	rest := trimLeft(field[i:])
	if len(rest) > 0 && rest[0] == '"' {
		if end := bytes.IndexByte(rest[1:], '"'); end >= 0 {
			return rest[end+2:]
		}
	}
	return rest
}

// unquote reads a token or quoted string (RFC 9110 §5.6.4). A back-slash quotes only a quote: browsers send Windows
// paths as they are.
func unquote(b []byte) []byte {
	if len(b) == 0 || b[0] != '"' {
		if i := bytes.IndexByte(b, ';'); i >= 0 {
			b = b[:i]
		}
		return trim(b)
	}
	out := []byte{}
	for i := 1; i < len(b) && b[i] != '"'; i++ {
		if b[i] == '\\' && i+1 < len(b) && b[i+1] == '"' {
			i++
		}
		out = append(out, b[i])
	}
	return out
}
