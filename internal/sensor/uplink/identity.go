package uplink

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weir-ips/weir/internal/servicefile"
	"github.com/weir-ips/weir/pkg/wire"
)

// identity is the certificate that the sensor connects with, and its renewal.
type identity struct {
	path string // of the credentials' file
	log  *slog.Logger

	mu    sync.Mutex
	creds wire.Credentials
	pair  *tls.Certificate
}

// openIdentity is nil for credentials without a certificate.
func openIdentity(path string, c *wire.Credentials, log *slog.Logger) (*identity, error) {
	if c == nil || c.Certificate == "" {
		return nil, nil
	}
	pair, err := tls.X509KeyPair([]byte(c.Certificate), []byte(c.Key))
	if err != nil {
		return nil, fmt.Errorf("%s: certificate and key: %w", path, err)
	}
	return &identity{path: path, log: log, creds: *c, pair: &pair}, nil
}

// certificate is what TLS shows at each connection.
func (i *identity) certificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.pair, nil
}

// prove makes a proof of the certificate for the server whose nonce it is.
func (i *identity) prove(nonce []byte) ([]byte, error) {
	i.mu.Lock()
	pair := i.pair
	i.mu.Unlock()
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s: key cannot sign", i.path)
	}
	return wire.ProveCertificate(pair.Leaf, key, nonce)
}

// due is when the certificate should be renewed: after two thirds of its life.
func (i *identity) due() (renew, expires time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	c := i.pair.Leaf
	return c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore) * 2 / 3), c.NotAfter
}

// renewRetry bounds the pauses between attempts: a twentieth of what is left, within these.
const (
	renewSoonest = time.Second
	renewLatest  = 10 * time.Minute
)

// keepFresh renews the certificate, again and again, until ctx ends. One that the collector did not make is left alone.
func (i *identity) keepFresh(ctx context.Context, nc *nats.Conn) {
	if i == nil || !i.creds.Enrolled {
		return
	}
	for {
		renew, expires := i.due()
		wait := time.Until(renew)
		if wait <= 0 {
			if err := i.renew(ctx, nc); err == nil {
				continue
			} else if ctx.Err() == nil {
				i.log.Warn("certificate not renewed; will try again", "expires", expires, "error", err)
			}
			wait = min(max(time.Until(expires)/20, renewSoonest), renewLatest)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (i *identity) renew(ctx context.Context, nc *nats.Conn) error {
	i.mu.Lock()
	next := i.creds
	i.mu.Unlock()
	if err := obtain(ctx, nc, wire.RenewSubject(next.Sensor), &next); err != nil {
		return err
	}
	pair, err := tls.X509KeyPair([]byte(next.Certificate), []byte(next.Key))
	if err != nil {
		return fmt.Errorf("the collector's answer: %w", err)
	}
	if err := writeCredentials(i.path, &next); err != nil {
		return err
	}
	i.mu.Lock()
	i.creds, i.pair = next, &pair
	i.mu.Unlock()
	i.log.Info("certificate renewed", "until", pair.Leaf.NotAfter)
	return nil
}

// requestTimeout is how long the collector may take to certify.
const requestTimeout = 10 * time.Second

// obtain makes a key, has it certified by asking on subject, and puts both into c. The key leaves the sensor never.
func obtain(ctx context.Context, nc *nats.Conn, subject string, c *wire.Credentials) error {
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, secret)
	if err != nil {
		return err
	}
	msg, err := (&wire.EnrolRequest{Sensor: c.Sensor, CSR: csr}).Encode()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer, err := nc.RequestWithContext(ctx, subject, msg)
	for errors.Is(err, nats.ErrNoResponders) && ctx.Err() == nil { // the bus is up, the collector behind it not yet
		time.Sleep(100 * time.Millisecond)
		answer, err = nc.RequestWithContext(ctx, subject, msg)
	}
	if err != nil {
		return fmt.Errorf("ask the collector for a certificate: %w", err)
	}
	reply, err := wire.DecodeEnrolReply(answer.Data)
	if err != nil {
		return err
	}
	if reply.Error != "" {
		return fmt.Errorf("the collector says: %s", reply.Error)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		return err
	}
	c.Key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	c.Certificate, c.CA, c.Collector, c.Group = reply.Certificate, reply.CA, reply.Collector, reply.Group
	c.ServerName, c.Enrolled = wire.ServerName, true
	return nil
}

// writeCredentials replaces the file at path.
func writeCredentials(path string, c *wire.Credentials) error {
	data, err := c.Encode()
	if err == nil {
		err = servicefile.Write(path, data)
	}
	if err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	return nil
}
