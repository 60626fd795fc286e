package keyword

import (
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/tls"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// client is a buffer of the client's hello, server one of the server's part of the handshake.
func tlsSource(dir app.Direction, step uint8, get func(x *Context, t *tls.Tx) []byte) Source {
	return Source{Proto: app.TLS, Dir: dir, Progress: step, Get: single(get)}
}

func text(x *Context, s string) []byte {
	if s == "" {
		return nil
	}
	out := x.own(len(s))
	copy(out, s)
	return out
}

// certSources makes the sources of a buffer of the certificates of either side.
func certSources(get func(x *Context, h *tls.Hello) []byte) []Source {
	return []Source{
		tlsSource(app.ToClient, tls.ServerCertDone, func(x *Context, t *tls.Tx) []byte { return get(x, &t.Server) }),
		tlsSource(app.ToServer, tls.ClientCertDone, func(x *Context, t *tls.Tx) []byte { return get(x, &t.Client) }),
	}
}

func leaf(get func(c *tls.Certificate) string) []Source {
	return certSources(func(x *Context, h *tls.Hello) []byte {
		if h.Leaf == nil {
			return nil
		}
		return text(x, get(h.Leaf))
	})
}

var (
	tlsSNI = &Buffer{Name: "tls.sni", Sources: []Source{tlsSource(app.ToServer, tls.ClientHelloDone, func(_ *Context, t *tls.Tx) []byte { return t.Client.SNI }), quicSNI}}

	tlsSubject     = &Buffer{Name: "tls.cert_subject", Sources: leaf(func(c *tls.Certificate) string { return c.Subject })}
	tlsIssuer      = &Buffer{Name: "tls.cert_issuer", Sources: leaf(func(c *tls.Certificate) string { return c.Issuer })}
	tlsSerial      = &Buffer{Name: "tls.cert_serial", Upper: true, Sources: leaf(func(c *tls.Certificate) string { return c.Serial })}
	tlsFingerprint = &Buffer{Name: "tls.cert_fingerprint", Lower: true, Sources: leaf(func(c *tls.Certificate) string { return c.Fingerprint })}

	tlsCerts = &Buffer{Name: "tls.certs", Multi: true, Sources: []Source{eachCert(app.ToClient, tls.ServerCertDone), eachCert(app.ToServer, tls.ClientCertDone)}}

	tlsAltNames = &Buffer{Name: "tls.subjectaltname", Multi: true, Sources: []Source{{Proto: app.TLS, Dir: app.ToClient, Progress: tls.ServerCertDone,
		Get: func(x *Context, tx app.Tx, i int) (Bytes, bool) {
			t, ok := tx.(*tls.Tx)
			if !ok || t.Server.Leaf == nil || i >= len(t.Server.Leaf.SubjectAltNames) {
				return Bytes{}, false
			}
			return Bytes{Data: text(x, t.Server.Leaf.SubjectAltNames[i])}, true
		}}}}

	tlsALPN = &Buffer{Name: "tls.alpn", Multi: true, Sources: []Source{eachALPN(app.ToServer, tls.ClientHelloDone), eachALPN(app.ToClient, tls.ServerHello)}}

	tlsRandom      = &Buffer{Name: "tls.random", Sources: hello(func(h *tls.Hello) []byte { return orNil(h.Random) })}
	tlsRandomTime  = &Buffer{Name: "tls.random_time", Sources: hello(func(h *tls.Hello) []byte { return orNil(h.Random[:min(4, len(h.Random))]) })}
	tlsRandomBytes = &Buffer{Name: "tls.random_bytes", Sources: hello(func(h *tls.Hello) []byte { return orNil(h.Random[min(4, len(h.Random)):]) })}

	ja3Hash    = &Buffer{Name: "ja3.hash", Lower: true, Sources: []Source{tlsSource(app.ToServer, tls.ClientHelloDone, func(x *Context, t *tls.Tx) []byte { return text(x, t.Client.JA3Hash) }), quicJA3Hash}}
	ja3String  = &Buffer{Name: "ja3.string", Sources: []Source{tlsSource(app.ToServer, tls.ClientHelloDone, func(x *Context, t *tls.Tx) []byte { return text(x, t.Client.JA3) }), quicJA3String}}
	ja3sHash   = &Buffer{Name: "ja3s.hash", Lower: true, Sources: []Source{tlsSource(app.ToClient, tls.ServerHello, func(x *Context, t *tls.Tx) []byte { return text(x, t.Server.JA3Hash) }), quicJA3SHash}}
	ja3sString = &Buffer{Name: "ja3s.string", Sources: []Source{tlsSource(app.ToClient, tls.ServerHello, func(x *Context, t *tls.Tx) []byte { return text(x, t.Server.JA3) }), quicJA3SString}}
	ja4Hash    = &Buffer{Name: "ja4.hash", Sources: []Source{tlsSource(app.ToServer, tls.ClientHelloDone, func(x *Context, t *tls.Tx) []byte { return text(x, t.Client.JA4) }), quicJA4}}
)

func hello(get func(h *tls.Hello) []byte) []Source {
	return []Source{
		tlsSource(app.ToServer, tls.ClientHelloDone, func(_ *Context, t *tls.Tx) []byte { return get(&t.Client) }),
		tlsSource(app.ToClient, tls.ServerHello, func(_ *Context, t *tls.Tx) []byte { return get(&t.Server) }),
	}
}

func tlsSide(tx app.Tx, dir app.Direction) *tls.Hello {
	t, ok := tx.(*tls.Tx)
	switch {
	case !ok:
		return &tls.Hello{}
	case dir == app.ToServer:
		return &t.Client
	}
	return &t.Server
}

func eachCert(dir app.Direction, step uint8) Source {
	return Source{Proto: app.TLS, Dir: dir, Progress: step, Get: func(_ *Context, tx app.Tx, i int) (Bytes, bool) {
		h := tlsSide(tx, dir)
		if i >= len(h.Certificates) {
			return Bytes{}, false
		}
		return Bytes{Data: h.Certificates[i]}, true
	}}
}

func eachALPN(dir app.Direction, step uint8) Source {
	return Source{Proto: app.TLS, Dir: dir, Progress: step, Get: func(_ *Context, tx app.Tx, i int) (Bytes, bool) {
		h := tlsSide(tx, dir)
		if i >= len(h.ALPN) {
			return Bytes{}, false
		}
		return Bytes{Data: h.ALPN[i]}, true
	}}
}

var tlsVersions = map[string]uint64{"1.0": 0x0301, "1.1": 0x0302, "1.2": 0x0303, "1.3": 0x0304, "sslv2": 0x0002, "sslv3": 0x0300,
	"tls1.0": 0x0301, "tls1.1": 0x0302, "tls1.2": 0x0303, "tls1.3": 0x0304}

func tlsValue(get func(t *tls.Tx) (uint64, bool)) []valueSource {
	of := func(dir app.Direction, step uint8) valueSource {
		return valueSource{app.TLS, dir, step, func(tx app.Tx, i int) (uint64, bool) {
			t, ok := tx.(*tls.Tx)
			if !ok || i > 0 {
				return 0, false
			}
			return get(t)
		}}
	}
	return []valueSource{of(app.ToServer, tls.ClientHelloDone), of(app.ToClient, tls.ServerHello)}
}

var tlsVersion = Keyword{
	Name: "tls.version", Family: FamilyPacket, Arg: "1.0|1.1|1.2|1.3|0xNNNN", Doc: "version that the handshake agreed on",
	setup: func(c *compiler, o *syntax.Option) error {
		t, err := parseCompare(strings.Trim(o.Value, `"`), 65535, tlsVersions)
		if err != nil {
			return err
		}
		return c.values("tls.version", tlsValue(func(t *tls.Tx) (uint64, bool) { return uint64(t.Version), t.Version != 0 }), t.holds)
	},
}

var sslVersion = Keyword{
	Name: "ssl_version", Family: FamilyPacket, Arg: "[!]sslv2|sslv3|tls1.0|tls1.1|tls1.2|tls1.3[, …]", Doc: "one of these versions",
	setup: func(c *compiler, o *syntax.Option) error {
		var yes, no []uint64
		negated := false
		for _, w := range words(o.Value) {
			name, isNegated := strings.CutPrefix(w, "!")
			negated = negated || isNegated // for all that follow
			v, ok := tlsVersions[strings.ToLower(strings.TrimSpace(name))]
			if !ok {
				return fmt.Errorf("%q is not sslv2, sslv3, tls1.0, tls1.1, tls1.2 or tls1.3", name)
			}
			if negated {
				no = append(no, v)
			} else {
				yes = append(yes, v)
			}
		}
		return c.values("tls.version", tlsValue(func(t *tls.Tx) (uint64, bool) { return uint64(t.Version), t.Version != 0 }), func(v uint64) bool {
			for _, n := range no {
				if n == v {
					return false
				}
			}
			for _, y := range yes {
				if y == v {
					return true
				}
			}
			return len(yes) == 0
		})
	},
}

var sslState = Keyword{
	Name: "ssl_state", Family: FamilyPacket, Arg: "[!]client_hello|server_hello|client_keyx|server_keyx|unknown[|…]", Doc: "how far the handshake has come",
	setup: func(c *compiler, o *syntax.Option) error {
		arg, negated := strings.CutPrefix(o.Value, "!")
		var mask uint64
		for w := range strings.SplitSeq(strings.ReplaceAll(arg, ",", "|"), "|") {
			bit, ok := map[string]uint64{"client_hello": 1, "server_hello": 2, "client_keyx": 4, "server_keyx": 8, "unknown": 16}[strings.TrimSpace(w)]
			if !ok {
				return fmt.Errorf("%q is not client_hello, server_hello, client_keyx, server_keyx or unknown", w)
			}
			mask |= bit
		}
		state := func(t *tls.Tx) (s uint64, ok bool) {
			if t.Client.Seen {
				s |= 1
			}
			if t.Server.Seen {
				s |= 2
			}
			if t.KeyExchange[app.ToServer] {
				s |= 4
			}
			if t.KeyExchange[app.ToClient] {
				s |= 8
			}
			if s == 0 {
				s = 16
			}
			return s, true
		}
		return c.values("ssl_state", tlsValue(state), func(v uint64) bool { return (v&mask != 0) != negated })
	},
}

var tlsChainLen = txField("tls.cert_chain_len", "certificates in the server's chain", 1<<32-1, nil, []valueSource{{app.TLS, app.ToClient, tls.ServerCertDone, func(tx app.Tx, i int) (uint64, bool) {
	h := tlsSide(tx, app.ToClient)
	return uint64(len(h.Certificates)), i == 0 && len(h.Certificates) > 0
}}})

// tlsFlag is a keyword without argument about the server's certificate.
func tlsFlag(name, doc string, holds func(t *tls.Tx, now int64) bool) Keyword {
	return Keyword{Name: name, Family: FamilyPacket, Doc: doc, setup: func(c *compiler, _ *syntax.Option) error {
		b := &Buffer{Name: name, Weak: true, Sources: []Source{tlsSource(app.ToClient, tls.ServerCertDone, func(x *Context, t *tls.Tx) []byte {
			if t.Server.Leaf == nil || !holds(t, x.Now) {
				return nil
			}
			return []byte{1}
		})}}
		if err := c.need(b); err != nil {
			return err
		}
		g := c.group(b, nil)
		g.Items = append(g.Items, &valueItem{func(uint64) bool { return true }})
		return nil
	}}
}

var (
	tlsExpired = tlsFlag("tls_cert_expired", "the certificate's time is over", func(t *tls.Tx, now int64) bool { return now/1e9 > t.Server.Leaf.NotAfter })
	tlsValid   = tlsFlag("tls_cert_valid", "the certificate's time has begun and is not over", func(t *tls.Tx, now int64) bool {
		return now/1e9 >= t.Server.Leaf.NotBefore && now/1e9 <= t.Server.Leaf.NotAfter
	})
)

// legacy forms with an argument: tls.subject:"CN=x", tls.issuerdn:"…", tls.fingerprint:"aa:bb".
func tlsLegacy(name, doc string, b *Buffer, aliases ...string) Keyword {
	return Keyword{Name: name, Aliases: aliases, Family: FamilyBuffer, Arg: `[!]"text"`, Optional: true, Doc: doc, setup: func(c *compiler, o *syntax.Option) error {
		if o.Value == "" {
			return c.stick(b)
		}
		negated, text, err := quoted(o.Value)
		if err != nil {
			return err
		}
		if err := c.need(b); err != nil {
			return err
		}
		pattern := unescape(text)
		if b == tlsFingerprint {
			pattern = strings.ToLower(pattern)
		}
		c.appendTo(c.group(b, nil), &Content{Pattern: []byte(pattern), Negated: negated})
		return nil
	}}
}
