package api

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/weir-ips/weir/internal/collector/identity"
)

func (s *Server) listSearches(w http.ResponseWriter, r *http.Request) error {
	if err := query(r).err(); err != nil {
		return err
	}
	all, err := s.opt.Identity.Searches(r.Context(), caller(r).Name)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"searches": all})
}

const (
	maxSearchName = 100
	maxSearchText = 4096
)

func (s *Server) saveSearch(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Name   string `json:"name"`
		Query  string `json:"query"`
		Place  string `json:"place"`
		Shared bool   `json:"shared"`
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	var p params
	if q.Name = strings.TrimSpace(q.Name); q.Name == "" || len(q.Name) > maxSearchName {
		p.bad("name", fmt.Sprintf("1 to %d bytes", maxSearchName))
	}
	for field, text := range map[string]string{"query": q.Query, "place": q.Place} {
		if len(text) > maxSearchText {
			p.bad(field, fmt.Sprintf("longer than %d bytes", maxSearchText))
		}
	}
	p.terms("query", q.Query)
	if err := p.err(); err != nil {
		return err
	}
	saved, err := s.opt.Identity.SaveSearch(r.Context(), identity.Search{Owner: caller(r).Name, Name: q.Name, Query: q.Query, Place: q.Place, Shared: q.Shared})
	if err != nil {
		return err
	}
	if err := s.record(r, "search.save", saved.ID, map[string]any{"after": saved}); err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, saved)
}

func (s *Server) removeSearch(w http.ResponseWriter, r *http.Request) error {
	owner, err := mine(r, caller(r).May(identity.Admin))
	if err != nil {
		return err
	}
	was, err := s.opt.Identity.RemoveSearch(r.Context(), r.PathValue("id"), owner)
	if err != nil {
		return err
	}
	if err := s.record(r, "search.remove", was.ID, map[string]any{"before": was}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
