package tls

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	ctls "crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/apptest"
)

// tap records what one side of a connection sends.
type tap struct {
	net.Conn
	say  *[]apptest.Say
	dir  app.Direction
	lock chan struct{}
}

func (c tap) Write(b []byte) (int, error) {
	c.lock <- struct{}{}
	*c.say = append(*c.say, apptest.Say{Dir: c.dir, Data: string(b)})
	<-c.lock
	return c.Conn.Write(b)
}

// selfSigned makes a certificate with everything that is read of one.
func selfSigned(t testing.TB) ctls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(0xab01), Subject: pkix.Name{Country: []string{"US"}, Organization: []string{"Weir, Inc."}, CommonName: "example.org"},
		NotBefore: time.Unix(1700000000, 0), NotAfter: time.Unix(2600000000, 0),
		DNSNames: []string{"example.org", "*.example.org"}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return ctls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// converse makes a real handshake and some data, and returns what was said.
func converse(t testing.TB, version uint16, cert ctls.Certificate, cache ctls.ClientSessionCache) []apptest.Say {
	return converseWith(t, &ctls.Config{Certificates: []ctls.Certificate{cert}, NextProtos: []string{"h2"}, MaxVersion: version, ClientAuth: ctls.RequestClientCert}, cache)
}

// converseWith is converse with a server that may know the client.
func converseWith(t testing.TB, config *ctls.Config, cache ctls.ClientSessionCache) []apptest.Say {
	t.Helper()
	var says []apptest.Say
	lock := make(chan struct{}, 1)
	a, b := net.Pipe()
	server := ctls.Server(tap{b, &says, app.ToClient, lock}, config)
	client := ctls.Client(tap{a, &says, app.ToServer, lock}, &ctls.Config{ServerName: "example.org", InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"},
		MinVersion: ctls.VersionTLS10, MaxVersion: config.MaxVersion, ClientSessionCache: cache, Certificates: config.Certificates})
	done := make(chan error, 1)
	go func() {
		buf := make([]byte, 5)
		_, err := server.Read(buf)
		if err == nil {
			_, err = server.Write([]byte("world"))
		}
		done <- err
	}()
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	a.Close()
	b.Close()
	return says
}

func parse(t *testing.T, n int, says []apptest.Say) (*Parser, *Tx) {
	t.Helper()
	p := New(Config{JA3: true, JA4: true})
	apptest.Pieces(t, p, n, says...)
	return p, p.Txs()[0].(*Tx)
}

func TestHandshake12(t *testing.T) {
	cert := selfSigned(t)
	says := converse(t, ctls.VersionTLS12, cert, nil)
	sum := sha1.Sum(cert.Certificate[0])
	for _, n := range []int{1, 4, 100, 1 << 20} {
		p, tx := parse(t, n, says)
		if string(tx.Client.SNI) != "example.org" || tx.Version != 0x0303 || !bytes.Equal(tx.Server.ALPN[0], []byte("h2")) || len(tx.Client.ALPN) != 2 {
			t.Errorf("pieces of %d: sni %q version %x alpn %q %q", n, tx.Client.SNI, tx.Version, tx.Client.ALPN, tx.Server.ALPN)
		}
		want := Certificate{Subject: "C=US, O=Weir, Inc., CN=example.org", Issuer: "C=US, O=Weir, Inc., CN=example.org", Serial: "00:AB:01",
			NotBefore: 1700000000, NotAfter: 2600000000, SubjectAltNames: []string{"example.org", "*.example.org", "192.0.2.1"}, Fingerprint: colons(sum[:], false)}
		for side, h := range map[string]*Hello{"server": &tx.Server, "client": &tx.Client} {
			if c := h.Leaf; c == nil || c.Subject != want.Subject || c.Issuer != want.Issuer || c.Serial != want.Serial || c.NotBefore != want.NotBefore ||
				c.NotAfter != want.NotAfter || !slices.Equal(c.SubjectAltNames, want.SubjectAltNames) || c.Fingerprint != want.Fingerprint {
				t.Errorf("pieces of %d: %s certificate %+v, want %+v", n, side, c, want)
			}
		}
		if tx.Progress != [2]uint8{ClientFinished, ServerFinished} || !p.Encrypted() || tx.Resumed || len(tx.Events) > 0 {
			t.Errorf("pieces of %d: progress %v encrypted %v resumed %v events %v", n, tx.Progress, p.Encrypted(), tx.Resumed, tx.Events)
		}
	}
}

func TestHandshake13(t *testing.T) {
	p, tx := parse(t, 50, converse(t, ctls.VersionTLS13, selfSigned(t), nil))
	if tx.Version != 0x0304 || !p.Encrypted() || tx.Server.JA3Hash == "" || !strings.HasPrefix(tx.Client.JA4, "t13d") || len(tx.Events) > 0 {
		t.Errorf("version %x encrypted %v ja3s %q ja4 %q events %v", tx.Version, p.Encrypted(), tx.Server.JA3Hash, tx.Client.JA4, tx.Events)
	}
}

