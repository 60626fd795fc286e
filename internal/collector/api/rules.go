package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

var errStale = errors.New("the rules are no longer the version of If-Match; read them again")

// getRules answers with all rules, or with the lines of one signature.
func (s *Server) getRules(w http.ResponseWriter, r *http.Request) error {
	p := query(r, "sid")
	sid := p.number("sid", 1, 1<<32-1, 0)
	if err := p.err(); err != nil {
		return err
	}
	set, err := s.opt.Rules.Current(r.Context())
	if err != nil {
		return err
	}
	if sid != 0 {
		set.Rules = rulesOf(set.Rules, sid)
	}
	w.Header().Set("ETag", `"`+set.Version+`"`)
	return writeJSON(w, http.StatusOK, set)
}

// rulesOf returns the lines that give the option sid this value.
func rulesOf(text string, sid int64) string {
	option := regexp.MustCompile(`[;(]\s*sid\s*:\s*` + strconv.FormatInt(sid, 10) + `\s*;`)
	var lines []string
	for line := range strings.Lines(text) {
		if option.MatchString(line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// putRules replaces the rules by the body: text, or JSON {"rules": "…"}. With If-Match only those of that version.
func (s *Server) putRules(w http.ResponseWriter, r *http.Request) error {
	text, err := readRules(r)
	if err != nil {
		return err
	}
	before, err := s.opt.Rules.Current(r.Context())
	if err != nil {
		return err
	}
	if want := r.Header.Get("If-Match"); want != "" && strings.Trim(want, `"`) != before.Version {
		return errStale
	}
	set, err := s.opt.Rules.Replace(r.Context(), text, s.actor(r))
	if err != nil {
		return err
	}
	detail := map[string]any{"before": before.Version, "after": set.Version, "count": set.Count}
	if err := s.record(r, "rules.replace", set.Version, detail); err != nil {
		return err
	}
	w.Header().Set("ETag", `"`+set.Version+`"`)
	set.Rules = text
	return writeJSON(w, http.StatusOK, set)
}

func readRules(r *http.Request) (string, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "text/plain" && kind != "application/json" {
		return "", invalid("Content-Type", "send text/plain or application/json")
	}
	if kind == "application/json" {
		var body struct {
			Rules *string `json:"rules"`
		}
		if err := readJSON(r, &body); err != nil {
			return "", err
		}
		if body.Rules == nil {
			return "", invalid("rules", "is missing")
		}
		return *body.Rules, nil
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(text) {
		return "", invalid("rules", "not UTF-8")
	}
	return string(text), nil
}
