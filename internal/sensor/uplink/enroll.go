package uplink

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weir-ips/weir/pkg/wire"
)

// Enroll gets the sensor's first certificate with a token of `collector token create`, and writes the credentials' file at path,
// which Options.Credentials then names. The token is shown only to a server whose certificate comes from the CA in its pin.
func Enroll(ctx context.Context, url, token, sensor, path string) (expires time.Time, err error) {
	if err := wire.CheckName(sensor); err != nil {
		return expires, fmt.Errorf("enroll: sensor id: %w", err)
	}
	t, err := wire.ParseToken(token)
	if err != nil {
		return expires, fmt.Errorf("enroll: %w", err)
	}
	nc, err := nats.Connect(url, nats.Token(t.String()), nats.Secure(pinned(t.Pin)), nats.Timeout(requestTimeout),
		nats.Name(sensor), nats.CustomInboxPrefix(wire.InboxPrefix("token-"+t.ID)), nats.NoReconnect())
	if errors.Is(err, nats.ErrAuthorization) {
		return expires, fmt.Errorf("enroll: %s does not accept the token: it is used up, has expired, or is of another collector", url)
	}
	if err != nil {
		return expires, fmt.Errorf("enroll: connect to %s: %w", url, err)
	}
	defer nc.Close()
	c := &wire.Credentials{Sensor: sensor}
	if err := obtain(ctx, nc, wire.EnrolSubject(t.ID), c); err != nil {
		return expires, fmt.Errorf("enroll: %w", err)
	}
	pair, err := tls.X509KeyPair([]byte(c.Certificate), []byte(c.Key))
	if err != nil {
		return expires, fmt.Errorf("enroll: the collector's answer: %w", err)
	}
	if err := writeCredentials(path, c); err != nil {
		return expires, fmt.Errorf("enroll: %w", err)
	}
	return pair.Leaf.NotAfter, nil
}

// pinned accepts a server that proves, by a chain to the CA with this SHA-256, to be the collector. The standard verification is
// off because it needs the CA's certificate beforehand; verifyPinned does the same once the server has sent it.
func pinned(pin [32]byte) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, ServerName: wire.ServerName,
		VerifyConnection: func(s tls.ConnectionState) error { return verifyPinned(s.PeerCertificates, pin) },
	}
}

func verifyPinned(chain []*x509.Certificate, pin [32]byte) error {
	for _, ca := range chain[1:] {
		if sha256.Sum256(ca.Raw) != pin {
			continue
		}
		roots := x509.NewCertPool()
		roots.AddCert(ca)
		_, err := chain[0].Verify(x509.VerifyOptions{
			Roots: roots, DNSName: wire.ServerName, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		})
		return err
	}
	return errors.New("the server is not the collector that made the token: its certificate comes from another CA")
}
