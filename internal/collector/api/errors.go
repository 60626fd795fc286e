package api

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/identity"
	"github.com/weir-ips/weir/internal/collector/store"
)

// ErrNotFound says that what the request names does not exist; it is answered as 404.
var ErrNotFound = errors.New("not found")

// FieldError says what is wrong with one field of a request.
type FieldError struct {
	Field  string `json:"field"` // dotted JSON name, or the query parameter
	Detail string `json:"detail"`
	At     *span  `json:"at,omitempty"` // the part of the text that is wrong
}

// span is bytes of a text.
type span struct {
	Offset int `json:"offset"`
	End    int `json:"end"`
}

// Invalid is a request that cannot be carried out as it stands; it is answered as 422 with its fields.
type Invalid struct {
	Fields []FieldError
}

func (e *Invalid) Error() string {
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = f.Field + ": " + f.Detail
	}
	return strings.Join(parts, "; ")
}

func invalid(field, detail string) error {
	return &Invalid{[]FieldError{{Field: field, Detail: detail}}}
}

// Refused is a well-formed request that policy does not allow, such as a drop of a never-block address; it is answered as 409.
type Refused struct {
	Reason string
}

func (e *Refused) Error() string { return e.Reason }

// problem is an error as the caller gets it (RFC 9457).
type problem struct {
	Status int          `json:"status"`
	Title  string       `json:"title"`
	Detail string       `json:"detail,omitempty"`
	Errors []FieldError `json:"errors,omitempty"`
}

var notFound = problem{Status: http.StatusNotFound, Title: "Not found"}

func writeProblem(w http.ResponseWriter, p problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p)
}

// fail answers err. What is not the caller's doing is logged and not told.
func (s *Server) fail(w *recorder, r *http.Request, err error) {
	if w.wrote {
		s.opt.Log.Debug("answer broken off", "path", r.URL.Path, "error", err)
		return
	}
	p := s.problemOf(err)
	var limited *identity.Limited
	switch {
	case p.Status == http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case errors.As(err, &limited):
		w.Header().Set("Retry-After", seconds(limited.Wait))
	}
	if p.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		s.opt.Log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	writeProblem(w, p)
}

func (s *Server) problemOf(err error) problem {
	var inv *Invalid
	var refused *Refused
	var large *http.MaxBytesError
	var limited *identity.Limited
	switch {
	case errors.As(err, &inv):
		return problem{http.StatusUnprocessableEntity, "Invalid request", inv.Error(), inv.Fields}
	case errors.As(err, &refused):
		return problem{http.StatusConflict, "Refused by policy", refused.Reason, nil}
	case errors.Is(err, ErrNotFound), errors.Is(err, store.ErrNotFound), errors.Is(err, identity.ErrNotFound):
		return notFound
	case errors.As(err, &limited):
		return problem{http.StatusTooManyRequests, "Too many attempts", limited.Error(), nil}
	case errors.Is(err, errSignIn):
		return problem{http.StatusUnauthorized, "Not signed in", err.Error(), nil}
	case errors.Is(err, errMayNot):
		return problem{http.StatusForbidden, "Not allowed", err.Error(), nil}
	case errors.Is(err, identity.ErrDenied):
		return problem{http.StatusForbidden, "Refused", err.Error(), nil}
	case errors.Is(err, store.ErrTooMany):
		return problem{http.StatusConflict, "Too many alerts", err.Error(), nil}
	case errors.Is(err, identity.ErrRefused), errors.Is(err, identity.ErrExists):
		return problem{http.StatusConflict, "Refused", err.Error(), nil}
	case errors.As(err, &large):
		return problem{http.StatusRequestEntityTooLarge, "Request too large", large.Error(), nil}
	case errors.Is(err, errStale):
		return problem{http.StatusPreconditionFailed, "Changed meanwhile", err.Error(), nil}
	case errors.Is(err, errBusy):
		return problem{http.StatusServiceUnavailable, "Too many streams", err.Error(), nil}
	case errors.Is(err, errUnrecorded):
		return problem{http.StatusInternalServerError, "Done, but not recorded", "the change was made; the audit log could not be written", nil}
	case errors.Is(err, context.DeadlineExceeded):
		return problem{http.StatusGatewayTimeout, "Took too long", "narrow the search: a shorter time, an address, a signature", nil}
	default:
		return problem{http.StatusInternalServerError, "Internal error", "the collector's log says more", nil}
	}
}

// seconds is d in whole seconds, at least one, as Retry-After has it.
func seconds(d time.Duration) string { return strconv.Itoa(max(1, int(math.Ceil(d.Seconds())))) }

func writeJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, err = w.Write(append(body, '\n'))
	return err
}
