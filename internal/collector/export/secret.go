package export

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
)

// Secret is where a secret is found: configuration files are read by many.
type Secret struct {
	File string `yaml:"file"`
	Env  string `yaml:"env"`
	Text string `yaml:"-"` // itself, where it was given while the collector runs
}

// Set reports whether there is one.
func (s *Secret) Set() bool { return s.File != "" || s.Env != "" || s.Text != "" }

// Check says what is wrong: the key and the reason.
func (s *Secret) Check() (key, reason string) {
	if s.File != "" && s.Env != "" {
		return "env", "a secret comes from a file or from the environment, not from both"
	}
	return "", ""
}

// Value reads the secret, without white space around it; "" if there is none.
func (s *Secret) Value() (string, error) {
	text := ""
	switch {
	case s.File != "":
		b, err := os.ReadFile(s.File)
		if err != nil {
			return "", fmt.Errorf("secret: %w", err)
		}
		text = string(b)
	case s.Env != "":
		text = os.Getenv(s.Env)
	case s.Text != "":
		text = s.Text
	default:
		return "", nil
	}
	if text = strings.TrimSpace(text); text == "" {
		return "", fmt.Errorf("secret: %s%s is empty", s.File, s.Env)
	}
	return text, nil
}

// client loads the files.
func (t *TLS) client() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca: no certificate in %s", t.CA)
		}
	}
	if t.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
		if err != nil {
			return nil, fmt.Errorf("tls.certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
