package wire

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
)

// Subjects of surveys: what a verdict would hit, asked of those who see the traffic.
const (
	SubjectSurvey   = "v.survey"
	SubjectFindings = "s.*"
)

// FindingsSubject is where sensor answers surveys.
func FindingsSubject(sensor string) string { return "s." + sensor }

// Limits of surveys.
const (
	SurveyPatience = 2 * time.Second // how long an answer counts after the question
	MaxPeers       = 256             // named in Findings
	maxSurvey      = 4 << 10
	maxFindings    = 32 << 10
)

// Survey asks the sensors of a scope which of their traffic of the last Window a match is about. Encoded as a Delta.
type Survey struct {
	Nonce  uint64        `json:"nonce"`
	Scope  string        `json:"scope"` // empty: every sensor
	Match  verdict.Match `json:"match"`
	Window time.Duration `json:"window"` // ns
}

// Seal encodes and signs s.
func (s *Survey) Seal(key ed25519.PrivateKey) ([]byte, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("seal survey: %w", err)
	}
	return seal(key, sealSurvey, body)
}

// OpenSurvey decodes msg and checks its signature against pub (nil: unchecked).
func OpenSurvey(pub ed25519.PublicKey, msg []byte) (*Survey, error) {
	if len(msg) > maxSurvey {
		return nil, fmt.Errorf("open survey: %w: %d bytes, at most %d", ErrMalformed, len(msg), maxSurvey)
	}
	body, err := unseal(pub, sealSurvey, msg)
	if err != nil {
		return nil, fmt.Errorf("open survey: %w", err)
	}
	s := new(Survey)
	if err := json.Unmarshal(body, s); err != nil {
		return nil, fmt.Errorf("open survey: %w: %w", ErrMalformed, err)
	}
	if s.Window <= 0 || s.Window > 24*time.Hour {
		return nil, fmt.Errorf("open survey: %w: window %v", ErrMalformed, s.Window)
	}
	return s, nil
}

// Findings is a sensor's answer to a survey. What it counts are packets that the verdict would have decided about, and the
// conversations that they belong to. Encoded: JSON.
type Findings struct {
	Sensor      string        `json:"sensor"`
	Nonce       uint64        `json:"nonce"`
	Window      time.Duration `json:"window"` // that the sensor remembers, at most the survey's; ns
	Flows       uint64        `json:"flows"`
	Packets     uint64        `json:"packets"`
	Bytes       uint64        `json:"bytes"`       // of frames
	Established uint64        `json:"established"` // flows that are alive and have proved both ends
	LongLived   uint64        `json:"long_lived"`  // of those, flows of more than five minutes
	Peers       []netip.Addr  `json:"peers,omitempty"`
	PeerCount   uint64        `json:"peer_count"` // distinct addresses at the other end; at least that many if Partial
	Partial     bool          `json:"partial,omitempty"`
}

// LongLived is the age from which a conversation is somebody's work that a drop would end.
const LongLived = 5 * time.Minute

// Encode marshals f.
func (f *Findings) Encode() ([]byte, error) {
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("encode findings: %w", err)
	}
	return json.Marshal(f)
}

// DecodeFindings undoes Encode.
func DecodeFindings(msg []byte) (*Findings, error) {
	if len(msg) > maxFindings {
		return nil, fmt.Errorf("decode findings: %w: %d bytes, at most %d", ErrMalformed, len(msg), maxFindings)
	}
	f := new(Findings)
	if err := json.Unmarshal(msg, f); err != nil {
		return nil, fmt.Errorf("decode findings: %w: %w", ErrMalformed, err)
	}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("decode findings: %w", err)
	}
	return f, nil
}

func (f *Findings) check() error {
	if err := CheckName(f.Sensor); err != nil {
		return fmt.Errorf("%w: sensor: %w", ErrMalformed, err)
	}
	if len(f.Peers) > MaxPeers || uint64(len(f.Peers)) > f.PeerCount {
		return fmt.Errorf("%w: %d peers named of %d, at most %d", ErrMalformed, len(f.Peers), f.PeerCount, MaxPeers)
	}
	return nil
}
