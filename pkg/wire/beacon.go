package wire

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"time"
)

// Beacon says every BeaconEvery where the verdict log stands: a sensor finds a lost last delta by Seq, drift by Hash, and an
// absent collector by silence. Encoded as a Delta.
type Beacon struct {
	Epoch uint64            `json:"epoch"`
	Seq   uint64            `json:"seq"`
	Count int               `json:"count"`           // verdicts in the set
	Hash  uint64            `json:"hash"`            // of the set: see Set.Hash
	Time  time.Time         `json:"time"`            // the collector's clock
	Rules string            `json:"rules,omitempty"` // RulesVersion of the collector's rules, "" if it has none
	Other map[string]string `json:"other,omitempty"` // RulesVersion by group or sensor that has other rules; at most MaxBundles
	Key   ed25519.PublicKey `json:"key"`             // the collector's, for a sensor that meets it for the first time
	Kill  KillSwitch        `json:"kill,omitzero"`
}

// MaxBundles bounds Beacon.Other.
const MaxBundles = 16

const maxBeacon = 8192

// RulesFor is the version of the rules that a sensor is to run: its own, its group's, or everybody's.
func (b *Beacon) RulesFor(sensor, group string) string {
	for _, scope := range []string{sensor, group} {
		if v, ok := b.Other[scope]; ok && scope != "" {
			return v
		}
	}
	return b.Rules
}

// Seal encodes and signs b; Key becomes key's public half.
func (b *Beacon) Seal(key ed25519.PrivateKey) ([]byte, error) {
	b.Key = key.Public().(ed25519.PublicKey)
	body, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("seal beacon: %w", err)
	}
	return seal(key, sealBeacon, body)
}

// OpenBeacon decodes msg. With pub nil the signature is checked against the key in the beacon itself, which proves only that
// the sender holds that key: pin it and pass it next time.
func OpenBeacon(pub ed25519.PublicKey, msg []byte) (*Beacon, error) {
	if len(msg) > maxBeacon {
		return nil, fmt.Errorf("open beacon: %w: %d bytes, at most %d", ErrMalformed, len(msg), maxBeacon)
	}
	body, err := unseal(pub, sealBeacon, msg)
	if err != nil {
		return nil, fmt.Errorf("open beacon: %w", err)
	}
	b := new(Beacon)
	if err := json.Unmarshal(body, b); err != nil {
		return nil, fmt.Errorf("open beacon: %w: %w", ErrMalformed, err)
	}
	if len(b.Key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("open beacon: %w: key of %d bytes, want %d", ErrMalformed, len(b.Key), ed25519.PublicKeySize)
	}
	if err := b.Kill.Check(); err != nil {
		return nil, fmt.Errorf("open beacon: %w: %w", ErrMalformed, err)
	}
	if len(b.Other) > MaxBundles {
		return nil, fmt.Errorf("open beacon: %w: rules of %d scopes, at most %d", ErrMalformed, len(b.Other), MaxBundles)
	}
	if pub == nil {
		if _, err := unseal(b.Key, sealBeacon, msg); err != nil {
			return nil, fmt.Errorf("open beacon: %w", err)
		}
	}
	return b, nil
}
