package api

import (
	"fmt"
	"net/http"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

// timelineAnswer gives the time it covers as asked for; its first bucket begins at or before Since.
type timelineAnswer struct {
	Since       time.Time      `json:"since"`
	Until       time.Time      `json:"until"`
	StepSeconds int64          `json:"step_seconds"`
	Buckets     []store.Bucket `json:"buckets"`
}

// wantedSteps is about how many steps a timeline has when the caller does not say.
const wantedSteps = 120

func (s *Server) timeline(w http.ResponseWriter, r *http.Request) error {
	now := time.Now().UTC()
	p := query(r, append(filterParams, "step")...)
	f := p.filter(now)
	lastHour(&f, now)
	span := f.Until.Sub(f.Since)
	step := time.Duration(p.number("step", 60, 86400*31, int64(niceStep(span/wantedSteps)/time.Second))) * time.Second
	step = step.Truncate(time.Minute)
	if span < 0 || span/step >= store.MaxBuckets-1 {
		p.bad("step", fmt.Sprintf("makes more than %d steps of the time asked for", store.MaxBuckets))
	}
	if err := p.err(); err != nil {
		return err
	}
	buckets, err := s.opt.Alerts.Timeline(r.Context(), f, step)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, timelineAnswer{f.Since, f.Until, int64(step / time.Second), buckets})
}

// lastHour closes open ends of time: until now, from an hour before.
func lastHour(f *store.Filter, now time.Time) {
	if f.Until.IsZero() {
		f.Until = now
	}
	if f.Since.IsZero() {
		f.Since = f.Until.Add(-time.Hour)
	}
}

// niceStep is the smallest step that reads well and is not under d.
func niceStep(d time.Duration) time.Duration {
	for _, m := range []time.Duration{1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720} {
		if d <= m*time.Minute {
			return m * time.Minute
		}
	}
	return max(d.Round(24*time.Hour), 24*time.Hour)
}

type topAnswer struct {
	Since time.Time     `json:"since"`
	Until time.Time     `json:"until"`
	By    string        `json:"by"`
	Rows  []store.Count `json:"rows"`
}

func (s *Server) top(w http.ResponseWriter, r *http.Request) error {
	now := time.Now().UTC()
	p := query(r, append(filterParams, "by", "n")...)
	f := p.filter(now)
	lastHour(&f, now)
	n := p.number("n", 1, store.MaxLimit, 10)
	by := p.dimension()
	if err := p.err(); err != nil {
		return err
	}
	rows, err := s.opt.Alerts.Top(r.Context(), f, by, int(n))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, topAnswer{f.Since, f.Until, string(by), rows})
}

func (p *params) dimension() store.Dimension {
	by := store.Dimension(p.values.Get("by"))
	switch by {
	case store.BySignature, store.ByCategory, store.BySource, store.ByTarget, store.BySensor, store.ByApp:
	case "":
		by = store.BySignature
	default:
		p.bad("by", fmt.Sprintf("%q is not one of sid, category, src, dst, sensor, app", by))
	}
	return by
}
