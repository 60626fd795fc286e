package wire

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"os"
)

// Credentials is the file that `collector sensor add` makes and a sensor connects with. Encoded: JSON.
type Credentials struct {
	Sensor    string            `json:"sensor"`
	Seed      string            `json:"seed"`         // secret half of the sensor's nkey, SU…
	Collector ed25519.PublicKey `json:"collector"`    // signs verdicts
	CA        string            `json:"ca,omitempty"` // PEM certificates that the collector's is checked against; empty: the system's

	Certificate string `json:"certificate,omitempty"` // PEM, for a collector that asks sensors for one (mTLS)
	Key         string `json:"key,omitempty"`         // PEM, of Certificate
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
	case c.Seed == "":
		return nil, fmt.Errorf("read credentials: %s: no seed in it", path)
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
