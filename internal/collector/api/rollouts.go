package api

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/weir-ips/weir/internal/collector/rollout"
)

// Rollouts keeps rule bundles and brings them to sensors; *rollout.Book is one.
type Rollouts interface {
	Add(text, by string) (rollout.Bundle, error)
	Bundles() []rollout.Bundle
	Text(version string) (string, error)
	Running(scope string) rollout.Assigned
	Compare(from, to string) (rollout.Changes, error)
	Stage(q rollout.Request, by string) (rollout.Rollout, error)
	Rollouts() []rollout.Rollout
	Rollout(id string) (rollout.Rollout, error)
	Promote(id, by string) (rollout.Rollout, error)
	Rollback(id, by string) (rollout.Rollout, error)
}

// maxRuleFaults bounds how many faults one answer lists.
const maxRuleFaults = 100

// RulesError turns an error of Rollouts into one that says whose it is.
func RulesError(err error) error {
	var faults rollout.Faults
	var refused *rollout.Refused
	switch {
	case errors.As(err, &faults):
		var bad Invalid
		for _, f := range faults[:min(len(faults), maxRuleFaults)] {
			bad.Fields = append(bad.Fields, FieldError{Field: f.Pos.String(), Detail: f.Err.Error()})
		}
		return &bad
	case errors.As(err, &refused):
		return &Refused{Reason: refused.Reason}
	case errors.Is(err, rollout.ErrUnknown):
		return ErrNotFound
	}
	return err
}

func (s *Server) listBundles(w http.ResponseWriter, r *http.Request) error {
	if err := query(r).err(); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"bundles": s.opt.Rollouts.Bundles()})
}

// addedBundle is a bundle, and how it differs from what runs.
type addedBundle struct {
	rollout.Bundle
	Changes rollout.Changes `json:"changes"`
}

// addBundle keeps a text, without running it anywhere, and says what it would change in the scope.
func (s *Server) addBundle(w http.ResponseWriter, r *http.Request) error {
	p := query(r, "scope")
	scope := cmp.Or(r.URL.Query().Get("scope"), "all")
	if err := p.err(); err != nil {
		return err
	}
	text, err := readRules(r)
	if err != nil {
		return err
	}
	b, err := s.opt.Rollouts.Add(text, s.actor(r))
	if err != nil {
		return RulesError(err)
	}
	changes, err := s.opt.Rollouts.Compare(s.opt.Rollouts.Running(scope).Version, b.Version)
	if err != nil {
		return RulesError(err)
	}
	if err := s.record(r, "rules.upload", b.Version, map[string]any{"count": b.Count, "bytes": b.Bytes}); err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, addedBundle{b, changes})
}

// compareBundles says how the bundle of the path differs from another, or from what runs in a scope.
func (s *Server) compareBundles(w http.ResponseWriter, r *http.Request) error {
	p := query(r, "from", "scope")
	if err := p.err(); err != nil {
		return err
	}
	q := r.URL.Query()
	from := q.Get("from")
	if !q.Has("from") {
		from = s.opt.Rollouts.Running(cmp.Or(q.Get("scope"), "all")).Version
	}
	changes, err := s.opt.Rollouts.Compare(from, r.PathValue("version"))
	if err != nil {
		return RulesError(err)
	}
	return writeJSON(w, http.StatusOK, changes)
}

func (s *Server) bundleText(w http.ResponseWriter, r *http.Request) error {
	if err := query(r).err(); err != nil {
		return err
	}
	text, err := s.opt.Rollouts.Text(r.PathValue("version"))
	if err != nil {
		return RulesError(err)
	}
	return writeJSON(w, http.StatusOK, map[string]string{"version": r.PathValue("version"), "rules": text})
}

func (s *Server) listRollouts(w http.ResponseWriter, r *http.Request) error {
	if err := query(r).err(); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"rollouts": orEmpty(s.opt.Rollouts.Rollouts())})
}

func (s *Server) getRollout(w http.ResponseWriter, r *http.Request) error {
	if err := query(r).err(); err != nil {
		return err
	}
	got, err := s.opt.Rollouts.Rollout(r.PathValue("id"))
	if err != nil {
		return RulesError(err)
	}
	return writeJSON(w, http.StatusOK, got)
}

func (s *Server) stageRollout(w http.ResponseWriter, r *http.Request) error {
	var q rollout.Request
	if err := readJSON(r, &q); err != nil {
		return err
	}
	staged, err := s.opt.Rollouts.Stage(q, s.actor(r))
	if err != nil {
		return RulesError(err)
	}
	detail := map[string]any{"version": staged.Version, "scope": staged.Scope, "canary": staged.Canary, "counts": staged.Changes.Counts, "auto": staged.Auto}
	if err := s.record(r, "rules.stage", staged.ID, detail); err != nil {
		return err
	}
	w.Header().Set("Location", prefix+"/rules/rollouts/"+staged.ID)
	return writeJSON(w, http.StatusCreated, staged)
}

func (s *Server) promoteRollout(w http.ResponseWriter, r *http.Request) error {
	return s.endRollout(w, r, "rules.promote", s.opt.Rollouts.Promote)
}

func (s *Server) rollbackRollout(w http.ResponseWriter, r *http.Request) error {
	return s.endRollout(w, r, "rules.rollback", s.opt.Rollouts.Rollback)
}

func (s *Server) endRollout(w http.ResponseWriter, r *http.Request, action string, do func(id, by string) (rollout.Rollout, error)) error {
	done, err := do(r.PathValue("id"), s.actor(r))
	if err != nil {
		return RulesError(err)
	}
	if err := s.record(r, action, done.ID, map[string]any{"scope": done.Scope, "version": done.Version, "before": done.Before}); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, done)
}
