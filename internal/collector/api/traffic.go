package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

// trafficAnswer is rates over time, counts a second, one a step; the last step ends at Until.
type trafficAnswer struct {
	Since       time.Time     `json:"since"`
	Until       time.Time     `json:"until"`
	StepSeconds int64         `json:"step_seconds"`
	Began       time.Time     `json:"began"`   // before it nothing is known: the history begins with the collector
	Sensors     []sensorRates `json:"sensors"` // busiest first
	Drops       []reasonRates `json:"drops"`   // most first
}

type sensorRates struct {
	ID      string    `json:"id"`
	Packets []float64 `json:"packets"`
	Bytes   []float64 `json:"bytes"`
	Dropped []float64 `json:"dropped"`
}

type reasonRates struct {
	Reason  string    `json:"reason"`
	Packets []float64 `json:"packets"`
}

const (
	maxReasons = 32
	shortest   = time.Minute // answered however young the history is
)

func (s *Server) traffic(w http.ResponseWriter, r *http.Request) error {
	now := time.Now().UTC()
	p := query(r, "since", "n")
	span := time.Hour
	if from := p.moment("since", now); !from.IsZero() {
		span = now.Sub(from)
	}
	n := p.number("n", 1, 200, 20)
	if err := p.err(); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, s.history.traffic(windowOf(min(span, max(now.Sub(s.history.began), shortest)), now), int(n)))
}

func (h *history) traffic(w window, n int) trafficAnswer {
	until := time.Unix(0, w.end*int64(w.width)).UTC()
	a := trafficAnswer{
		Since: until.Add(-time.Duration(w.n) * w.width), Until: until, StepSeconds: int64(w.width / time.Second), Began: h.began,
		Sensors: []sensorRates{}, Drops: []reasonRates{},
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, id := range h.named(kindPackets, w, n) {
		a.Sensors = append(a.Sensors, sensorRates{id, h.rates(kindPackets, id, w), h.rates(kindBytes, id, w), h.rates(kindDropped, id, w)})
	}
	for _, reason := range h.named(kindReason, w, maxReasons) {
		a.Drops = append(a.Drops, reasonRates{reason, h.rates(kindReason, reason, w)})
	}
	return a
}

// change is a row of a ranking, beside what it was in the same span before.
type change struct {
	store.Count
	Before uint64 `json:"before"`
}

type changesAnswer struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	By    string    `json:"by"`
	Rows  []change  `json:"rows"`
}

// changes ranks as top does and compares with the span before: by count, or by how much it changed.
func (s *Server) changes(w http.ResponseWriter, r *http.Request) error {
	now := time.Now().UTC()
	p := query(r, append(filterParams, "by", "n", "order")...)
	f := p.filter(now)
	lastHour(&f, now)
	n := p.number("n", 1, store.MaxLimit, 10)
	by := p.dimension()
	order := p.values.Get("order")
	if order != "" && order != "count" && order != "change" {
		p.bad("order", fmt.Sprintf("%q is not one of count, change", order))
	}
	if err := p.err(); err != nil {
		return err
	}
	rows, err := s.compare(r.Context(), f, by)
	if err != nil {
		return err
	}
	slices.SortFunc(rows, func(a, b change) int {
		if order == "change" {
			return cmp.Or(cmp.Compare(b.distance(), a.distance()), cmp.Compare(a.Key, b.Key))
		}
		return cmp.Or(cmp.Compare(b.Count.Count, a.Count.Count), cmp.Compare(b.Before, a.Before), cmp.Compare(a.Key, b.Key))
	})
	return writeJSON(w, http.StatusOK, changesAnswer{f.Since, f.Until, string(by), rows[:min(len(rows), int(n))]})
}

func (c change) distance() uint64 { return max(c.Count.Count, c.Before) - min(c.Count.Count, c.Before) }

// addressStep is what ends of time are rounded to where addresses are counted.
const addressStep = 10 * time.Minute

// compare ranks the filter's span and the one before it.
func (s *Server) compare(ctx context.Context, f store.Filter, by store.Dimension) ([]change, error) {
	now, err := s.opt.Alerts.Top(ctx, f, by, store.MaxLimit)
	if err != nil {
		return nil, err
	}
	f.Since, f.Until = f.Since.Add(-f.Until.Sub(f.Since)), f.Since.Truncate(addressStep)
	before, err := s.opt.Alerts.Top(ctx, f, by, store.MaxLimit)
	if err != nil {
		return nil, err
	}
	was := make(map[string]store.Count, len(before))
	for _, c := range before {
		was[c.Key] = c
	}
	rows := make([]change, 0, len(now))
	for _, c := range now {
		rows = append(rows, change{c, was[c.Key].Count})
		delete(was, c.Key)
	}
	for _, c := range was {
		rows = append(rows, change{store.Count{Key: c.Key, Label: c.Label}, c.Count})
	}
	return rows, nil
}
