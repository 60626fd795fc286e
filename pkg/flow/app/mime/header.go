package mime

import (
	"bytes"
	"fmt"
	"strings"
)

// headerLine takes one line of a header block, of the mail or of a part.
func (p *Parser) headerLine(line []byte) {
	if len(line) == 0 && !p.cont {
		p.endHeader()
		return
	}
	if p.cont || isSpace(line[0]) && len(p.field) > 0 {
		if len(p.field) < p.cfg.HeaderDepth+maxName {
			p.field = append(p.field, unfolded(line, p.cont)...)
		} else {
			p.event("long_header_value")
		}
		return
	}
	if len(p.boundaries) > 0 && p.boundary(line) {
		return
	}
	p.endField()
	p.field = append(p.field, line...)
}

// unfolded drops a continuation's leading white space, as Suricata does; a piece of a long line is taken as it is.
func unfolded(line []byte, piece bool) []byte {
	for !piece && len(line) > 0 && isSpace(line[0]) {
		line = line[1:]
	}
	return line
}

// endField keeps the field that has been collected.
func (p *Parser) endField() {
	if len(p.field) == 0 {
		return
	}
	name, value, ok := bytes.Cut(p.field, []byte(":"))
	if !ok {
		p.event("malformed_msg")
		p.field = p.field[:0]
		return
	}
	if len(name) > maxName {
		p.event("long_header_name")
		name = name[:maxName]
	}
	value = trim(value)
	if depth := p.cfg.HeaderDepth; depth > 0 && len(value) > depth {
		p.event("long_header_value")
		value = value[:depth]
	}
	f := Field{Name: bytes.Clone(trim(name)), Value: append([]byte{}, value...)}
	if p.msg.Status == Header && len(p.msg.Fields) < maxFields {
		p.msg.Fields = append(p.msg.Fields, f)
	}
	if len(p.fields) < maxFields {
		p.fields = append(p.fields, f)
	}
	p.field = p.field[:0]
}

// endHeader decides what follows a header block.
func (p *Parser) endHeader() {
	p.endField()
	if p.msg.Status == Header {
		p.msg.Status = Body
	}
	m := Message{Fields: p.fields}
	ctype := m.Get("content-type")
	kind := lowerString(firstToken(ctype))
	p.part = partOf(&m)
	name := p.fileName(&m)
	switch {
	case strings.HasPrefix(kind, "multipart/"):
		p.multipart(ctype)
	case strings.HasPrefix(kind, "message/rfc822") && p.nested < maxNesting: // whatever else its header says
		p.nested++
		p.part = part{}
		p.state = inHeader
	case len(name) > 0 || bytes.HasPrefix(m.Get("content-disposition"), []byte("attachment")):
		p.openFile(name)
	default:
		p.state = inBody
		p.part.text = kind == "" || strings.HasPrefix(kind, "text/")
	}
	p.fields = nil
}

func partOf(m *Message) part {
	switch lowerString(trim(m.Get("content-transfer-encoding"))) {
	case "base64":
		return part{encoding: base64Encoding}
	case "quoted-printable":
		return part{encoding: quotedPrintable}
	}
	return part{}
}

// multipart starts looking for a boundary.
func (p *Parser) multipart(ctype []byte) {
	p.state = between
	b := parameter(ctype, "boundary")
	if len(b) > maxBoundary {
		p.event("long_boundary")
		b = b[:maxBoundary]
	}
	if len(b) > 0 && len(p.boundaries) < maxNesting {
		p.boundaries = append(p.boundaries, bytes.Clone(b))
	}
}

func (p *Parser) openFile(name []byte) {
	p.state = inBody
	if len(p.msg.Attachments) < maxAttachment {
		p.msg.Attachments = append(p.msg.Attachments, bytes.Clone(name))
	}
	p.part.file = p.tx.NewFile(&p.cfg.Files, name, p.dir)
}

// fileName is the name of the part as a file, from Content-Disposition or else from Content-Type.
func (p *Parser) fileName(m *Message) []byte {
	name := parameter(m.Get("content-disposition"), "filename")
	if len(name) == 0 {
		name = parameter(m.Get("content-type"), "name")
	}
	if len(name) > maxFileName {
		p.event("long_filename")
		name = name[:maxFileName]
	}
	return name
}

func firstToken(v []byte) []byte {
	if i := bytes.IndexByte(v, ';'); i >= 0 {
		v = v[:i]
	}
	return trim(v)
}

func lowerString(b []byte) string { return strings.ToLower(string(b)) }

// parameter returns a parameter of a structured field: name="value", name=value, or in the pieces and encoding of
// RFC 2231: name*0="va"; name*1="lue", name*=utf-8”value.
func parameter(field []byte, name string) []byte {
	pieces := map[string][]byte{}
	for rest := field; ; {
		i := bytes.IndexByte(rest, ';')
		if i < 0 {
			break
		}
		rest = rest[i+1:]
		key, value, after, ok := attribute(rest)
		if !ok {
			continue
		}
		rest = after
		key = strings.ToLower(key)
		if key == name {
			return value
		}
		if strings.HasPrefix(key, name+"*") && len(pieces) < 64 {
			pieces[key] = value
		}
	}
	return joinPieces(pieces, name)
}

// attribute reads one "key=value" and returns what follows it.
func attribute(b []byte) (key string, value, rest []byte, ok bool) {
	eq := bytes.IndexByte(b, '=')
	if semi := bytes.IndexByte(b, ';'); eq < 0 || semi >= 0 && semi < eq {
		return "", nil, nil, false
	}
	key = string(trim(b[:eq]))
	b = trim(b[eq+1:])
	if len(b) == 0 || b[0] != '"' {
		end := bytes.IndexByte(b, ';')
		if end < 0 {
			end = len(b)
		}
		return key, trim(b[:end]), b[end:], true
	}
	i := 1
	for ; i < len(b) && b[i] != '"'; i++ {
		if b[i] == '\\' && i+1 < len(b) {
			i++
		}
		value = append(value, b[i])
	}
	return key, value, b[min(i+1, len(b)):], true
}

// joinPieces puts a value of RFC 2231 together.
func joinPieces(pieces map[string][]byte, name string) []byte {
	if v, ok := pieces[name+"*"]; ok {
		return decodeExtended(v, true)
	}
	var out []byte
	for i := range len(pieces) {
		key := fmt.Sprintf("%s*%d", name, i)
		if v, ok := pieces[key]; ok {
			out = append(out, v...)
		} else if v, ok := pieces[key+"*"]; ok {
			out = append(out, decodeExtended(v, i == 0)...)
		} else {
			break
		}
	}
	return out
}

// decodeExtended undoes percent-encoding after the charset and language.
func decodeExtended(v []byte, charset bool) []byte {
	if parts := bytes.SplitN(v, []byte("'"), 3); charset && len(parts) == 3 {
		v = parts[2]
	}
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		if v[i] == '%' && i+2 < len(v) && hexDigit(v[i+1]) >= 0 && hexDigit(v[i+2]) >= 0 {
			out = append(out, byte(hexDigit(v[i+1])<<4|hexDigit(v[i+2])))
			i += 2
			continue
		}
		out = append(out, v[i])
	}
	return out
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
