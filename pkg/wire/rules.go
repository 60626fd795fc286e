package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// SubjectRules is where a sensor asks for the rules whose version the beacon names.
const SubjectRules = "cfg.rules"

// PartRules is the kind of the parts of the answer: the text in pieces.
const PartRules = "rules"

// MaxRules bounds a rule text in bytes.
const MaxRules = 64 << 20

// RulesVersion names a rule text: its SHA-256 in hex; no text has no version.
func RulesVersion(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// RulesRequest asks for the rule text of a version. Encoded: JSON. Answered by SyncParts of kind PartRules, or not at all if
// the collector has another version by now: the next beacon names it.
type RulesRequest struct {
	Sensor  string `json:"sensor"`
	Version string `json:"version"`
	Nonce   uint64 `json:"nonce"`
}

// Encode marshals r.
func (r *RulesRequest) Encode() ([]byte, error) { return json.Marshal(r) }

// DecodeRulesRequest undoes Encode.
func DecodeRulesRequest(msg []byte) (*RulesRequest, error) {
	if len(msg) > maxSyncRequest {
		return nil, fmt.Errorf("decode rules request: %w: %d bytes, at most %d", ErrMalformed, len(msg), maxSyncRequest)
	}
	r := new(RulesRequest)
	if err := json.Unmarshal(msg, r); err != nil {
		return nil, fmt.Errorf("decode rules request: %w: %w", ErrMalformed, err)
	}
	if err := CheckName(r.Sensor); err != nil {
		return nil, fmt.Errorf("decode rules request: %w: sensor: %w", ErrMalformed, err)
	}
	return r, nil
}

// RulesParts cuts a rule text, at least one byte long, into parts.
func RulesParts(text []byte) ([]SyncPart, error) {
	if len(text) > MaxRules {
		return nil, fmt.Errorf("rules of %d bytes, at most %d", len(text), MaxRules)
	}
	pk := packer{kind: PartRules}
	for len(text) > partBytes {
		pk.add(text[:partBytes])
		text = text[partBytes:]
	}
	return pk.finish(text)
}
