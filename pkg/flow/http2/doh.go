package http2

import (
	"bytes"
	"encoding/base64"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/dns"
)

// dnsType is the media type of a DNS message (RFC 8484 §6).
const dnsType = "application/dns-message"

// dnsFields recognises DNS by the media type that a request offers or asks for, or that a response has. The question of a GET is
// in the path.
func (p *Parser) dnsFields(st *stream, dir app.Direction, m *Message) {
	t := st.tx
	st.doh[dir] = isDNS(m, "content-type")
	if dir == app.ToServer && isDNS(m, "accept") && bytes.Equal(t.Method, []byte("GET")) {
		p.doh = true
		if b := question(t.RawURI); b != nil {
			p.read(t, dir, b)
		}
	}
	p.doh = p.doh || st.doh[dir]
}

func isDNS(m *Message, name string) bool {
	v, ok := m.Get(name)
	return ok && bytes.EqualFold(bytes.TrimSpace(v), []byte(dnsType))
}

// question decodes the parameter "dns" of a path (RFC 8484 §4.1); nil when there is none.
func question(path []byte) []byte {
	_, query, _ := bytes.Cut(path, []byte("?"))
	for len(query) > 0 {
		var one []byte
		one, query, _ = bytes.Cut(query, []byte("&"))
		if v, ok := bytes.CutPrefix(one, []byte("dns=")); ok {
			out := make([]byte, base64.RawURLEncoding.DecodedLen(len(v)))
			n, err := base64.RawURLEncoding.Decode(out, bytes.TrimRight(v, "="))
			if err != nil {
				return nil
			}
			return out[:n]
		}
	}
	return nil
}

// message reads the DNS message that a body is.
func (p *Parser) message(st *stream, dir app.Direction) {
	if m := st.tx.Of(dir); st.doh[dir] && len(m.Body) > 0 {
		p.read(st.tx, dir, m.Body)
	}
}

func (p *Parser) read(t *Tx, dir app.Direction, b []byte) {
	m, events := dns.Read(b)
	for _, e := range events {
		t.Event(e)
	}
	t.DNS[dir] = m
}
