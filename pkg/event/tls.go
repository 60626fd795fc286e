package event

import (
	"encoding/base64"
	"slices"
	"strconv"
	"time"

	"github.com/weir-ips/weir/pkg/flow/tls"
)

// tlsSelected leaves out sessions that were resumed or never got a certificate, unless they are asked for.
func tlsSelected(opt *TLSOptions, t *tls.Tx) bool {
	return !t.Resumed || opt.Extended || opt.Resumption || opt.Custom != nil
}

var (
	tlsBasic    = []string{"subject", "issuer", "session_resumed"}
	tlsExtended = append(slices.Clone(tlsBasic), "serial", "fingerprint", "sni", "version", "not_before", "not_after",
		"ja3", "ja3s", "subjectaltname", "client_alpns", "server_alpns")
)

// tls writes the members of "tls" that the output asks for.
func (l *Logger) tls(e *encoder, opt *TLSOptions, t *tls.Tx) {
	names := tlsBasic
	switch {
	case opt.Custom != nil:
		names = opt.Custom
	case opt.Extended:
		names = tlsExtended
	}
	for _, n := range names {
		l.tlsField(e, n, t)
	}
	if opt.JA4 && opt.Extended && opt.Custom == nil {
		e.strIf("ja4", t.Client.JA4)
	}
}

func (l *Logger) tlsField(e *encoder, name string, t *tls.Tx) {
	leaf := t.Server.Leaf
	switch name {
	case "session_resumed":
		if t.Resumed {
			e.flag("session_resumed", true)
		}
	case "sni":
		e.textIf("sni", t.Client.SNI)
	case "version":
		e.str("version", agreedVersion(t))
	case "ja3":
		e.ja3("ja3", &t.Client)
	case "ja3s":
		e.ja3("ja3s", &t.Server)
	case "ja4":
		e.strIf("ja4", t.Client.JA4)
	case "client_alpns":
		e.alpns("client_alpns", t.Client.ALPN)
	case "server_alpns":
		e.alpns("server_alpns", t.Server.ALPN)
	case "client_handshake":
		e.handshake("client_handshake", &t.Client, false)
	case "server_handshake":
		e.handshake("server_handshake", &t.Server, true)
	case "certificate":
		if certs := t.Server.Certificates; len(certs) > 0 {
			e.base64("certificate", certs[0])
		}
	case "chain":
		e.chain(t.Server.Certificates)
	default:
		if leaf != nil {
			l.certField(e, name, leaf)
		}
	}
}

func (l *Logger) certField(e *encoder, name string, c *tls.Certificate) {
	switch name {
	case "subject":
		e.strIf("subject", c.Subject)
	case "issuer":
		e.strIf("issuerdn", c.Issuer)
	case "serial":
		e.strIf("serial", c.Serial)
	case "fingerprint":
		e.strIf("fingerprint", c.Fingerprint)
	case "not_before":
		e.certTime("notbefore", c.NotBefore)
	case "not_after":
		e.certTime("notafter", c.NotAfter)
	case "subjectaltname":
		if len(c.SubjectAltNames) > 0 {
			e.list("subjectaltname")
			for _, n := range c.SubjectAltNames {
				e.elemStr(n)
			}
			e.end()
		}
	}
}

// certTime writes a certificate's date without a zone, as EVE does.
func (e *encoder) certTime(name string, sec int64) {
	if sec == 0 {
		return
	}
	e.key(name)
	e.b = append(e.b, '"')
	e.b = time.Unix(sec, 0).UTC().AppendFormat(e.b, "2006-01-02T15:04:05")
	e.b = append(e.b, '"')
}

func (e *encoder) ja3(name string, h *tls.Hello) {
	if h.JA3Hash == "" {
		return
	}
	e.open(name)
	e.str("hash", h.JA3Hash)
	e.str("string", h.JA3)
	e.close()
}

func (e *encoder) alpns(name string, list [][]byte) {
	if len(list) == 0 {
		return
	}
	e.list(name)
	for _, a := range list {
		e.elemText(a)
	}
	e.end()
}

// handshake writes what one side's hello said; a server chooses one cipher.
func (e *encoder) handshake(name string, h *tls.Hello, server bool) {
	if !h.Seen {
		return
	}
	e.open(name)
	e.str("version", tlsVersion(h.Version))
	if server && len(h.Ciphers) > 0 {
		e.num("cipher", uint64(h.Ciphers[0]))
	} else {
		e.numbers("ciphers", h.Ciphers)
	}
	e.numbers("exts", h.Extensions)
	if !server {
		e.numbers("sig_algs", h.Signatures)
	}
	e.close()
}

func (e *encoder) numbers(name string, list []uint16) {
	if len(list) == 0 {
		return
	}
	e.list(name)
	for _, n := range list {
		e.elemNum(uint64(n))
	}
	e.end()
}

// chain writes all certificates, base64.
func (e *encoder) chain(certs [][]byte) {
	if len(certs) == 0 {
		return
	}
	e.list("chain")
	for _, c := range certs {
		e.comma()
		e.b = append(e.b, '"')
		e.b = base64.StdEncoding.AppendEncode(e.b, c)
		e.b = append(e.b, '"')
	}
	e.end()
}

// agreedVersion names the version of a session. A server hello whose own field says 1.3 is of a draft before 16: later
// ones, and the standard, say it in an extension.
func agreedVersion(t *tls.Tx) string {
	if t.Version == 0x0304 && t.Server.Seen && t.Server.Version == 0x0304 {
		return "TLS 1.3 draft-<16"
	}
	return tlsVersion(t.Version)
}

// tlsVersion returns the name EVE gives a version; drafts and unknown ones are hexadecimal.
func tlsVersion(v uint16) string {
	switch v {
	case 0x0002, 0x0200:
		return "SSLv2"
	case 0x0300:
		return "SSLv3"
	case 0x0301:
		return "TLSv1"
	case 0x0302:
		return "TLS 1.1"
	case 0x0303:
		return "TLS 1.2"
	case 0x0304:
		return "TLS 1.3"
	case 0:
		return "UNDETERMINED"
	}
	switch {
	case v>>8 == 0x7f && v&0xff >= 16:
		return "TLS 1.3 draft-" + strconv.Itoa(int(v&0xff))
	case v>>8 == 0x7f:
		return "TLS 1.3 draft-<16"
	}
	return "0x" + strconv.FormatUint(uint64(v), 16)
}
