// Package enrol lets sensors in: it is a small certificate authority, the tokens that a sensor gets its first certificate with,
// and the list of who holds which.
//
// Certificates are short-lived and renew themselves, and only the ones in the list count: taking a sensor off it ends its right
// to connect at once.
package enrol

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/weir-ips/weir/internal/servicefile"
	"github.com/weir-ips/weir/pkg/wire"
)

// Lives of certificates.
const (
	caLife     = 10 * 365 * 24 * time.Hour
	serverLife = 30 * 24 * time.Hour
	nodeLife   = 825 * 24 * time.Hour // of a cluster's servers, which do not renew theirs by themselves
	SensorLife = 24 * time.Hour       // unless configured
)

// Files of the CA in the data directory.
const (
	caFile    = "ca.crt"
	caKeyFile = "ca.key"
)

// CA signs the collector's and the sensors' certificates. It is safe for concurrent use.
type CA struct {
	Certificate *x509.Certificate
	PEM         string // of Certificate
	key         crypto.Signer
	now         func() time.Time

	mu     sync.Mutex
	server *tls.Certificate // the collector's own
}

// OpenCA reads the CA from two PEM files, or, without names, the one in the data directory, which is made the first time.
func OpenCA(data, certificate, key string) (*CA, error) {
	own := certificate == ""
	if own {
		certificate, key = filepath.Join(data, caFile), filepath.Join(data, caKeyFile)
	}
	ca, err := loadCA(certificate, key)
	if own && errors.Is(err, fs.ErrNotExist) {
		if err := makeCA(certificate, key); err != nil {
			return nil, fmt.Errorf("make the CA: %w", err)
		}
		ca, err = loadCA(certificate, key)
	}
	if err != nil {
		return nil, fmt.Errorf("CA: %w", err)
	}
	return ca, nil
}

func loadCA(certificate, key string) (*CA, error) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s, key %s: %w", certificate, key, err)
	}
	c, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", certificate, err)
	}
	if !c.IsCA || c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0 {
		return nil, fmt.Errorf("certificate %s must not sign others: a CA's is needed", certificate)
	}
	signer, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("key %s cannot sign", key)
	}
	return &CA{Certificate: c, PEM: encode("CERTIFICATE", c.Raw), key: signer, now: time.Now}, nil
}

// makeCA writes the key first: a certificate without its key would be found and believed.
func makeCA(certificate, key string) error {
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	c := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{Organization: []string{"Weir"}, CommonName: "Weir collector CA"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(caLife), IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, secret.Public(), secret)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		return err
	}
	if err := servicefile.Write(key, []byte(encode("PRIVATE KEY", pkcs8))); err != nil {
		return err
	}
	return servicefile.Write(certificate, []byte(encode("CERTIFICATE", der)))
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// serial is 127 random bits.
func serial() *big.Int {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:])
}

// Pool is the CA alone.
func (ca *CA) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(ca.Certificate)
	return p
}

// TLS is the bus's configuration: the collector's certificate, renewed by itself, and a request for the sensor's, which is
// verified if there is one. Who may connect without is the authenticator's business.
func (ca *CA) TLS() *tls.Config {
	return &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return ca.serverCertificate() },
		ClientCAs:      ca.Pool(), ClientAuth: tls.VerifyClientCertIfGiven, MinVersion: tls.VersionTLS13,
	}
}

func (ca *CA) serverCertificate() (*tls.Certificate, error) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if ca.server != nil && ca.now().Before(ca.server.Leaf.NotAfter.Add(-serverLife/3)) {
		return ca.server, nil
	}
	c, err := ca.serverFor([]string{wire.ServerName}, nil)
	if err != nil {
		return nil, err
	}
	ca.server = c
	return c, nil
}

// serverFor makes a certificate for a server of these names, the first of which is its common name.
func (ca *CA) serverFor(names []string, addrs []net.IP) (*tls.Certificate, error) {
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := ca.now()
	leaf, err := ca.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, IPAddresses: addrs,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(serverLife), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, secret.Public())
	if err != nil {
		return nil, fmt.Errorf("collector's certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw, ca.Certificate.Raw}, PrivateKey: secret, Leaf: leaf}, nil
}

// ServerCertificate makes a certificate and key, in PEM, for a server of a cluster that sensors connect to in the collector's stead:
// it has the collector's name, which sensors ask for, and hosts. It is good between servers too.
func (ca *CA) ServerCertificate(hosts []string) (certificate, key []byte, err error) {
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	now := ca.now()
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: wire.ServerName}, DNSNames: []string{wire.ServerName}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(nodeLife), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, h)
		}
	}
	leaf, err := ca.sign(c, secret.Public())
	if err != nil {
		return nil, nil, fmt.Errorf("server's certificate: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		return nil, nil, err
	}
	return []byte(encode("CERTIFICATE", leaf.Raw) + ca.PEM), []byte(encode("PRIVATE KEY", pkcs8)), nil
}

// sensorCertificate certifies that the key belongs to sensor. It begins a little earlier than now, for clocks that are slow.
func (ca *CA) sensorCertificate(sensor string, key crypto.PublicKey, life time.Duration) (*x509.Certificate, error) {
	now := ca.now()
	return ca.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: sensor}, URIs: []*url.URL{identity(sensor)},
		NotBefore: now.Add(-min(time.Minute, life/10)), NotAfter: now.Add(life), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, key)
}

func (ca *CA) sign(c *x509.Certificate, key crypto.PublicKey) (*x509.Certificate, error) {
	c.SerialNumber, c.KeyUsage, c.BasicConstraintsValid = serial(), x509.KeyUsageDigitalSignature, true
	der, err := x509.CreateCertificate(rand.Reader, c, ca.Certificate, key, ca.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// identity is a sensor's SPIFFE ID.
func identity(sensor string) *url.URL {
	return &url.URL{Scheme: "spiffe", Host: "weir", Path: "/sensor/" + sensor}
}

// Identity is the sensor that a certificate names, by a URI spiffe://<any trust domain>/sensor/<id>.
func Identity(c *x509.Certificate) (sensor string, ok bool) {
	for _, u := range c.URIs {
		id, found := strings.CutPrefix(u.Path, "/sensor/")
		if u.Scheme == "spiffe" && found && wire.CheckName(id) == nil {
			return id, true
		}
	}
	return "", false
}
