package uplink

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/weir-ips/weir/pkg/wire"
)

// keyring knows the collector's public key: from the credentials, from an earlier meeting, or from the first beacon, which
// it then keeps. Only the follower's goroutine uses it.
type keyring struct {
	path string // where a key met is kept
	pub  ed25519.PublicKey
	met  bool // by beacon, now or in an earlier run
}

func openKeyring(dir string, c *wire.Credentials) (*keyring, error) {
	k := &keyring{path: filepath.Join(dir, "collector.pub")}
	if c != nil {
		k.pub = c.Collector
		return k, nil
	}
	text, err := os.ReadFile(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return nil, fmt.Errorf("collector's key: %w", err)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("collector's key: %s is not %d bytes in base64: remove it to trust the collector that answers next", k.path, ed25519.PublicKeySize)
	}
	k.pub, k.met = raw, true
	return k, nil
}

// collector is the key, nil before it is known.
func (k *keyring) collector() ed25519.PublicKey { return k.pub }

// openBeacon checks a beacon, and keeps the key of the first.
func (k *keyring) openBeacon(msg []byte) (*wire.Beacon, error) {
	b, err := wire.OpenBeacon(k.pub, msg)
	if err != nil {
		return nil, err
	}
	if k.pub == nil {
		k.pub, k.met = bytes.Clone(b.Key), true
		if err := os.WriteFile(k.path, []byte(base64.StdEncoding.EncodeToString(k.pub)+"\n"), 0o600); err != nil {
			return nil, fmt.Errorf("keep the collector's key: %w", err)
		}
	}
	return b, nil
}

// hint is what to do about a signature that is not the collector's.
func (k *keyring) hint() string {
	if k.met {
		return "if the collector was set up anew, remove " + k.path + " and restart the sensor"
	}
	return "if the collector was set up anew, give the sensor new credentials"
}