func TestResumption(t *testing.T) {
	cache := ctls.NewLRUClientSessionCache(1)
	config := &ctls.Config{Certificates: []ctls.Certificate{selfSigned(t)}, MaxVersion: ctls.VersionTLS12}
	for i, resumed := range []bool{false, true} {
		_, tx := parse(t, 1<<20, converseWith(t, config, cache))
		if tx.Resumed != resumed || (tx.Server.Leaf == nil) != resumed {
			t.Errorf("handshake %d: resumed %v, certificate %v; want resumed %v", i+1, tx.Resumed, tx.Server.Leaf, resumed)
		}
	}
}

func TestFaults(t *testing.T) {
	hello := converse(t, ctls.VersionTLS12, selfSigned(t), nil)[0].Data
	for _, c := range []struct{ data, event string }{
		{"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", "tls.invalid_handshake_message"},
		{hello + "\x99\x03\x03\x00\x01x", "tls.invalid_record_type"},
		{hello + "\x16\x09\x03\x00\x01x", "tls.invalid_record_version"},
		{hello + "\x16\x03\x03\xff\xffx", "tls.invalid_record_length"},
		{hello + "\x15\x03\x03\x00\x02\x09\x09", "tls.invalid_alert_message"},
		{hello + "\x18\x03\x03\x00\x03\x01\x40\x00", "tls.overflow_heartbeat_message"},
		{"\x16\x03\x01\x00\x04\x01\xff\xff\xff", "tls.handshake_invalid_length"},
	} {
		p := New(Config{})
		p.Feed(app.ToServer, []byte(c.data), 1)
		if tx := p.Txs()[0].(*Tx); !slices.Contains(tx.Events, c.event) {
			t.Errorf("%s: events %v", c.event, tx.Events)
		}
	}
}

func TestSSLv2(t *testing.T) {
	// A hello of SSL 2.0 that offers SSL 3.0, with one cipher of SSL 3.0 and one of SSL 2.0.
	hello := "\x80\x1f\x01\x03\x00\x00\x06\x00\x00\x00\x10\x00\x00\x05\x01\x00\x80" + strings.Repeat("c", 16)
	if Probe(app.ToServer, []byte(hello), 0, 443) != app.Yes {
		t.Error("not recognised")
	}
	p := New(Config{})
	p.Feed(app.ToServer, []byte(hello), 1)
	tx := p.Txs()[0].(*Tx)
	if tx.Version != 0x0300 || !slices.Equal(tx.Client.Ciphers, []uint16{5}) || tx.Progress[0] != ClientHelloDone {
		t.Errorf("version %x ciphers %v progress %d", tx.Version, tx.Client.Ciphers, tx.Progress[0])
	}
}

func TestCertificateFaults(t *testing.T) {
	der := selfSigned(t).Certificate[0]
	if _, err := parseCertificate(der[:20]); err != errDER {
		t.Errorf("cut certificate: %v, want %v", err, errDER)
	}
	for i := range der { // no byte may make it panic
		bad := bytes.Clone(der)
		bad[i] ^= 0xff
		parseCertificate(bad)
		parseCertificate(der[:i])
	}
}

func TestProbe(t *testing.T) {
	for _, c := range []struct {
		dir  app.Direction
		data string
		want app.Match
	}{
		{app.ToServer, "\x16\x03\x01\x02\x00\x01", app.Yes}, {app.ToServer, "\x16\x03", app.More}, {app.ToServer, "\x16\x03\x00\x00\x00\x00", app.Yes}, {app.ToServer, "\x16\x04\x01\x02\x00\x01", app.No},
		{app.ToClient, "\x16\x03\x01\x02\x00\x01", app.No},
		{app.ToServer, "\x17\x03\x03\x00\x01\x00", app.No}, {app.ToClient, "\x16\x03\x03\x00\x50\x02", app.Yes}, {app.ToClient, "\x15\x03\x03\x00\x02\x02", app.Yes},
		{app.ToServer, "GET / HTTP/1.1", app.No},
	} {
		if got := Probe(c.dir, []byte(c.data), 0, 0); got != c.want {
			t.Errorf("direction %d %x: %d, want %d", c.dir, c.data, got, c.want)
		}
	}
}

func FuzzParser(f *testing.F) {
	cert := selfSigned(f)
	f.Add(apptest.Encode(converse(f, ctls.VersionTLS12, cert, nil)...))
	f.Add(apptest.Encode(converse(f, ctls.VersionTLS13, cert, nil)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		apptest.Drive(t, New(Config{JA3: true, JA4: true}), data)
	})
}
