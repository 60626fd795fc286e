package api

import (
	"context"
	"net/http"
	"time"
)

// Exports is the destinations that events are handed to. Its methods write the audit log themselves.
type Exports interface {
	Add(ctx context.Context, q NewExport, by string) error
	Remove(ctx context.Context, name, by string) error
	// Test hands the destination one event that says it is a test, and waits until it is taken.
	Test(ctx context.Context, name, by string) (took time.Duration, err error)
}

// NewExport asks for a destination.
type NewExport struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"` // webhook, slack, pagerduty, syslog, http
	URL      string   `json:"url"`
	Secret   string   `json:"secret,omitempty"` // HMAC key, routing key or Authorization header; never shown again
	Events   []string `json:"events,omitempty"` // alert, verdict, incident
	Severity uint8    `json:"severity,omitempty"`
	Format   string   `json:"format,omitempty"`
}

func (s *Server) addExport(w http.ResponseWriter, r *http.Request) error {
	var q NewExport
	if err := readJSON(r, &q); err != nil {
		return err
	}
	if err := s.opt.Exports.Add(r.Context(), q, s.actor(r)); err != nil {
		return err
	}
	for _, e := range s.opt.Settings().Exports {
		if e.Name == q.Name {
			return writeJSON(w, http.StatusCreated, e)
		}
	}
	return ErrNotFound
}

func (s *Server) removeExport(w http.ResponseWriter, r *http.Request) error {
	if err := s.opt.Exports.Remove(r.Context(), r.PathValue("name"), s.actor(r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) testExport(w http.ResponseWriter, r *http.Request) error {
	took, err := s.opt.Exports.Test(r.Context(), r.PathValue("name"), s.actor(r))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]int64{"took_ms": took.Milliseconds()})
}
