package http2

import "bytes"

// Get returns the value of the first field with this name (compared without case), and whether there is one.
func (m *Message) Get(name string) ([]byte, bool) {
	for i := range m.Headers {
		if bytes.EqualFold(m.Headers[i].Name, []byte(name)) {
			return m.Headers[i].Value, true
		}
	}
	return nil, false
}

// Joined returns the values of all fields with this name, joined by ", "; nil when there is none.
func (m *Message) Joined(name string) []byte {
	var out []byte
	for i := range m.Headers {
		if !bytes.EqualFold(m.Headers[i].Name, []byte(name)) {
			continue
		}
		if out == nil {
			out = append([]byte{}, m.Headers[i].Value...)
		} else {
			out = append(append(out, ", "...), m.Headers[i].Value...)
		}
	}
	return out
}

// AppendHeader appends the buffer http.header: "name: value\r\n" for each field, pseudo-fields included.
func (m *Message) AppendHeader(dst []byte) []byte {
	for i := range m.Headers {
		dst = append(append(dst, m.Headers[i].Name...), ": "...)
		dst = append(append(dst, m.Headers[i].Value...), "\r\n"...)
	}
	return dst
}

// AppendHeaderNames appends the buffer http.header_names: "\r\n:method\r\naccept\r\n\r\n"; nothing without fields.
func (m *Message) AppendHeaderNames(dst []byte) []byte {
	if len(m.Headers) == 0 {
		return dst
	}
	dst = append(dst, "\r\n"...)
	for i := range m.Headers {
		dst = append(append(dst, m.Headers[i].Name...), "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// AppendEach appends the i-th field as http.request_header and http.response_header see it, "name: value", and reports
// whether there is one.
func (m *Message) AppendEach(dst []byte, i int) ([]byte, bool) {
	if i >= len(m.Headers) {
		return dst, false
	}
	dst = append(append(dst, m.Headers[i].Name...), ": "...)
	return append(dst, m.Headers[i].Value...), true
}
