package wire

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
)

// ServerName is the name in the collector's own certificate. Sensors ask for it, whatever address or load balancer they reach
// the collector by.
const ServerName = "collector.weir.internal"

// Wildcards over the subjects of enrolment, which the collector answers.
const (
	SubjectEnrol = "enrol.*" // token id
	SubjectRenew = "renew.*" // sensor
)

// EnrolSubject is where the holder of a token asks for its first certificate.
func EnrolSubject(token string) string { return "enrol." + token }

// RenewSubject is where sensor asks for its next certificate, over a connection made with the present one.
func RenewSubject(sensor string) string { return "renew." + sensor }

// EnrolRequest asks for a certificate. Encoded: JSON.
type EnrolRequest struct {
	Sensor string `json:"sensor"`
	CSR    []byte `json:"csr"` // PKCS #10, DER; only its key is used
}

// EnrolReply carries the certificate, or why there is none. Encoded: JSON.
type EnrolReply struct {
	Error       string            `json:"error,omitempty"`
	Certificate string            `json:"certificate,omitempty"` // PEM
	CA          string            `json:"ca,omitempty"`          // PEM
	Collector   ed25519.PublicKey `json:"collector,omitempty"`   // signs verdicts
	Group       string            `json:"group,omitempty"`
}

// Bounds of encoded messages in bytes.
const (
	maxEnrolRequest = 8 << 10
	maxEnrolReply   = 64 << 10
)

// Encode marshals r.
func (r *EnrolRequest) Encode() ([]byte, error) { return json.Marshal(r) }

// DecodeEnrolRequest undoes Encode.
func DecodeEnrolRequest(msg []byte) (*EnrolRequest, error) {
	r := new(EnrolRequest)
	if err := decodeJSON(msg, maxEnrolRequest, r); err != nil {
		return nil, fmt.Errorf("decode enrolment request: %w", err)
	}
	if err := CheckName(r.Sensor); err != nil {
		return nil, fmt.Errorf("decode enrolment request: %w: sensor: %w", ErrMalformed, err)
	}
	return r, nil
}

// Encode marshals r.
func (r *EnrolReply) Encode() ([]byte, error) { return json.Marshal(r) }

// DecodeEnrolReply undoes Encode.
func DecodeEnrolReply(msg []byte) (*EnrolReply, error) {
	r := new(EnrolReply)
	if err := decodeJSON(msg, maxEnrolReply, r); err != nil {
		return nil, fmt.Errorf("decode enrolment reply: %w", err)
	}
	if r.Error == "" && (r.Certificate == "" || r.CA == "" || len(r.Collector) != ed25519.PublicKeySize) {
		return nil, fmt.Errorf("decode enrolment reply: %w: certificate, CA or collector's key is missing", ErrMalformed)
	}
	return r, nil
}

func decodeJSON(msg []byte, limit int, into any) error {
	if len(msg) > limit {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrMalformed, len(msg), limit)
	}
	if err := json.Unmarshal(msg, into); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}
