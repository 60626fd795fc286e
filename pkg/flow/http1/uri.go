package http1

import (
	"bytes"
	"unicode/utf8"
)

// target takes the request target apart (RFC 9112 §3.2) and normalises it.
func (p *Parser) target(t *Tx) {
	r := &t.Request
	rest := r.RawURI
	if string(r.Method) == "CONNECT" {
		p.authority(t, rest)
		r.URI = clone(rest)
		return
	}
	if i := bytes.Index(rest, []byte("://")); i > 0 && isScheme(rest[:i]) {
		rest = rest[i+3:]
		end := bytes.IndexAny(rest, "/?#\\")
		if end < 0 {
			end = len(rest)
		}
		p.authority(t, rest[:end])
		rest = rest[end:]
	}
	r.URI = p.normalise(t, rest)
}

func isScheme(b []byte) bool {
	for _, c := range b {
		if !('a' <= lower(c) && lower(c) <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}

// normalise decodes path and query as a tolerant server does: %xx and %uxxxx once, back-slashes as slashes, repeated
// slashes joined, dot segments removed. Letters keep their case, "+" stays, and what is no escape stays as it is.
func (p *Parser) normalise(t *Tx, target []byte) []byte {
	path, query, fragment := target, []byte(nil), []byte(nil)
	if i := bytes.IndexByte(path, '#'); i >= 0 {
		path, fragment = path[:i], path[i:]
	}
	if i := bytes.IndexByte(path, '?'); i >= 0 {
		path, query = path[:i], path[i:]
	}
	path, double := unescape(path, true)
	if p.cfg.DoubleDecodePath {
		path, _ = unescape(path, true)
	}
	path = removeDots(joinSlashes(bestFit(path)))
	query, double2 := unescape(query, false)
	if p.cfg.DoubleDecodeQuery {
		query, _ = unescape(query, false)
	}
	if double || double2 {
		t.Event("http.double_encoded_uri")
	}
	return append(append(path, query...), fragment...)
}

// unescape returns a decoded copy of b, and whether the result holds an escape again.
func unescape(b []byte, path bool) (out []byte, double bool) {
	out = make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == '%' {
			if v, n := escape(b[i:]); n > 0 {
				c = v
				i += n - 1
				double = double || c == '%' && i+2 < len(b) && hexDigit(b[i+1]) >= 0 && hexDigit(b[i+2]) >= 0
			}
		}
		if path && c == '\\' {
			c = '/'
		}
		out = append(out, c)
	}
	return out, double
}

// escape reads "%xx" or "%uxxxx" and returns its value and length, 0 when it is none.
func escape(b []byte) (byte, int) {
	if len(b) >= 3 {
		if h, l := hexDigit(b[1]), hexDigit(b[2]); h >= 0 && l >= 0 {
			return byte(h<<4 | l), 3
		}
	}
	if len(b) < 6 || lower(b[1]) != 'u' {
		return 0, 0
	}
	v := rune(0)
	for _, c := range b[2:6] {
		d := hexDigit(c)
		if d < 0 {
			return 0, 0
		}
		v = v<<4 | rune(d)
	}
	return fitRune(v), 6
}

// fitRune maps a code point to the byte that Windows' best fit gives: Latin-1 as it is, full-width forms to ASCII.
func fitRune(r rune) byte {
	switch {
	case r < 0x100:
		return byte(r)
	case 0xff01 <= r && r <= 0xff5e:
		return byte(r - 0xff01 + '!')
	case r == 0x2215 || r == 0x2044:
		return '/'
	case r == 0x2216:
		return '\\'
	}
	return '?'
}

// bestFit replaces well-formed UTF-8 sequences by one byte each.
func bestFit(b []byte) []byte {
	out := b[:0]
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if n > 1 {
			out = append(out, fitRune(r))
		} else {
			out = append(out, b[i])
		}
		i += n
	}
	return out
}

func joinSlashes(b []byte) []byte {
	out := b[:0]
	for i, c := range b {
		if c == '/' && i > 0 && len(out) > 0 && out[len(out)-1] == '/' {
			continue
		}
		out = append(out, c)
	}
	return out
}

// removeDots removes "." and ".." segments in place (RFC 3986 §5.2.4).
func removeDots(b []byte) []byte {
	out := b[:0]
	for len(b) > 0 {
		end := bytes.IndexByte(b[1:], '/') + 1
		if end == 0 {
			end = len(b)
		}
		segment := b[:end]
		b = b[end:]
		switch name := bytes.TrimPrefix(segment, []byte("/")); string(name) {
		case ".":
			if len(b) == 0 && len(segment) > 1 {
				out = append(out, '/')
			}
		case "..":
			out = out[:max(0, bytes.LastIndexByte(out, '/'))]
			if len(b) == 0 && len(segment) > 2 {
				out = append(out, '/')
			}
		default:
			out = append(out, segment...)
		}
	}
	return out
}
