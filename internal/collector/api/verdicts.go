package api

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/identity"
	"github.com/weir-ips/weir/pkg/verdict"
)

func (s *Server) listVerdicts(w http.ResponseWriter, r *http.Request) error {
	p := query(r, "address")
	address := p.prefix("address")
	if err := p.err(); err != nil {
		return err
	}
	all, err := s.opt.Verdicts.List(r.Context())
	if err != nil {
		return err
	}
	if address.IsValid() {
		all = slices.DeleteFunc(all, func(v VerdictStatus) bool { return !concerns(&v.Match, address) })
	}
	return writeJSON(w, http.StatusOK, map[string]any{"verdicts": orEmpty(all)})
}

func (s *Server) addVerdict(w http.ResponseWriter, r *http.Request) error {
	v, err := s.readVerdict(r)
	if err != nil {
		return err
	}
	if err := mayDecide(r, &v); err != nil {
		return err
	}
	added, err := s.opt.Verdicts.Add(r.Context(), v)
	if err != nil {
		return s.orWait(w, r, err)
	}
	if err := s.record(r, "verdict.add", added.ID, map[string]any{"after": added}); err != nil {
		return err
	}
	w.Header().Set("Location", prefix+"/verdicts/"+added.ID)
	return writeJSON(w, http.StatusCreated, added)
}

// ResponderTTL is the longest that a responder may decide for; beyond it an approver must.
const ResponderTTL = 24 * time.Hour

func mayDecide(r *http.Request, v *verdict.Verdict) error {
	if v.ExpiresAt.Sub(v.CreatedAt) > ResponderTTL && !caller(r).May(identity.Approver) {
		return fmt.Errorf("%w: longer than %s needs the role %s", errMayNot, ResponderTTL, identity.Approver)
	}
	return nil
}

func (s *Server) previewVerdict(w http.ResponseWriter, r *http.Request) error {
	v, err := s.readVerdict(r)
	if err != nil {
		return err
	}
	p, err := s.opt.Verdicts.Preview(r.Context(), v)
	if err != nil {
		return err
	}
	p.Traffic.Missing = orEmpty(p.Traffic.Missing)
	p.Targets, p.Duplicates, p.Warnings = orEmpty(p.Targets), orEmpty(p.Duplicates), orEmpty(p.Warnings)
	return writeJSON(w, http.StatusOK, p)
}

func (s *Server) removeVerdict(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	was, err := s.opt.Verdicts.Remove(r.Context(), id, s.actor(r))
	if err != nil {
		return err
	}
	if err := s.record(r, "verdict.remove", id, map[string]any{"before": was}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// concerns reports whether m is about some of the addresses of p.
func concerns(m *verdict.Match, p netip.Prefix) bool {
	if m.Flow != nil {
		return p.Contains(m.Flow.Src.Addr().Unmap()) || p.Contains(m.Flow.Dst.Addr().Unmap())
	}
	return m.Src.IsValid() && m.Src.Overlaps(p) || m.Dst.IsValid() && m.Dst.Overlaps(p)
}

// extendVerdict replaces a verdict by the same for longer: the new one is in force before the old one ends.
func (s *Server) extendVerdict(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		TTLSeconds int64  `json:"ttl_seconds"`
		Reason     string `json:"reason"` // empty: as before
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	if q.TTLSeconds < 1 || q.TTLSeconds > int64(MaxTTL/time.Second) {
		return invalid("ttl_seconds", fmt.Sprintf("from 1 to %d", int64(MaxTTL/time.Second)))
	}
	if len(q.Reason) > maxReason {
		return invalid("reason", fmt.Sprintf("longer than %d bytes", maxReason))
	}
	old, err := s.liveVerdict(r)
	if err != nil {
		return err
	}
	v := old.Verdict
	v.CreatedAt = s.now()
	v.ExpiresAt = v.CreatedAt.Add(time.Duration(q.TTLSeconds) * time.Second)
	v.CreatedBy, v.Origin, v.ApprovedBy, v.Reason = s.actor(r), verdict.OriginAnalyst, "", cmp.Or(strings.TrimSpace(q.Reason), v.Reason)
	if err := mayDecide(r, &v); err != nil {
		return err
	}
	added, err := s.opt.Verdicts.Add(r.Context(), v)
	if err != nil {
		return s.orWait(w, r, err)
	}
	if added.ID != old.ID {
		if _, err := s.opt.Verdicts.Remove(r.Context(), old.ID, s.actor(r)); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	if err := s.record(r, "verdict.extend", added.ID, map[string]any{"before": old, "after": added}); err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, added)
}

func (s *Server) liveVerdict(r *http.Request) (VerdictStatus, error) {
	all, err := s.opt.Verdicts.List(r.Context())
	if err != nil {
		return VerdictStatus{}, err
	}
	i := slices.IndexFunc(all, func(v VerdictStatus) bool { return v.ID == r.PathValue("id") && v.State == "active" })
	if i < 0 {
		return VerdictStatus{}, fmt.Errorf("live verdict %s: %w", r.PathValue("id"), ErrNotFound)
	}
	return all[i], nil
}

// hitsAnswer is packets and bytes a second that a verdict stopped, or would have.
type hitsAnswer struct {
	Since       time.Time `json:"since"`
	Until       time.Time `json:"until"`
	StepSeconds int64     `json:"step_seconds"`
	Packets     []float64 `json:"packets"`
	Bytes       []float64 `json:"bytes"`
}

func (s *Server) verdictHits(w http.ResponseWriter, r *http.Request) error {
	now := time.Now().UTC()
	p := query(r, "since")
	span := time.Hour
	if from := p.moment("since", now); !from.IsZero() {
		span = now.Sub(from)
	}
	if err := p.err(); err != nil {
		return err
	}
	win := windowOf(min(span, max(now.Sub(s.history.began), shortest)), now)
	until := time.Unix(0, win.end*int64(win.width)).UTC()
	s.history.mu.RLock()
	packets, bytes := s.history.rates(kindHits, r.PathValue("id"), win), s.history.rates(kindHitSize, r.PathValue("id"), win)
	s.history.mu.RUnlock()
	return writeJSON(w, http.StatusOK, hitsAnswer{until.Add(-time.Duration(win.n) * win.width), until, int64(win.width / time.Second), packets, bytes})
}

// readVerdict makes a verdict of the request's body, in the name of the user.
func (s *Server) readVerdict(r *http.Request) (verdict.Verdict, error) {
	var req verdictRequest
	if err := readJSON(r, &req); err != nil {
		return verdict.Verdict{}, err
	}
	v, err := req.verdict(s.now())
	if err != nil {
		return verdict.Verdict{}, err
	}
	v.CreatedBy, v.Origin = s.actor(r), verdict.OriginAnalyst
	return v, nil
}

// orEmpty makes lists that are empty, not null, in JSON.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
