package wire

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"testing"
)

func TestProvenCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	nonce := []byte("nonce of this connection")
	prove := func(key *ecdsa.PrivateKey, nonce []byte) string {
		raw, err := ProveCertificate(c, key, nonce)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	if got, err := ProvenCertificate(prove(key, nonce), nonce); err != nil || !got.Equal(c) {
		t.Errorf("%v, %v", got, err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]struct {
		proof string
		nonce []byte
	}{
		"another connection's nonce": {prove(key, nonce), []byte("nonce of another")},
		"no nonce":                   {prove(key, nil), nil},
		"another's key":              {prove(other, nonce), nonce},
		"nothing":                    {"", nonce},
		"no base64":                  {"*", nonce},
		"no certificate":             {"AAJhYmM", nonce},
		"cut short":                  {prove(key, nonce)[:200], nonce},
	} {
		if got, err := ProvenCertificate(bad.proof, bad.nonce); err == nil {
			t.Errorf("%s: %v", name, got.SerialNumber)
		}
	}
}

func FuzzProvenCertificate(f *testing.F) {
	f.Add("AAJhYmM", []byte("nonce"))
	f.Fuzz(func(t *testing.T, proof string, nonce []byte) {
		if c, err := ProvenCertificate(proof, nonce); (c == nil) == (err == nil) {
			t.Errorf("%v and %v", c, err)
		}
	})
}
