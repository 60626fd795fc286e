package api

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"time"
)

// The report is a page of its own, without script, that prints on paper.
var (
	//go:embed report.html
	reportHTML string
	//go:embed report.css
	reportCSS []byte
)

func parseReport() (*template.Template, error) {
	return template.New("report").Funcs(template.FuncMap{
		"clock": func(t time.Time) string {
			if t.IsZero() {
				return ""
			}
			return t.UTC().Format("2006-01-02 15:04:05 UTC")
		},
		"lasted": func(from, to time.Time) string { return to.Sub(from).Round(time.Second).String() },
		"match":  matchText,
		"action": func(v VerdictStatus) string { return name(actionNames, v.Action) },
	}).Parse(reportHTML)
}

// matchText says what a verdict stops.
func matchText(v VerdictStatus) string {
	m := v.Match
	switch {
	case m.Flow != nil:
		return fmt.Sprintf("%s to %s", m.Flow.Src, m.Flow.Dst)
	case m.Src.IsValid() && m.Dst.IsValid():
		return fmt.Sprintf("%s to %s", m.Src, m.Dst)
	case m.Src.IsValid():
		return m.Src.String()
	}
	return "to " + m.Dst.String()
}

func (s *Server) incidentReport(w http.ResponseWriter, r *http.Request) error {
	a, err := s.asked(r)
	if err != nil {
		return err
	}
	var page bytes.Buffer
	if err := s.reportPage.Execute(&page, struct {
		incidentAnswer
		Written time.Time
		Author  string
	}{a, s.now(), s.actor(r)}); err != nil {
		return fmt.Errorf("report of %s: %w", a.ID, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err = w.Write(page.Bytes())
	return err
}

func reportStyle(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, err := w.Write(reportCSS)
	return err
}
