package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Feeds is the lists of addresses that come from elsewhere.
type Feeds interface {
	List() []Feed
	// Accept fetches a list again and applies it however much it has changed. It writes the audit log itself.
	Accept(ctx context.Context, name, by string) error
	Add(ctx context.Context, q NewFeed, by string) error
	// Pause takes what a feed has listed out of force and leaves it alone until Resume.
	Pause(ctx context.Context, name, reason, by string) error
	Resume(ctx context.Context, name, by string) error
	// Remove ends a feed that was added; those of collector.yaml are *Refused.
	Remove(ctx context.Context, name, by string) error
}

// NewFeed asks for a feed: of a list at an address, or of one that is given.
type NewFeed struct {
	Name         string `json:"name"`
	URL          string `json:"url,omitempty"` // https:// or http://
	List         string `json:"list,omitempty"`
	Format       string `json:"format,omitempty"` // empty: found out
	Action       string `json:"action,omitempty"` // observe unless said otherwise, or drop
	Scope        string `json:"scope,omitempty"`
	EverySeconds int64  `json:"every_seconds,omitempty"`
}

// FeedPaused is the state of a feed that a person has paused.
const FeedPaused = "paused"

// Feed is one list and how it fares.
type Feed struct {
	Name         string    `json:"name"`
	URL          string    `json:"url"`
	Format       string    `json:"format"`
	Action       string    `json:"action"` // observe, drop
	Scope        string    `json:"scope"`
	EverySeconds int64     `json:"every_seconds"`
	State        string    `json:"state"`    // waiting (not fetched yet), ok, held (has changed too much: a person must accept it), failed, paused
	Entries      int       `json:"entries"`  // in force
	LeftOut      int       `json:"left_out"` // of the list: private, reserved and protected addresses, and what others cover
	Error        string    `json:"error,omitempty"`
	TriedAt      time.Time `json:"tried_at,omitzero"`
	RenewedAt    time.Time `json:"renewed_at,omitzero"` // last good fetch
	AddedBy      string    `json:"added_by,omitempty"`  // empty: configured in collector.yaml
	Own          bool      `json:"own"`                 // the list itself was given
	PausedBy     string    `json:"paused_by,omitempty"`
	PausedAt     time.Time `json:"paused_at,omitzero"`
	PausedWhy    string    `json:"paused_why,omitempty"`
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
	return s.showFeed(w, http.StatusOK, r.PathValue("name"))
}

func (s *Server) showFeed(w http.ResponseWriter, status int, name string) error {
	for _, f := range s.opt.Feeds.List() {
		if f.Name == name {
			return writeJSON(w, status, f)
		}
	}
	return ErrNotFound
}

func (s *Server) addFeed(w http.ResponseWriter, r *http.Request) error {
	var q NewFeed
	if err := readJSON(r, &q); err != nil {
		return err
	}
	if (q.URL == "") == (q.List == "") {
		return invalid("url", "give the address of a list, or the list itself")
	}
	if u, err := url.Parse(q.URL); q.URL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		return invalid("url", fmt.Sprintf("%q is not of the form https://host/path", q.URL)) // a file's path would read the host's files
	}
	if err := s.opt.Feeds.Add(r.Context(), q, s.actor(r)); err != nil {
		return err
	}
	return s.showFeed(w, http.StatusCreated, q.Name)
}

func (s *Server) pauseFeed(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Reason string `json:"reason"`
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	if q.Reason = strings.TrimSpace(q.Reason); q.Reason == "" || len(q.Reason) > maxReason {
		return invalid("reason", fmt.Sprintf("say why, in 1 to %d bytes", maxReason))
	}
	if err := s.opt.Feeds.Pause(r.Context(), r.PathValue("name"), q.Reason, s.actor(r)); err != nil {
		return err
	}
	return s.showFeed(w, http.StatusOK, r.PathValue("name"))
}

func (s *Server) resumeFeed(w http.ResponseWriter, r *http.Request) error {
	if err := s.opt.Feeds.Resume(r.Context(), r.PathValue("name"), s.actor(r)); err != nil {
		return err
	}
	return s.showFeed(w, http.StatusOK, r.PathValue("name"))
}

func (s *Server) removeFeed(w http.ResponseWriter, r *http.Request) error {
	if err := s.opt.Feeds.Remove(r.Context(), r.PathValue("name"), s.actor(r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
