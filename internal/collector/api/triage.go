package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

// triageRequest decides about alerts: those of ids, or all that match.
type triageRequest struct {
	IDs   []string `json:"ids"`
	Match *struct {
		Query string `json:"query"`
		Since string `json:"since"` // as the parameters of a list
		Until string `json:"until"`
		Hide  bool   `json:"hide"`
	} `json:"match"`
	State    string  `json:"state"`
	Assignee *string `json:"assignee"` // "" takes it away
	Comment  string  `json:"comment"`
}

const (
	maxIDs     = 1000
	maxComment = 2000
)

// bulkTimeout is for decisions about everything that matches, which may be millions.
const bulkTimeout = 5 * time.Minute

func (s *Server) triage(w http.ResponseWriter, r *http.Request) error {
	var q triageRequest
	if err := readJSON(r, &q); err != nil {
		return err
	}
	t, f, err := q.read(time.Now())
	if err != nil {
		return err
	}
	t.Actor = s.actor(r)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), bulkTimeout)
	defer cancel()
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(bulkTimeout))
	changed, object := len(q.IDs), strings.Join(q.IDs, " ")
	for _, id := range q.IDs {
		if err := s.opt.Alerts.TriageOne(ctx, id, t); err != nil {
			return err
		}
	}
	if q.Match != nil {
		object = q.Match.Query
		if changed, err = s.opt.Alerts.Triage(ctx, f, t); err != nil {
			return err
		}
	}
	if err := s.record(r, "alerts.triage", shorten(object), map[string]any{"decision": q, "changed": changed}); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]int{"changed": changed})
}

func (q *triageRequest) read(now time.Time) (store.Triage, store.Filter, error) {
	var p params
	var f store.Filter
	q.Comment = strings.TrimSpace(q.Comment)
	switch {
	case (len(q.IDs) > 0) == (q.Match != nil):
		p.bad("ids", "give either ids or match")
	case len(q.IDs) > maxIDs:
		p.bad("ids", fmt.Sprintf("more than %d", maxIDs))
	case q.Match != nil:
		f.Terms, f.Hide = p.terms("match.query", q.Match.Query), q.Match.Hide
		f.Since, f.Until = p.momentOf("match.since", q.Match.Since, now), p.momentOf("match.until", q.Match.Until, now)
	}
	if q.State != "" && !slices.Contains(store.States(), q.State) {
		p.bad("state", fmt.Sprintf("%q is not one of %s", q.State, strings.Join(store.States(), ", ")))
	}
	if q.State == "" && q.Assignee == nil && q.Comment == "" {
		p.bad("state", "nothing is decided: give state, assignee or comment")
	}
	if len(q.Comment) > maxComment {
		p.bad("comment", fmt.Sprintf("longer than %d bytes", maxComment))
	}
	if q.Assignee != nil && len(*q.Assignee) > maxParam {
		p.bad("assignee", fmt.Sprintf("longer than %d bytes", maxParam))
	}
	return store.Triage{State: q.State, Assignee: q.Assignee, Comment: q.Comment}, f, p.err()
}

// terms reads a query of the filter language.
func (p *params) terms(field, text string) []store.Term {
	terms, err := store.ParseQuery(text)
	var syntax *store.SyntaxError
	if errors.As(err, &syntax) {
		p.errs = append(p.errs, FieldError{Field: field, Detail: syntax.Detail, At: &span{syntax.Offset, syntax.End}})
	}
	return terms
}

// groupsAnswer has one of both lists.
type groupsAnswer struct {
	By     string          `json:"by"`
	Groups []store.Summary `json:"groups"`
}

func (s *Server) listGroups(w http.ResponseWriter, r *http.Request) error {
	now := time.Now().UTC()
	p := query(r, append(listParams, "by", "n")...)
	f := p.filter(now)
	lastHour(&f, now)
	n := p.number("n", 1, store.MaxLimit, 100)
	by := p.dimension()
	if by != store.BySignature && by != store.BySource && by != store.ByTarget {
		p.bad("by", "groups are by sid, src or dst")
	}
	if err := p.err(); err != nil {
		return err
	}
	groups, err := s.opt.Alerts.GroupBy(r.Context(), f, by, int(n))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, groupsAnswer{string(by), orEmpty(groups)})
}
