package wire

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"os"
)

// Credentials is the file that `sensor enroll` or `collector sensor add` makes and a sensor connects with. Encoded: JSON.
type Credentials struct {
	Sensor     string            `json:"sensor"`
	Group      string            `json:"group,omitempty"`
	Seed       string            `json:"seed,omitempty"`        // secret half of the sensor's nkey, SU…; or Certificate alone
	Collector  ed25519.PublicKey `json:"collector"`             // signs verdicts
	CA         string            `json:"ca,omitempty"`          // PEM certificates that the collector's is checked against; empty: the system's
	ServerName string            `json:"server_name,omitempty"` // in the collector's certificate; empty: the URL's host

	Certificate string `json:"certificate,omitempty"` // PEM, for mTLS
	Key         string `json:"key,omitempty"`         // PEM, of Certificate
	Enrolled    bool   `json:"enrolled,omitempty"`    // the collector made Certificate and renews it
}

// LoadCredentials reads the file at path. errors.Is(err, fs.ErrNotExist) when there is none.
func LoadCredentials(path string) (*Credentials, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	c := new(Credentials)
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("read credentials: %s: %w", path, err)
	}
	switch {
	case CheckName(c.Sensor) != nil:
		return nil, fmt.Errorf("read credentials: %s: %w", path, CheckName(c.Sensor))
	case c.Seed == "" && c.Certificate == "":
		return nil, fmt.Errorf("read credentials: %s: neither seed nor certificate in it", path)
	case (c.Certificate == "") != (c.Key == ""):
		return nil, fmt.Errorf("read credentials: %s: certificate and key go together", path)
	case len(c.Collector) != ed25519.PublicKeySize:
		return nil, fmt.Errorf("read credentials: %s: collector's key has %d bytes, want %d", path, len(c.Collector), ed25519.PublicKeySize)
	}
	return c, nil
}

// Encode marshals c for its file, which only its owner should read.
func (c *Credentials) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode credentials: %w", err)
	}
	return append(data, '\n'), nil
}
