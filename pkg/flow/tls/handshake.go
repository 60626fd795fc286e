package tls

import (
	"encoding/binary"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/handshake"
)

// Handshake message types (RFC 8446 §4, RFC 5246 §7.4).
const (
	clientHello       = 1
	serverHello       = 2
	certificate       = 11
	serverKeyExchange = 12
	serverHelloDone   = 14
	clientKeyExchange = 16
	clientKey         = 16
)

// handshake joins messages across records and reads each whole one.
func (p *Parser) handshake(s *side, body []byte) {
	if len(s.message) > 0 {
		s.message = append(s.message, body...)
		body = s.message
	}
	for len(body) >= 4 {
		n := int(body[1])<<16 | int(binary.BigEndian.Uint16(body[2:]))
		if n > maxHandshake {
			p.tx.Event("tls.handshake_invalid_length")
			body = nil
			break
		}
		if len(body) < 4+n {
			break
		}
		p.messageOf(s, body[0], body[4:4+n])
		body = body[4+n:]
	}
	s.message = append(s.message[:0], body...)
}

// messageOf reads one handshake message.
func (p *Parser) messageOf(s *side, typ byte, body []byte) {
	t := p.tx
	switch typ {
	case clientHello:
		p.clientHello(body)
	case serverHello:
		p.serverHello(body)
	case certificate:
		p.certificates(t.Of(s.dir), body)
		if s.dir == app.ToServer {
			t.Advance(s.dir, ClientCertDone)
		} else {
			t.Advance(s.dir, ServerCertDone)
		}
	case serverKeyExchange:
		t.KeyExchange[app.ToClient] = true
	case clientKeyExchange:
		t.KeyExchange[app.ToServer] = true
		t.Touch(app.ToServer)
	case serverHelloDone:
		t.Advance(app.ToClient, ServerHelloDone)
	}
}

func (p *Parser) event(name string) { p.tx.Event("tls." + name) }

func (p *Parser) clientHello(body []byte) {
	t := p.tx
	if t.Client.Seen {
		return
	}
	h, ok := handshake.Client(body, p.event)
	if !ok {
		p.event("invalid_handshake_message")
	}
	t.Client.Hello = h
	if t.Version == 0 {
		t.Version = h.Offered()
	}
	if p.cfg.JA3 {
		t.Client.JA3, t.Client.JA3Hash = h.JA3()
	}
	if p.cfg.JA4 {
		t.Client.JA4 = h.JA4('t')
	}
	t.Advance(app.ToServer, ClientHelloDone)
}

func (p *Parser) serverHello(body []byte) {
	t := p.tx
	if t.Server.Seen {
		return
	}
	h, ok := handshake.Server(body, p.event)
	if !ok {
		p.event("invalid_handshake_message")
	}
	t.Server.Hello = h
	t.Version = h.Agreed()
	if p.cfg.JA3 {
		t.Server.JA3, t.Server.JA3Hash = h.JA3S()
	}
	t.Advance(app.ToClient, ServerHello)
}

// certificates reads a Certificate message of TLS 1.2 and before (RFC 5246 §7.4.2).
func (p *Parser) certificates(h *Hello, body []byte) {
	if len(body) < 3 || h.Certificates != nil {
		return
	}
	n := int(body[0])<<16 | int(binary.BigEndian.Uint16(body[1:]))
	body = body[3:]
	if n > len(body) {
		p.event("invalid_certificate")
		return
	}
	for body = body[:n]; len(body) >= 3; {
		n := int(body[0])<<16 | int(binary.BigEndian.Uint16(body[1:]))
		if n > len(body)-3 {
			p.event("certificate_invalid_length")
			return
		}
		h.Certificates = append(h.Certificates, append([]byte{}, body[3:3+n]...))
		body = body[3+n:]
	}
	if len(h.Certificates) == 0 {
		return
	}
	c, err := parseCertificate(h.Certificates[0])
	if err != nil {
		p.event("invalid_handshake_message")
		p.event("invalid_certificate")
		p.event(err.Error())
	}
	h.Leaf = c
}

// isSSLv2 tells a two-byte record header with a ClientHello of SSL 2.0, which old clients send for SSL 3.0 and TLS too
// (RFC 6101 appendix E).
func isSSLv2(b []byte) bool { return len(b) >= 3 && b[0]&0x80 != 0 && (b[2] == 1 || b[2] == 4) }

// sslv2 reads an SSL 2.0 hello. A hello that offers SSL 3.0 or later is followed by usual records.
func (p *Parser) sslv2(s *side, data []byte) int {
	n := 2 + int(binary.BigEndian.Uint16(data)&0x7fff)
	if n < 11 {
		p.event("invalid_sslv2_header")
		p.fail(s)
		return 0
	}
	p.markSSL2(s, len(data)+s.tail, 2, n-2)
	if len(data) < n {
		return 0
	}
	t := p.tx
	if s.dir == app.ToServer {
		version := binary.BigEndian.Uint16(data[3:])
		t.Client.Seen, t.Client.Version, t.Version = true, version, version
		t.Client.Ciphers = v2Ciphers(data[:n])
		t.Advance(s.dir, ClientHelloDone)
		s.records = version >= 0x0300
	} else {
		t.Server.Seen, t.Server.Version, t.Version = true, 2, 2
		t.Advance(s.dir, ServerHello)
	}
	if t.Version == 2 {
		t.Encrypted[s.dir] = true
		p.finish(s.dir)
		s.skip = 1<<31 - 1
	}
	return n
}

// v2Ciphers returns those three-byte cipher kinds that name ciphers of SSL 3.0 and later.
func v2Ciphers(hello []byte) []uint16 {
	size := int(binary.BigEndian.Uint16(hello[5:]))
	list := hello[11:]
	if size > len(list) {
		return nil
	}
	var out []uint16
	for list = list[:size]; len(list) >= 3; list = list[3:] {
		if list[0] == 0 {
			out = append(out, binary.BigEndian.Uint16(list[1:]))
		}
	}
	return out
}
