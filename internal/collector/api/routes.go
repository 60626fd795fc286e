package api

import (
	"context"
	_ "embed"
	"net/http"
	"time"

	"github.com/weir-ips/weir/internal/telemetry"
)

// openapi describes the API for programs (OpenAPI 3.1). A test holds it against the table of routes.
//
//go:embed openapi.json
var openapi []byte

// A handler answers a request or returns why it cannot; the error becomes a problem document.
type handler func(w http.ResponseWriter, r *http.Request) error

// route is one row of the API. Its pattern is its label in metrics, too.
type route struct {
	method, pattern string
	handle          handler
	body            int64 // bytes of a request's body that are read
	stream          bool  // no time limit
}

const prefix = "/api/v1"

func (s *Server) routes() []route {
	return []route{
		{method: "GET", pattern: prefix + "/alerts", handle: s.listAlerts},
		{method: "GET", pattern: prefix + "/alerts/stream", handle: s.streamAlerts, stream: true},
		{method: "GET", pattern: prefix + "/alerts/groups", handle: s.listGroups},
		{method: "POST", pattern: prefix + "/alerts/triage", handle: s.triage, body: maxBody},
		{method: "GET", pattern: prefix + "/alerts/{id}", handle: s.getAlert},
		{method: "GET", pattern: prefix + "/alerts/{id}/packet", handle: s.getPacket},
		{method: "GET", pattern: prefix + "/suppressions", handle: s.listSuppressions},
		{method: "POST", pattern: prefix + "/suppressions", handle: s.addSuppression, body: maxBody},
		{method: "DELETE", pattern: prefix + "/suppressions/{id}", handle: s.removeSuppression},
		{method: "GET", pattern: prefix + "/verdicts", handle: s.listVerdicts},
		{method: "POST", pattern: prefix + "/verdicts", handle: s.addVerdict, body: maxBody},
		{method: "POST", pattern: prefix + "/verdicts/preview", handle: s.previewVerdict, body: maxBody},
		{method: "DELETE", pattern: prefix + "/verdicts/{id}", handle: s.removeVerdict},
		{method: "POST", pattern: prefix + "/verdicts/{id}/extend", handle: s.extendVerdict, body: maxBody},
		{method: "GET", pattern: prefix + "/verdicts/{id}/hits", handle: s.verdictHits},
		{method: "GET", pattern: prefix + "/sensors", handle: s.listSensors},
		{method: "GET", pattern: prefix + "/rules", handle: s.getRules},
		{method: "PUT", pattern: prefix + "/rules", handle: s.putRules, body: maxRulesBody},
		{method: "GET", pattern: prefix + "/audit", handle: s.listAudit},
		{method: "GET", pattern: prefix + "/stats/timeline", handle: s.timeline},
		{method: "GET", pattern: prefix + "/stats/top", handle: s.top},
		{method: "GET", pattern: prefix + "/stats/changes", handle: s.changes},
		{method: "GET", pattern: prefix + "/stats/traffic", handle: s.traffic},
		{method: "GET", pattern: prefix + "/openapi.json", handle: s.describe},
	}
}

// Handler is everything the server answers, for tests and for other listeners.
func (s *Server) Handler() http.Handler {
	api := http.NewServeMux()
	for _, r := range s.routes() {
		api.Handle(r.method+" "+r.pattern, s.endpoint(r))
	}
	mux := http.NewServeMux()
	mux.Handle(prefix+"/", problems(api))
	mux.HandleFunc("/healthz", s.health)
	mux.HandleFunc("/readyz", s.ready)
	mux.Handle("/metrics", telemetry.Handler(s.opt.Metrics))
	if s.opt.Console != nil {
		mux.Handle("/", s.opt.Console)
	}
	return s.guard(mux)
}

// problems answers what api has no route for as problem documents, where the mux would write text.
func problems(api *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := api.Handler(r)
		if pattern != "" {
			api.ServeHTTP(w, r)
			return
		}
		probe := recorder{ResponseWriter: discard{http.Header{}}}
		h.ServeHTTP(&probe, r)
		if probe.status != http.StatusMethodNotAllowed {
			writeProblem(w, notFound)
			return
		}
		allow := probe.Header().Get("Allow")
		w.Header().Set("Allow", allow)
		writeProblem(w, problem{Status: probe.status, Title: "Method not allowed", Detail: "allowed are " + allow})
	})
}

// discard takes an answer that nobody reads.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// endpoint bounds a request, counts it, and answers its error.
func (s *Server) endpoint(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		req.Body = http.MaxBytesReader(rec, req.Body, r.body)
		if !r.stream {
			ctx, cancel := context.WithTimeout(req.Context(), queryTimeout)
			defer cancel()
			req = req.WithContext(ctx)
			http.NewResponseController(w).SetWriteDeadline(start.Add(answerTimeout))
		}
		if err := r.handle(rec, req); err != nil {
			s.fail(rec, req, err)
		}
		if !r.stream {
			s.metrics.seconds.WithLabelValues(r.pattern).Observe(time.Since(start).Seconds())
		}
		s.metrics.requests.WithLabelValues(r.method, r.pattern, statusClass(rec.status)).Inc()
	})
}

// recorder remembers the status for the metrics.
type recorder struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func statusClass(status int) string {
	return [...]string{"1xx", "2xx", "3xx", "4xx", "5xx"}[min(max(status/100, 1), 5)-1]
}

func (s *Server) describe(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(openapi)
	return err
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write([]byte("ok\n"))
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err := s.opt.Ready(); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		w.Write([]byte(err.Error() + "\n"))
		return
	}
	w.Write([]byte("ok\n"))
}
