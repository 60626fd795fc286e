package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

func (s *Server) listAlerts(w http.ResponseWriter, r *http.Request) error {
	p := query(r, append(listParams, "limit", "cursor")...)
	f := p.filter(time.Now())
	limit := p.number("limit", 1, store.MaxLimit, 100)
	if err := p.err(); err != nil {
		return err
	}
	page, err := s.opt.Alerts.Search(r.Context(), f, p.values.Get("cursor"), int(limit))
	if errors.Is(err, store.ErrCursor) {
		return invalid("cursor", err.Error())
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, page)
}

func (s *Server) getAlert(w http.ResponseWriter, r *http.Request) error {
	a, err := s.opt.Alerts.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, a)
}
