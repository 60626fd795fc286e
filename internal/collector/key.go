package collector

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/internal/collector/enrol"
	"github.com/weir-ips/weir/internal/servicefile"
	"github.com/weir-ips/weir/pkg/wire"
)

// Files in the data directory.
const (
	keyFile           = "collector.key" // seed of the ed25519 key that signs verdicts, base64
	registrationsFile = "sensors.json"
)

// LoadKey reads the key that signs verdicts from the data directory, and makes one the first time.
func LoadKey(data string) (ed25519.PrivateKey, error) {
	path := filepath.Join(data, keyFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("collector's key: %w", err)
	}
	seed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("collector's key: %s is not %d bytes in base64", path, ed25519.SeedSize)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

func makeKey(path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("collector's key: %w", err)
	}
	if err := servicefile.Write(path, []byte(base64.StdEncoding.EncodeToString(key.Seed())+"\n")); err != nil {
		return nil, fmt.Errorf("collector's key: %w", err)
	}
	return key, nil
}

// AddSensor registers a sensor and returns the file that it connects with. A running collector admits it at once. With
// bus.tls.client-ca the sensor needs a certificate, which pair names; it is made by whoever runs that CA.
func AddSensor(cfg *Config, sensor string, pair TLS) (*wire.Credentials, error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	key, err := LoadKey(cfg.Data)
	if err != nil {
		return nil, err
	}
	ca, list, err := OpenEnrolment(cfg)
	if err != nil {
		return nil, err
	}
	if list.Has(sensor) {
		return nil, fmt.Errorf("sensor %q has enrolled already: remove it first to give it a key", sensor)
	}
	creds := &wire.Credentials{Sensor: sensor, Collector: key.Public().(ed25519.PublicKey)}
	if ca != nil {
		creds.CA, creds.ServerName = ca.PEM, wire.ServerName
	} else {
		pem, err := os.ReadFile(cfg.Bus.TLS.Certificate)
		if err != nil {
			return nil, fmt.Errorf("bus.tls.certificate: %w", err)
		}
		creds.CA = string(pem)
	}
	if err := addCertificate(creds, cfg, pair); err != nil {
		return nil, err
	}
	regs, err := Registrations(cfg)
	if err != nil {
		return nil, err
	}
	creds.Seed, err = regs.Add(sensor, time.Now())
	return creds, err
}

func addCertificate(c *wire.Credentials, cfg *Config, pair TLS) error {
	if pair.Certificate == "" {
		if cfg.Bus.TLS.ClientCA != "" {
			return errors.New("bus.tls.client-ca is set: give the sensor a certificate and its key")
		}
		return nil
	}
	if _, err := pair.config(); err != nil {
		return err
	}
	for _, f := range []struct {
		path string
		to   *string
	}{{pair.Certificate, &c.Certificate}, {pair.Key, &c.Key}} {
		pem, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		*f.to = string(pem)
	}
	return nil
}

// Registrations opens the list of sensors that have credentials.
func Registrations(cfg *Config) (*bus.Registrations, error) {
	return bus.OpenRegistrations(filepath.Join(cfg.Data, registrationsFile))
}

func certPool(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("client-ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("client-ca: no certificate in %s", path)
	}
	return pool, nil
}

// OpenEnrolment opens the CA, nil where bus.tls brings other certificates, and the list of tokens and enrolled sensors.
func OpenEnrolment(cfg *Config) (*enrol.CA, *enrol.List, error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, nil, fmt.Errorf("data directory: %w", err)
	}
	var ca *enrol.CA
	if cfg.Bus.TLS.Certificate == "" {
		var err error
		if ca, err = enrol.OpenCA(cfg.Data, cfg.Bus.CA.Certificate, cfg.Bus.CA.Key); err != nil {
			return nil, nil, err
		}
	}
	list, err := enrol.OpenList(cfg.Data, ca)
	return ca, list, err
}

// RemoveSensor takes a sensor's right to connect away, whether it has a key, has enrolled, or has a certificate of another CA.
func RemoveSensor(cfg *Config, sensor string) error {
	if err := wire.CheckName(sensor); err != nil {
		return err
	}
	regs, err := Registrations(cfg)
	if err != nil {
		return err
	}
	_, list, err := OpenEnrolment(cfg)
	if err != nil {
		return err
	}
	external := cfg.Bus.TLS.ClientCA != ""
	if keyed := regs.Has(sensor); keyed {
		if err := regs.Remove(sensor); err != nil || !list.Has(sensor) && !external {
			return err
		}
	}
	return list.Remove(sensor, external)
}
