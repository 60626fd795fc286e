package api

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// How finely and how far back the history goes. It lives in memory and begins anew with the collector.
const (
	fineStep    = 10 * time.Second
	fineSteps   = 360 // an hour
	coarseStep  = 5 * time.Minute
	coarseSteps = 288 // a day
	maxSeries   = 6000
	sampleEvery = 5 * time.Second // as often as sensors report
	hitsEvery   = 2               // samples between two looks at very many verdicts
	manyHits    = 5000            // that many are
)

// seriesKey names one counter: packets, bytes and drops of a sensor, packets dropped for a reason, packets and bytes a
// verdict stopped.
type seriesKey struct{ kind, name string }

const (
	kindPackets = "packets"
	kindBytes   = "bytes"
	kindDropped = "dropped"
	kindReason  = "reason"
	kindHits    = "hits"
	kindHitSize = "hit bytes"
)

// series is what was added to one counter, step by step.
type series struct{ fine, coarse steps }

// steps is a ring of the latest steps.
type steps struct {
	width  int64 // ns
	newest int64 // number of the newest step, counted from 1970
	sums   []float32
}

func newSeries() *series {
	return &series{
		fine:   steps{width: int64(fineStep), sums: make([]float32, fineSteps)},
		coarse: steps{width: int64(coarseStep), sums: make([]float32, coarseSteps)},
	}
}

func (s *steps) add(at int64, n float64) {
	step, size := at/s.width, int64(len(s.sums))
	if step <= s.newest-size {
		return // before what is remembered
	}
	for i := max(s.newest+1, step-size+1); i <= step; i++ {
		s.sums[i%size] = 0
	}
	s.newest = max(s.newest, step)
	s.sums[step%size] += float32(n)
}

// rates are n steps up to and without step end, as counts a second.
func (s *steps) rates(end int64, n int) []float64 {
	out, size := make([]float64, n), int64(len(s.sums))
	for i := range out {
		if step := end - int64(n-i); step > s.newest-size && step <= s.newest && step >= 0 {
			out[i] = math.Round(100*float64(s.sums[step%size])/(float64(s.width)/1e9)) / 100
		}
	}
	return out
}

func (s *steps) total(from int64) (sum float64) {
	for step := max(from, s.newest-int64(len(s.sums))+1, 0); step <= s.newest; step++ {
		sum += float64(s.sums[step%int64(len(s.sums))])
	}
	return sum
}

// history makes rates of the totals that sensors report.
type history struct {
	began time.Time

	mu      sync.RWMutex
	all     map[seriesKey]*series
	sensors map[string]Sensor // the report before
	hits    map[string]Hits   // by verdict, at looked
	looked  time.Time
}

func newHistory(now time.Time) *history {
	return &history{began: now, all: map[seriesKey]*series{}, sensors: map[string]Sensor{}, hits: map[string]Hits{}}
}

