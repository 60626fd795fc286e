package http2

import (
	"bytes"
	"encoding/base64"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// Inherit implements app.Heir: the request that asked for HTTP/2 becomes stream 1, and the settings that it carried the client's
// first (RFC 7540 §3.2).
func (p *Parser) Inherit(r *app.Request, now int64) {
	p.now = now
	st := p.open(1)
	if st == nil {
		return
	}
	m := &st.tx.Request
	m.Headers = append(m.Headers, Header{[]byte(":method"), r.Method}, Header{[]byte(":path"), r.Target})
	for _, f := range r.Fields {
		switch name := bytes.ToLower(f.Name); string(name) {
		case "http2-settings":
			p.inheritSettings(f.Value)
		case "host":
			m.Headers = append(m.Headers, Header{[]byte(":authority"), f.Value})
		default:
			m.Headers = append(m.Headers, Header{name, f.Value})
		}
	}
	st.seen[app.ToServer] = true
	p.fields(st, app.ToServer, m)
	st.tx.Advance(app.ToServer, Headers)
	p.endStream(st, app.ToServer, true)
}

// inheritSettings reads the field HTTP2-Settings: the payload of a SETTINGS frame in base64url.
func (p *Parser) inheritSettings(v []byte) {
	b := make([]byte, base64.RawURLEncoding.DecodedLen(len(v)))
	n, err := base64.RawURLEncoding.Decode(b, bytes.TrimRight(v, "="))
	t := p.global(app.ToServer)
	if t == nil {
		return
	}
	if err != nil {
		t.Event("http2.invalid_http1_settings")
		return
	}
	f := frameHeader{Frame: Frame{Type: frameSettings, Length: uint32(n)}}
	t.Request.Frames = append(t.Request.Frames, f.Frame)
	p.settings(&p.sides[app.ToServer], &f, t, &t.Request, b[:n])
}
