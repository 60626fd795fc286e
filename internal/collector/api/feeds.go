package api

import (
	"context"
	"net/http"
	"time"
)

// Feeds is the lists of addresses that come from elsewhere.
type Feeds interface {
	List() []Feed
	// Accept fetches a list again and applies it however much it has changed. It writes the audit log itself.
	Accept(ctx context.Context, name, by string) error
}

// Feed is one list and how it fares.
type Feed struct {
	Name         string    `json:"name"`
	URL          string    `json:"url"`
	Format       string    `json:"format"`
	Action       string    `json:"action"` // observe, drop
	Scope        string    `json:"scope"`
	EverySeconds int64     `json:"every_seconds"`
	State        string    `json:"state"`   // waiting (not fetched yet), ok, held (has changed too much: a person must accept it), failed
	Entries      int       `json:"entries"` // in force
	Error        string    `json:"error,omitempty"`
	TriedAt      time.Time `json:"tried_at,omitzero"`
	RenewedAt    time.Time `json:"renewed_at,omitzero"` // last good fetch
}

func (s *Server) listFeeds(w http.ResponseWriter, r *http.Request) error {
	if err := query(r).err(); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"feeds": orEmpty(s.opt.Feeds.List())})
}

func (s *Server) acceptFeed(w http.ResponseWriter, r *http.Request) error {
	if err := s.opt.Feeds.Accept(r.Context(), r.PathValue("name"), s.actor(r)); err != nil {
		return err
	}
	for _, f := range s.opt.Feeds.List() {
		if f.Name == r.PathValue("name") {
			return writeJSON(w, http.StatusOK, f)
		}
	}
	return ErrNotFound
}