// keepHistory samples until ctx ends.
func (s *Server) keepHistory(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for n, many := 0, false; ; n++ {
		if all, err := s.opt.Sensors.List(ctx); err == nil {
			s.history.report(all)
		}
		if !many || n%hitsEvery == 0 {
			if all, err := s.opt.Verdicts.List(ctx); err == nil {
				many = len(all) > manyHits
				s.history.look(all, time.Now())
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// report takes in what sensors reported since it was last called.
func (h *history) report(all []Sensor) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := make(map[string]Sensor, len(all))
	for _, now := range all {
		known[now.ID] = now
		was, ok := h.sensors[now.ID]
		if !ok || !now.LastSeen.After(was.LastSeen) {
			continue
		}
		add := func(kind, name string, a, b uint64) float64 {
			return h.spread(seriesKey{kind, name}, was.LastSeen, now.LastSeen, since(a, b))
		}
		add(kindPackets, now.ID, was.Packets, now.Packets)
		add(kindBytes, now.ID, was.Bytes, now.Bytes)
		dropped := 0.0
		for reason, n := range now.Drops {
			dropped += add(kindReason, reason, was.Drops[reason], n)
		}
		h.spread(seriesKey{kindDropped, now.ID}, was.LastSeen, now.LastSeen, dropped)
	}
	h.sensors = known
}

// since is what a counter gained: all it has, when it began anew.
func since(was, now uint64) float64 {
	if now < was {
		return float64(now)
	}
	return float64(now - was)
}

// look takes in what verdicts stopped. A verdict that was there before the first look only gives its starting point.
func (h *history) look(all []VerdictStatus, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	hits := make(map[string]Hits, len(all))
	for i := range all {
		v := &all[i]
		hits[v.ID] = v.Hits
		was, known := h.hits[v.ID]
		if from := later(h.looked, v.CreatedAt); !h.looked.IsZero() && (known || v.CreatedAt.After(h.looked)) && v.Hits.Packets > was.Packets {
			h.spread(seriesKey{kindHits, v.ID}, from, now, float64(v.Hits.Packets-was.Packets))
			h.spread(seriesKey{kindHitSize, v.ID}, from, now, float64(max(v.Hits.Bytes, was.Bytes)-was.Bytes))
		}
	}
	h.hits, h.looked = hits, now
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// spread adds n evenly over the time it was counted in, so that reports that fall together do not look like a burst. It
// returns n.
func (h *history) spread(k seriesKey, from, to time.Time, n float64) float64 {
	if n == 0 || !to.After(from) {
		return n
	}
	s := h.series(k)
	a, b := max(from.UnixNano(), to.UnixNano()-int64(coarseStep)), to.UnixNano()
	for _, r := range []*steps{&s.fine, &s.coarse} {
		for at := a; at < b; {
			end := min((at/r.width+1)*r.width, b)
			r.add(at, n*float64(end-at)/float64(b-a))
			at = end
		}
	}
	return n
}

func (h *history) series(k seriesKey) *series {
	s := h.all[k]
	if s != nil {
		return s
	}
	if len(h.all) >= maxSeries {
		h.forgetOldest()
	}
	s = newSeries()
	h.all[k] = s
	return s
}

func (h *history) forgetOldest() {
	var oldest seriesKey
	least := int64(math.MaxInt64)
	for k, s := range h.all {
		if s.fine.newest < least {
			oldest, least = k, s.fine.newest
		}
	}
	delete(h.all, oldest)
}

// window is the steps that a question about the time from since until now is answered by.
type window struct {
	fine  bool
	width time.Duration
	end   int64 // the step that is not over yet: the answer ends before it
	n     int
}

func windowOf(span time.Duration, now time.Time) window {
	w := window{fine: span <= fineSteps*fineStep, width: coarseStep}
	most := coarseSteps
	if w.fine {
		w.width, most = fineStep, fineSteps
	}
	w.end = now.Add(-sampleEvery).UnixNano() / int64(w.width) // what the sensors counted just now is yet to be reported
	w.n = min(max(int(span/w.width), 1), most-1)
	return w
}

func (w window) of(s *series) *steps {
	if w.fine {
		return &s.fine
	}
	return &s.coarse
}

// named returns the series of a kind with the greatest totals in the window, n at most, greatest first.
func (h *history) named(kind string, w window, n int) []string {
	type sum struct {
		name  string
		total float64
	}
	var all []sum
	for k, s := range h.all {
		if k.kind != kind {
			continue
		}
		if t := w.of(s).total(w.end - int64(w.n)); t > 0 {
			all = append(all, sum{k.name, t})
		}
	}
	slices.SortFunc(all, func(a, b sum) int { return cmp.Or(cmp.Compare(b.total, a.total), cmp.Compare(a.name, b.name)) })
	names := []string{}
	for _, x := range all[:min(n, len(all))] {
		names = append(names, x.name)
	}
	return names
}

func (h *history) rates(kind, name string, w window) []float64 {
	if s := h.all[seriesKey{kind, name}]; s != nil {
		return w.of(s).rates(w.end, w.n)
	}
	return make([]float64, w.n)
}
