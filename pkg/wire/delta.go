package wire

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
)

// Op is what a delta does to the set of verdicts.
type Op string

// Operations. Revoke is a Remove that a person ordered: until the verdict would have expired, automation does not bring
// it back.
const (
	OpAdd    Op = "add" // or replace, when the id is in the set
	OpRemove Op = "remove"
	OpRevoke Op = "revoke"
)

// Delta is one entry of the verdict log. Seq grows by exactly 1 within an Epoch (an entry that changes very many verdicts exists
// only as a snapshot); a new Epoch, always greater, means that the
// log was lost and every sensor starts from a snapshot. Encoded: an ed25519 signature (64 bytes), then JSON.
type Delta struct {
	Epoch   uint64           `json:"epoch"`
	Seq     uint64           `json:"seq"`
	Op      Op               `json:"op"`
	ID      string           `json:"id,omitempty"`      // of the verdict that goes, for OpRemove and OpRevoke
	Verdict *verdict.Verdict `json:"verdict,omitempty"` // for OpAdd
	By      string           `json:"by,omitempty"`      // who removed it; "expiry" when its time was up
	Until   time.Time        `json:"until,omitzero"`    // for OpRevoke: when automation may decide anew
}

// maxDelta bounds an encoded delta in bytes.
const maxDelta = 16 << 10

// Seal encodes and signs d.
func (d *Delta) Seal(key ed25519.PrivateKey) ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("seal delta %d/%d: %w", d.Epoch, d.Seq, err)
	}
	body, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("seal delta %d/%d: %w", d.Epoch, d.Seq, err)
	}
	return seal(key, sealDelta, body)
}

// OpenDelta decodes msg and checks its signature against pub (nil: unchecked).
func OpenDelta(pub ed25519.PublicKey, msg []byte) (*Delta, error) {
	if len(msg) > maxDelta {
		return nil, fmt.Errorf("open delta: %w: %d bytes, at most %d", ErrMalformed, len(msg), maxDelta)
	}
	body, err := unseal(pub, sealDelta, msg)
	if err != nil {
		return nil, fmt.Errorf("open delta: %w", err)
	}
	d := new(Delta)
	if err := json.Unmarshal(body, d); err != nil {
		return nil, fmt.Errorf("open delta: %w: %w", ErrMalformed, err)
	}
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("open delta: %w", err)
	}
	return d, nil
}

func (d *Delta) check() error {
	switch d.Op {
	case OpAdd:
		if d.Verdict == nil {
			return fmt.Errorf("%w: add without a verdict", ErrMalformed)
		}
		if d.Verdict.Epoch != d.Epoch || d.Verdict.Seq != d.Seq {
			return fmt.Errorf("%w: verdict is numbered %d/%d, its delta %d/%d", ErrMalformed, d.Verdict.Epoch, d.Verdict.Seq, d.Epoch, d.Seq)
		}
		return CheckVerdict(d.Verdict)
	case OpRemove, OpRevoke:
		return checkID(d.ID)
	}
	return fmt.Errorf("%w: op %q is not add, remove or revoke", ErrMalformed, d.Op)
}

// Limits of a verdict's fields in bytes, beside pkg/verdict's own.
const (
	maxPerson     = 128
	maxEvidenceID = 256
)

// CheckVerdict says whether v is fit to travel: well-formed, and nothing oversized. What a verdict may do is not its matter
// but the collector's policy's and each sensor's guard's.
func CheckVerdict(v *verdict.Verdict) error {
	if err := v.Validate(); err != nil {
		return fmt.Errorf("%w: verdict %.128q: %w", ErrMalformed, v.ID, err)
	}
	switch {
	case v.Match.Src.Addr().Is4In6() || v.Match.Dst.Addr().Is4In6():
		return fmt.Errorf("%w: verdict %s: an IPv4 address in IPv6 form", ErrMalformed, v.ID)
	case len(v.CreatedBy) > maxPerson || len(v.ApprovedBy) > maxPerson:
		return fmt.Errorf("%w: verdict %s: name of more than %d bytes", ErrMalformed, v.ID, maxPerson)
	}
	for _, e := range v.Evidence {
		if len(e) > maxEvidenceID {
			return fmt.Errorf("%w: verdict %s: evidence id of %d bytes, at most %d", ErrMalformed, v.ID, len(e), maxEvidenceID)
		}
	}
	if v.Scope != "" {
		if err := CheckName(v.Scope); err != nil {
			return fmt.Errorf("%w: verdict %s: scope: %w", ErrMalformed, v.ID, err)
		}
	}
	return nil
}

func checkID(id string) error {
	if id == "" || len(id) > verdict.MaxID {
		return fmt.Errorf("%w: verdict id of %d bytes is not 1-%d long", ErrMalformed, len(id), verdict.MaxID)
	}
	return nil
}

// ScopeAll is the scope of a verdict for every sensor; the empty scope means the same.
const ScopeAll = "all"

// InScope reports whether a verdict of that scope is for the sensor or its group.
func InScope(scope, sensor, group string) bool {
	return scope == "" || scope == ScopeAll || scope == sensor || scope == group && group != ""
}
