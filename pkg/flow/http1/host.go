package http1

import (
	"bytes"
)

// authority reads the host and port of an absolute or CONNECT target.
func (p *Parser) authority(t *Tx, b []byte) {
	if i := bytes.LastIndexByte(b, '@'); i >= 0 {
		b = b[i+1:]
	}
	r := &t.Request
	r.RawHost = clone(b)
	host, port, ok := splitHost(b)
	if !ok {
		t.Event("http.request_uri_host_invalid")
	}
	r.Authority, r.Port = host, port
	r.Host = host
}

// host reads the Host header; the target's authority has precedence.
func (p *Parser) host(t *Tx) {
	r := &t.Request
	v, present := r.Get("host")
	if !present {
		if r.Authority == nil && string(r.Protocol) == "HTTP/1.1" {
			t.Event("http.missing_host_header")
		}
		return
	}
	host, port, ok := splitHost(trim(v))
	if !ok {
		t.Event("http.request_header_host_invalid")
	}
	if r.Authority != nil {
		if !bytes.Equal(r.Authority, host) {
			t.Event("http.host_header_ambiguous")
		}
		return
	}
	r.Host, r.RawHost, r.Port = host, clone(v), port
}

// splitHost parts "host:port" and lowers the host; port is -1 when there is none or it is no number.
func splitHost(b []byte) (host []byte, port int, ok bool) {
	name, digits, port := b, []byte(nil), -1
	if len(b) > 0 && b[0] == '[' {
		if i := bytes.IndexByte(b, ']'); i >= 0 {
			name, digits = b[:i+1], b[i+1:]
		}
	} else if i := bytes.IndexByte(b, ':'); i >= 0 {
		name, digits = b[:i], b[i:]
	}
	ok = len(name) > 0 && validHost(name)
	if len(digits) > 0 {
		if port = number(trim(digits[1:])); port < 1 || port > 65535 || digits[0] != ':' {
			port, ok = -1, false
		}
	}
	host = make([]byte, len(trim(name)))
	for i, c := range trim(name) {
		host[i] = lower(c)
	}
	if n := len(host); n > 1 && host[n-1] == '.' {
		host = host[:n-1]
	}
	return host, port, ok
}

func validHost(b []byte) bool {
	if b[0] == '[' {
		return b[len(b)-1] == ']'
	}
	if len(b) > 255 {
		return false
	}
	for _, label := range bytes.Split(bytes.TrimSuffix(b, []byte(".")), []byte(".")) {
		if len(label) == 0 || len(label) > 63 || bytes.IndexFunc(label, func(r rune) bool { return r <= ' ' || r == 0x7f }) >= 0 {
			return false
		}
	}
	return true
}

// number reads a decimal number below 100,000, or returns -1.
func number(b []byte) int {
	if len(b) == 0 || len(b) > 5 {
		return -1
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// authorization tells an Authorization header of a scheme that is not known.
func (p *Parser) authorization(t *Tx) {
	v, ok := t.Request.Get("authorization")
	if !ok {
		return
	}
	scheme, _ := word(trimLeft(v))
	for _, known := range [...]string{"basic", "digest", "bearer"} {
		if equalFold(scheme, known) {
			return
		}
	}
	t.Event("http.request_auth_unrecognized")
}
