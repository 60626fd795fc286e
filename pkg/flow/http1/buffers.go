package http1

import (
	"bytes"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// Of returns the message of a direction.
func (t *Tx) Of(dir app.Direction) *Message {
	if dir == app.ToServer {
		return &t.Request.Message
	}
	return &t.Response.Message
}

// Get returns the value of the first field with this name (compared without case), and whether there is one.
func (m *Message) Get(name string) ([]byte, bool) {
	for i := range m.Headers {
		if equalFold(m.Headers[i].Name, name) {
			return m.Headers[i].Value, true
		}
	}
	return nil, false
}

// Joined returns the values of all fields with this name, joined by ", "; nil when there is none.
func (m *Message) Joined(name string) []byte {
	var out []byte
	n := 0
	for i := range m.Headers {
		if !equalFold(m.Headers[i].Name, name) {
			continue
		}
		switch n++; n {
		case 1:
			out = m.Headers[i].Value
		case 2:
			out = append(append(append([]byte{}, out...), ", "...), m.Headers[i].Value...)
		default:
			out = append(append(out, ", "...), m.Headers[i].Value...)
		}
	}
	if n > 0 && out == nil {
		out = []byte{}
	}
	return out
}

// AppendHeader appends the buffer http.header: "Name: value\r\n" for each name, repeated fields joined by ", " at the
// place of the first, cookies left out.
func (m *Message) AppendHeader(dst []byte) []byte {
	for i := range m.Headers {
		h := &m.Headers[i]
		if h.Repeated || isCookie(h.Name) {
			continue
		}
		dst = append(append(dst, h.Name...), ": "...)
		dst = append(append(dst, m.value(i)...), "\r\n"...)
	}
	return dst
}

func isCookie(name []byte) bool {
	return equalFold(name, "cookie") || equalFold(name, "set-cookie")
}

// value is the i-th field's value, with later fields of the same name joined.
func (m *Message) value(i int) []byte {
	for j := i + 1; j < len(m.Headers); j++ {
		if m.Headers[j].Repeated && bytes.EqualFold(m.Headers[j].Name, m.Headers[i].Name) {
			return m.Joined(string(m.Headers[i].Name))
		}
	}
	return m.Headers[i].Value
}

// AppendHeaderNames appends the buffer http.header_names: "\r\nHost\r\nAccept\r\n\r\n"; nothing without headers.
func (m *Message) AppendHeaderNames(dst []byte) []byte {
	if len(m.Headers) == 0 {
		return dst
	}
	dst = append(dst, "\r\n"...)
	for i := range m.Headers {
		if !m.Headers[i].Repeated {
			dst = append(append(dst, m.Headers[i].Name...), "\r\n"...)
		}
	}
	return append(dst, "\r\n"...)
}

// AppendStart appends the buffer http.start: the first line and the raw header block, with the final empty line.
func (m *Message) AppendStart(dst []byte) []byte {
	return append(append(append(dst, m.Line...), "\r\n"...), m.Raw...)
}

// AppendEach appends the i-th field as http.request_header and http.response_header see it: "name: value", and reports
// whether there is one; repeated fields are joined into the first and do not count.
func (m *Message) AppendEach(dst []byte, i int) ([]byte, bool) {
	for j := range m.Headers {
		if m.Headers[j].Repeated {
			continue
		}
		if i == 0 {
			dst = append(append(dst, m.Headers[j].Name...), ": "...)
			return append(dst, m.value(j)...), true
		}
		i--
	}
	return dst, false
}

// equalFold compares b with s without regard to ASCII case, and to zero bytes in b: browsers skip them.
func equalFold(b []byte, s string) bool {
	i := 0
	for _, c := range b {
		if c == 0 {
			continue
		}
		if i >= len(s) || lower(c) != lower(s[i]) {
			return false
		}
		i++
	}
	return i == len(s)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
