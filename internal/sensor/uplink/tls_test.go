package uplink

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/wire"
)

// certificate makes one for 127.0.0.1, signed by itself, and returns it in PEM too.
func certificate(t *testing.T) (pair tls.Certificate, cert, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "collector"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	cert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: secret}, cert, key
}

// credentials registers a sensor and writes its file.
func (w *world) credentials(id, ca string, collector ed25519.PublicKey) string {
	return w.write(wire.Credentials{Sensor: id, Collector: collector, CA: ca})
}

func (w *world) write(c wire.Credentials) string {
	w.t.Helper()
	id := c.Sensor
	seed, err := w.regs.Add(id, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	c.Seed = seed
	data, err := c.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(w.dir, id+".creds")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func TestTLS(t *testing.T) {
	w := newWorld(t)
	cert, ca, _ := certificate(t)
	_, other, _ := certificate(t)
	w.tls = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}
	w.open = nil
	w.start()
	key := w.key.Public().(ed25519.PublicKey)
	s := w.sensor("edge", func(o *Options) { o.Credentials = w.credentials("edge", ca, key) })
	wary := w.sensor("wary", func(o *Options) { o.Credentials = w.credentials("wary", other, key) })
	w.add(drop("v-1", "203.0.113.7/32"))
	eventually(t, "the verdict comes through TLS", func() bool { return s.has("v-1") && w.inSync(s) })
	s.Publish(alert(1, 1))
	eventually(t, "the alert goes through TLS", func() bool { return stored(t, w, 10) == 1 })
	if wary.Connected() {
		t.Error("connected to a collector whose certificate another CA should have signed")
	}
}

// A collector that asks for certificates serves only who has one, key or no key.
func TestMutualTLS(t *testing.T) {
	w := newWorld(t)
	cert, ca, _ := certificate(t)
	_, mine, key := certificate(t)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(mine))
	w.tls = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	w.start()
	pub := w.key.Public().(ed25519.PublicKey)
	creds := w.write(wire.Credentials{Sensor: "edge", Collector: pub, CA: ca, Certificate: mine, Key: key})
	s := w.sensor("edge", func(o *Options) { o.Credentials = creds })
	bare := w.sensor("bare", func(o *Options) { o.Credentials = w.credentials("bare", ca, pub) })
	w.add(drop("v-1", "203.0.113.7/32"))
	eventually(t, "the verdict comes", func() bool { return s.has("v-1") && w.inSync(s) })
	if bare.Connected() {
		t.Error("connected without a certificate")
	}
}

// A verdict from somebody else than the collector of the credentials is not followed, though the bus delivers it.
func TestAnotherCollectorsVerdicts(t *testing.T) {
	w := newWorld(t)
	w.start()
	_, other, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := w.sensor("edge", func(o *Options) { o.Credentials = w.credentials("edge", "", other.Public().(ed25519.PublicKey)) })
	w.add(drop("v-1", "203.0.113.7/32"))
	eventually(t, "bad signatures are counted", func() bool { return s.Stats().BadSignatures > 1 })
	if s.len() > 0 {
		t.Error("a verdict under another key was followed")
	}
}

// A sensor without credentials keeps to the collector that it met first.
func TestFirstContactIsKept(t *testing.T) {
	w := newWorld(t)
	w.start()
	s := w.sensor("edge", nil)
	w.add(drop("v-1", "203.0.113.7/32"))
	eventually(t, "the first collector is followed", func() bool { return s.has("v-1") })
	s.stop()
	w.stop()
	_, w.key, _ = ed25519.GenerateKey(nil)
	removeAll(t, w.dir+"/bus")
	w.start()
	s = w.sensor("edge", nil)
	eventually(t, "the stranger's signatures are counted", func() bool { return s.Stats().BadSignatures > 0 })
	if e, _ := s.Position(); e != 0 {
		t.Error("another collector is followed")
	}
	s.stop()
	if err := os.Remove(s.follower.keys.path); err != nil {
		t.Fatal(err)
	}
	s = w.sensor("edge", nil)
	eventually(t, "told to, the sensor follows the new one", func() bool { return w.inSync(s) })
}

func TestCredentialsOfAnotherSensor(t *testing.T) {
	w := newWorld(t)
	path := w.credentials("edge", "", w.key.Public().(ed25519.PublicKey))
	_, err := New(Options{Sensor: "other", Dir: t.TempDir(), Credentials: path})
	if err == nil {
		t.Fatal("accepted")
	}
	t.Log(err)
}
