package api

import (
	"net/http"

	"github.com/weir-ips/weir/pkg/verdict"
)

func (s *Server) listVerdicts(w http.ResponseWriter, r *http.Request) error {
	if err := query(r).err(); err != nil {
		return err
	}
	all, err := s.opt.Verdicts.List(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"verdicts": orEmpty(all)})
}

func (s *Server) addVerdict(w http.ResponseWriter, r *http.Request) error {
	v, err := s.readVerdict(r)
	if err != nil {
		return err
	}
	added, err := s.opt.Verdicts.Add(r.Context(), v)
	if err != nil {
		return err
	}
	if err := s.record(r, "verdict.add", added.ID, map[string]any{"after": added}); err != nil {
		return err
	}
	w.Header().Set("Location", prefix+"/verdicts/"+added.ID)
	return writeJSON(w, http.StatusCreated, added)
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
