package api

import (
	"fmt"
	"net/http"
	"time"
)

// Enrolment is who may connect to the bus.
type Enrolment interface {
	Tokens() []EnrolmentToken
	// CreateToken returns the text that `sensor enroll` takes; it is kept nowhere.
	CreateToken(group string, uses int, life time.Duration) (text, id string, err error)
	RemoveToken(id string) error
	Credentials() []SensorCredential
	// Revoke takes a sensor's right to connect away.
	Revoke(sensor string) error
}

// EnrolmentToken is a token that may still be used.
type EnrolmentToken struct {
	ID        string    `json:"id"`
	Group     string    `json:"group"`
	Uses      int       `json:"uses"` // left
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// SensorCredential is what a sensor connects with.
type SensorCredential struct {
	Sensor    string    `json:"sensor"`
	Kind      string    `json:"kind"` // certificate, key
	Group     string    `json:"group,omitempty"`
	Serials   []string  `json:"serials,omitempty"` // of the certificates that count, newest first
	Key       string    `json:"key,omitempty"`     // public key, of kind key
	Since     time.Time `json:"since"`
	RenewedAt time.Time `json:"renewed_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

func (s *Server) listEnrolmentTokens(w http.ResponseWriter, r *http.Request) error {
	if err := query(r).err(); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"tokens": orEmpty(s.opt.Enrolment.Tokens())})
}

const (
	maxUses         = 10_000
	maxEnrolmentTTL = 30 * 24 * time.Hour
)

func (s *Server) addEnrolmentToken(w http.ResponseWriter, r *http.Request) error {
	q := struct {
		Group      string `json:"group"`
		Uses       int    `json:"uses"`
		TTLSeconds int64  `json:"ttl_seconds"`
	}{Uses: 1, TTLSeconds: 15 * 60}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	var p params
	if q.Uses < 1 || q.Uses > maxUses {
		p.bad("uses", fmt.Sprintf("from 1 to %d", maxUses))
	}
	if q.TTLSeconds < 1 || q.TTLSeconds > int64(maxEnrolmentTTL/time.Second) {
		p.bad("ttl_seconds", fmt.Sprintf("from 1 to %d", int64(maxEnrolmentTTL/time.Second)))
	}
	if err := p.err(); err != nil {
		return err
	}
	text, id, err := s.opt.Enrolment.CreateToken(q.Group, q.Uses, time.Duration(q.TTLSeconds)*time.Second)
	if err != nil {
		return err
	}
	if err := s.record(r, "enrolment-token.add", id, map[string]any{"group": q.Group, "uses": q.Uses, "ttl_seconds": q.TTLSeconds}); err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, map[string]any{"id": id, "token": text})
}

func (s *Server) removeEnrolmentToken(w http.ResponseWriter, r *http.Request) error {
	if err := s.opt.Enrolment.RemoveToken(r.PathValue("id")); err != nil {
		return err
	}
	if err := s.record(r, "enrolment-token.remove", r.PathValue("id"), nil); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) listCredentials(w http.ResponseWriter, r *http.Request) error {
	if err := query(r).err(); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"sensors": orEmpty(s.opt.Enrolment.Credentials())})
}

func (s *Server) revokeSensor(w http.ResponseWriter, r *http.Request) error {
	if err := s.opt.Enrolment.Revoke(r.PathValue("sensor")); err != nil {
		return err
	}
	if err := s.record(r, "sensor.revoke", r.PathValue("sensor"), nil); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
