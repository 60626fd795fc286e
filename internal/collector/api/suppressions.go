package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

// suppressionStatus says how many alerts of the last 24 hours a suppression describes.
type suppressionStatus struct {
	store.Suppression
	Matched uint64 `json:"matched_24h"`
}

func (s *Server) listSuppressions(w http.ResponseWriter, r *http.Request) error {
	if err := query(r).err(); err != nil {
		return err
	}
	all := []suppressionStatus{}
	for _, x := range s.opt.Alerts.Suppressions() {
		n, err := s.matched(r, x.Query)
		if err != nil {
			return err
		}
		all = append(all, suppressionStatus{x, n})
	}
	return writeJSON(w, http.StatusOK, map[string]any{"suppressions": all})
}

// matched counts alerts of the last 24 hours.
func (s *Server) matched(r *http.Request, query string) (uint64, error) {
	terms, err := store.ParseQuery(query)
	if err != nil {
		return 0, fmt.Errorf("suppression %q: %w", query, err)
	}
	now := time.Now().UTC()
	buckets, err := s.opt.Alerts.Timeline(r.Context(), store.Filter{Terms: terms, Since: now.Add(-24 * time.Hour), Until: now}, time.Hour)
	if err != nil {
		return 0, err
	}
	var n uint64
	for _, b := range buckets {
		n += b.Total
	}
	return n, nil
}

type suppressionRequest struct {
	Query      string `json:"query"`
	Reason     string `json:"reason"`
	TTLSeconds int64  `json:"ttl_seconds"`
}

// maxSuppression is the longest that alerts are kept out of sight: nobody should have to wonder why there are none.
const maxSuppression = 90 * 24 * time.Hour

func (s *Server) addSuppression(w http.ResponseWriter, r *http.Request) error {
	var q suppressionRequest
	if err := readJSON(r, &q); err != nil {
		return err
	}
	var p params
	if p.terms("query", q.Query) == nil && p.err() == nil {
		p.bad("query", "an empty query would hide everything")
	}
	if q.Reason = strings.TrimSpace(q.Reason); q.Reason == "" || len(q.Reason) > maxReason {
		p.bad("reason", fmt.Sprintf("say why, in 1 to %d bytes", maxReason))
	}
	ttl := time.Duration(q.TTLSeconds) * time.Second
	if q.TTLSeconds < 60 || q.TTLSeconds > int64(maxSuppression/time.Second) {
		p.bad("ttl_seconds", fmt.Sprintf("from 60 to %d", int64(maxSuppression/time.Second)))
	}
	if err := p.err(); err != nil {
		return err
	}
	added, err := s.opt.Alerts.Suppress(store.Suppression{
		Query: strings.TrimSpace(q.Query), Reason: q.Reason, CreatedBy: s.actor(r), ExpiresAt: s.now().Add(ttl),
	})
	if errors.Is(err, store.ErrFull) {
		return &Refused{err.Error()}
	}
	if err != nil {
		return err
	}
	if err := s.record(r, "suppression.add", added.ID, map[string]any{"after": added}); err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, added)
}

func (s *Server) removeSuppression(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	was, err := s.opt.Alerts.Unsuppress(id)
	if err != nil {
		return err
	}
	if err := s.record(r, "suppression.remove", id, map[string]any{"before": was}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
