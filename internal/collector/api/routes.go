package api

import (
	"context"
	_ "embed"
	"net/http"
	"time"

	"github.com/weir-ips/weir/internal/collector/identity"
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
	role            identity.Role // that a caller needs; anyone: none
	handle          handler
	body            int64 // bytes of a request's body that are read
	stream          bool  // no time limit
	slow            bool  // may wait for other machines
}

const prefix = "/api/v1"

func (s *Server) routes() []route {
	return []route{
		{method: "GET", pattern: prefix + "/alerts", role: identity.Viewer, handle: s.listAlerts},
		{method: "GET", pattern: prefix + "/alerts/stream", role: identity.Viewer, handle: s.streamAlerts, stream: true},
		{method: "GET", pattern: prefix + "/alerts/groups", role: identity.Viewer, handle: s.listGroups},
		{method: "POST", pattern: prefix + "/alerts/triage", role: identity.Analyst, handle: s.triage, body: maxBody},
		{method: "GET", pattern: prefix + "/alerts/{id}", role: identity.Viewer, handle: s.getAlert},
		{method: "GET", pattern: prefix + "/alerts/{id}/packet", role: identity.Viewer, handle: s.getPacket},
		{method: "GET", pattern: prefix + "/suppressions", role: identity.Viewer, handle: s.listSuppressions},
		{method: "POST", pattern: prefix + "/suppressions", role: identity.Analyst, handle: s.addSuppression, body: maxBody},
		{method: "DELETE", pattern: prefix + "/suppressions/{id}", role: identity.Analyst, handle: s.removeSuppression},
		{method: "GET", pattern: prefix + "/verdicts", role: identity.Viewer, handle: s.listVerdicts},
		{method: "POST", pattern: prefix + "/verdicts", role: identity.Responder, handle: s.addVerdict, body: maxBody},
		{method: "POST", pattern: prefix + "/verdicts/preview", role: identity.Analyst, handle: s.previewVerdict, body: maxBody},
		{method: "DELETE", pattern: prefix + "/verdicts/{id}", role: identity.Responder, handle: s.removeVerdict},
		{method: "POST", pattern: prefix + "/verdicts/{id}/extend", role: identity.Responder, handle: s.extendVerdict, body: maxBody},
		{method: "GET", pattern: prefix + "/verdicts/{id}/hits", role: identity.Viewer, handle: s.verdictHits},
		{method: "GET", pattern: prefix + "/sensors", role: identity.Viewer, handle: s.listSensors},
		{method: "GET", pattern: prefix + "/rules", role: identity.Viewer, handle: s.getRules},
		{method: "PUT", pattern: prefix + "/rules", role: identity.RuleAdmin, handle: s.putRules, body: maxRulesBody},
		{method: "GET", pattern: prefix + "/rules/bundles", role: identity.Viewer, handle: s.listBundles},
		{method: "POST", pattern: prefix + "/rules/bundles", role: identity.RuleAdmin, handle: s.addBundle, body: maxRulesBody, slow: true},
		{method: "GET", pattern: prefix + "/rules/bundles/{version}", role: identity.Viewer, handle: s.bundleText},
		{method: "GET", pattern: prefix + "/rules/bundles/{version}/changes", role: identity.Viewer, handle: s.compareBundles, slow: true},
		{method: "GET", pattern: prefix + "/rules/rollouts", role: identity.Viewer, handle: s.listRollouts},
		{method: "POST", pattern: prefix + "/rules/rollouts", role: identity.RuleAdmin, handle: s.stageRollout, body: maxBody, slow: true},
		{method: "GET", pattern: prefix + "/rules/rollouts/{id}", role: identity.Viewer, handle: s.getRollout},
		{method: "POST", pattern: prefix + "/rules/rollouts/{id}/promote", role: identity.RuleAdmin, handle: s.promoteRollout, body: maxBody},
		{method: "POST", pattern: prefix + "/rules/rollouts/{id}/rollback", role: identity.RuleAdmin, handle: s.rollbackRollout, body: maxBody},
		{method: "GET", pattern: prefix + "/audit", role: identity.Analyst, handle: s.listAudit},
		{method: "GET", pattern: prefix + "/stats/timeline", role: identity.Viewer, handle: s.timeline},
		{method: "GET", pattern: prefix + "/stats/top", role: identity.Viewer, handle: s.top},
		{method: "GET", pattern: prefix + "/stats/changes", role: identity.Viewer, handle: s.changes},
		{method: "GET", pattern: prefix + "/stats/traffic", role: identity.Viewer, handle: s.traffic},
		{method: "POST", pattern: prefix + "/verdicts/rollback", role: identity.Approver, handle: s.rollback, body: maxBody},
		{method: "GET", pattern: prefix + "/incidents", role: identity.Viewer, handle: s.listIncidents},
		{method: "GET", pattern: prefix + "/incidents/{id}", role: identity.Viewer, handle: s.getIncident},
		{method: "PATCH", pattern: prefix + "/incidents/{id}", role: identity.Analyst, handle: s.changeIncident, body: maxBody},
		{method: "GET", pattern: prefix + "/incidents/{id}/alerts", role: identity.Viewer, handle: s.incidentAlerts},
		{method: "GET", pattern: prefix + "/incidents/{id}/report", role: identity.Viewer, handle: s.incidentReport},
		{method: "GET", pattern: prefix + "/approvals", role: identity.Viewer, handle: s.listApprovals},
		{method: "POST", pattern: prefix + "/approvals/{id}/approve", role: identity.Approver, handle: s.approve, body: maxBody},
		{method: "DELETE", pattern: prefix + "/approvals/{id}", role: identity.Responder, handle: s.decline},
		{method: "GET", pattern: prefix + "/kill-switch", role: identity.Viewer, handle: s.getKillSwitch},
		{method: "PUT", pattern: prefix + "/kill-switch", role: identity.Responder, handle: s.putKillSwitch, body: maxBody},
		{method: "GET", pattern: prefix + "/never-block", role: identity.Viewer, handle: s.listNeverBlock},
		{method: "POST", pattern: prefix + "/never-block", role: identity.Approver, handle: s.addNeverBlock, body: maxBody},
		{method: "DELETE", pattern: prefix + "/never-block", role: identity.Approver, handle: s.removeNeverBlock},
		{method: "GET", pattern: prefix + "/feeds", role: identity.Viewer, handle: s.listFeeds},
		{method: "POST", pattern: prefix + "/feeds/{name}/accept", role: identity.Approver, handle: s.acceptFeed, body: maxBody, slow: true},
		{method: "POST", pattern: prefix + "/feeds", role: identity.RuleAdmin, handle: s.addFeed, body: maxListBody},
		{method: "DELETE", pattern: prefix + "/feeds/{name}", role: identity.RuleAdmin, handle: s.removeFeed, slow: true},
		{method: "POST", pattern: prefix + "/feeds/{name}/pause", role: identity.Responder, handle: s.pauseFeed, body: maxBody, slow: true},
		{method: "POST", pattern: prefix + "/feeds/{name}/resume", role: identity.Approver, handle: s.resumeFeed, body: maxBody},
		{method: "POST", pattern: prefix + "/exports", role: identity.Admin, handle: s.addExport, body: maxBody},
		{method: "DELETE", pattern: prefix + "/exports/{name}", role: identity.Admin, handle: s.removeExport},
		{method: "POST", pattern: prefix + "/exports/{name}/test", role: identity.Admin, handle: s.testExport, body: maxBody, slow: true},
		{method: "GET", pattern: prefix + "/policy", role: identity.Viewer, handle: s.getPolicy},
		{method: "PUT", pattern: prefix + "/policy", role: identity.RuleAdmin, handle: s.putPolicy, body: maxBody},
		{method: "GET", pattern: prefix + "/enrolment/tokens", role: identity.Admin, handle: s.listEnrolmentTokens},
		{method: "POST", pattern: prefix + "/enrolment/tokens", role: identity.Admin, handle: s.addEnrolmentToken, body: maxBody},
		{method: "DELETE", pattern: prefix + "/enrolment/tokens/{id}", role: identity.Admin, handle: s.removeEnrolmentToken},
		{method: "GET", pattern: prefix + "/enrolment/sensors", role: identity.Admin, handle: s.listCredentials},
		{method: "DELETE", pattern: prefix + "/enrolment/sensors/{sensor}", role: identity.Admin, handle: s.revokeSensor},
		{method: "GET", pattern: prefix + "/session", role: anyone, handle: s.getSession},
		{method: "POST", pattern: prefix + "/session", role: anyone, handle: s.signIn, body: maxBody},
		{method: "DELETE", pattern: prefix + "/session", role: anyone, handle: s.signOut},
		{method: "POST", pattern: prefix + "/session/invitation", role: anyone, handle: s.acceptInvitation, body: maxBody},
		{method: "PUT", pattern: prefix + "/session/password", role: identity.Viewer, handle: s.changePassword, body: maxBody},
		{method: "GET", pattern: prefix + "/sessions", role: identity.Viewer, handle: s.listSessions},
		{method: "DELETE", pattern: prefix + "/sessions/{id}", role: identity.Viewer, handle: s.endSession},
		{method: "GET", pattern: prefix + "/users", role: identity.Admin, handle: s.listUsers},
		{method: "POST", pattern: prefix + "/users", role: identity.Admin, handle: s.addUser, body: maxBody},
		{method: "PATCH", pattern: prefix + "/users/{name}", role: identity.Admin, handle: s.changeUser, body: maxBody},
		{method: "DELETE", pattern: prefix + "/users/{name}", role: identity.Admin, handle: s.removeUser},
		{method: "POST", pattern: prefix + "/users/{name}/invitation", role: identity.Admin, handle: s.inviteUser, body: maxBody},
		{method: "GET", pattern: prefix + "/tokens", role: identity.Viewer, handle: s.listTokens},
		{method: "POST", pattern: prefix + "/tokens", role: identity.Viewer, handle: s.addToken, body: maxBody},
		{method: "DELETE", pattern: prefix + "/tokens/{id}", role: identity.Viewer, handle: s.removeToken},
		{method: "GET", pattern: prefix + "/searches", role: identity.Viewer, handle: s.listSearches},
		{method: "POST", pattern: prefix + "/searches", role: identity.Viewer, handle: s.saveSearch, body: maxBody},
		{method: "DELETE", pattern: prefix + "/searches/{id}", role: identity.Viewer, handle: s.removeSearch},
		{method: "GET", pattern: prefix + "/settings", role: identity.Viewer, handle: s.getSettings},
		{method: "GET", pattern: prefix + "/openapi.json", role: anyone, handle: s.describe},
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
	mux.Handle("/metrics", s.guarded(identity.Viewer, telemetry.Handler(s.opt.Metrics)))
	pages := s.pages()
	for _, path := range []string{"/login", "/login/", "/invite", "/signin.css", "/report.css"} {
		mux.Handle(path, pages)
	}
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
			limit := queryTimeout
			if r.slow {
				limit = slowTimeout
			}
			ctx, cancel := context.WithTimeout(req.Context(), limit)
			defer cancel()
			req = req.WithContext(ctx)
			http.NewResponseController(w).SetWriteDeadline(start.Add(limit + answerTimeout))
		}
		admitted, err := s.admit(req, r.role)
		if err == nil {
			err = r.handle(rec, admitted)
		}
		if err != nil {
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
