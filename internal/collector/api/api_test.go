package api

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weir-ips/weir/internal/collector/identity"
	"github.com/weir-ips/weir/internal/collector/incident"
	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/pkg/verdict"
)

// registry is a verdict service that keeps verdicts in memory and refuses one address, as policy would.
type registry struct {
	mu  sync.Mutex
	all []VerdictStatus
}

func (g *registry) List(context.Context) ([]VerdictStatus, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.all), nil
}

func (g *registry) Add(_ context.Context, v verdict.Verdict) (VerdictStatus, error) {
	if v.Match.Src.Contains(netip.MustParseAddr("169.254.169.254")) {
		return VerdictStatus{}, &Refused{"169.254.169.254 is never blocked"}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	v.ID = fmt.Sprintf("v%d", len(g.all)+1)
	st := VerdictStatus{Verdict: v, State: "active", Applied: Applied{Of: 2}}
	g.all = append(g.all, st)
	return st, nil
}

func (g *registry) Remove(_ context.Context, id, _ string) (VerdictStatus, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.IndexFunc(g.all, func(v VerdictStatus) bool { return v.ID == id })
	if i < 0 {
		return VerdictStatus{}, ErrNotFound
	}
	was := g.all[i]
	g.all = slices.Delete(g.all, i, i+1)
	return was, nil
}

func (g *registry) Preview(_ context.Context, v verdict.Verdict) (Preview, error) {
	return Preview{WindowSeconds: 600, Alerts: 3, ExpiresAt: v.ExpiresAt}, nil
}

type fleet []Sensor

func (f fleet) List(context.Context) ([]Sensor, error) { return f, nil }

type book struct{ set RuleSet }

func (b *book) Current(context.Context) (RuleSet, error) { return b.set, nil }

func (b *book) Replace(_ context.Context, text, _ string) (RuleSet, error) {
	if strings.Contains(text, "bad") {
		return RuleSet{}, &Invalid{[]FieldError{{Field: "rules:1:1", Detail: "no such action"}}}
	}
	b.set = RuleSet{Version: fmt.Sprint(len(text)), Rules: text, Count: strings.Count(text, "\n")}
	return b.set, nil
}

type fixture struct {
	*httptest.Server
	store    *store.Store
	audit    *store.Audit
	verdicts *registry
	house    *house
	people   *identity.Book
	tracker  *incident.Tracker
	api      *Server
	spec     *description
	client   *http.Client
}

func start(t *testing.T) *fixture {
	t.Helper()
	opt := store.Options{Dir: t.TempDir()}
	s, err := store.Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	a, err := store.OpenAudit(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	exports := &outlets{list: []Export{{Name: "lake", Type: "file", State: "ok"}}}
	f := &fixture{store: s, audit: a, verdicts: &registry{}, house: newHouse(), people: openBook(t), tracker: openTracker(t)}
	f.api, err = New(Options{
		Alerts: s, Audit: a, Verdicts: f.verdicts, Sensors: fleet{{ID: "edge-1", State: "ok"}}, Rules: &book{set: RuleSet{Version: "0"}}, Rollouts: openRollouts(t),
		Incidents: f.tracker, Steering: f.house, Approvals: f.house, Feeds: f.house, Enrolment: f.house, Policies: f.house, Exports: exports, Identity: f.people, Open: true,
		Settings: func() Settings {
			return Settings{Version: "test", Seq: 7, Exports: slices.Clone(exports.list)}
		},
		Metrics: prometheus.NewRegistry(), User: "ana", Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Console: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "console") }),
	})
	if err != nil {
		t.Fatal(err)
	}
	f.spec, f.client = describe(t, f.api), http.DefaultClient
	f.Server = httptest.NewServer(f.api.Handler())
	t.Cleanup(f.Close)
	return f
}

func alert(i int) store.Alert {
	return store.Alert{
		ID: fmt.Sprintf("edge-1:b:%d", i), Time: time.Now().UTC().Add(-time.Duration(i) * time.Second), Sensor: "edge-1",
		SID: 2100498, GID: 1, Rev: 7, Signature: "GPL id check returned root <img src=x onerror=alert(1)>", Category: "Misc", Severity: 2,
		Action: "allowed", SrcIP: netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), SrcPort: 4711,
		DestIP: netip.MustParseAddr("10.0.0.5"), DestPort: 80, Proto: "TCP", AppProto: "http", FlowID: 1<<53 + 1,
		EVE: json.RawMessage(`{"event_type":"alert","payload_printable":"</script>"}`),
	}
}

func (f *fixture) keep(t *testing.T, alerts ...store.Alert) {
	t.Helper()
	if n, err := f.store.Append(t.Context(), alerts); err != nil || n != len(alerts) {
		t.Fatalf("kept %d of %d: %v", n, len(alerts), err)
	}
}

// do sends a request and returns status and body; a body that is not text is sent as JSON.
func (f *fixture) do(t *testing.T, method, path string, body any, header ...string) (int, string) {
	t.Helper()
	sent, kind := "", "application/json"
	switch b := body.(type) {
	case nil:
	case string:
		sent, kind = b, "text/plain"
	default:
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		sent = string(text)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, f.URL+path, strings.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	res, err := f.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	f.spec.check(t, req, sent, string(text), res.StatusCode, res.Header.Get("Content-Type"))
	return res.StatusCode, string(text)
}

func TestOpenAPIListsEveryRoute(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			Role string `json:"x-weir-role"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(openapi, &doc); err != nil {
		t.Fatal(err)
	}
	described := map[string]string{}
	for path, ops := range doc.Paths {
		for method, op := range ops {
			described[strings.ToUpper(method)+" "+path] = op.Role
		}
	}
	for _, r := range start(t).api.routes() {
		role, ok := described[r.method+" "+r.pattern]
		if !ok {
			t.Errorf("%s %s is not described", r.method, r.pattern)
		} else if want := cmp.Or(string(r.role), "anyone"); role != want {
			t.Errorf("%s %s needs the role %s, described as %s", r.method, r.pattern, want, role)
		}
		delete(described, r.method+" "+r.pattern)
	}
	for left := range described {
		t.Errorf("%s is described but not served", left)
	}
}

func TestAnswers(t *testing.T) {
	f := start(t)
	f.keep(t, alert(1), alert(2), alert(3))
	block := map[string]any{"match": map[string]any{"src": "203.0.113.7/32"}, "action": "drop", "ttl_seconds": 3600, "reason": "scan"}
	imds := map[string]any{"match": map[string]any{"src": "169.254.0.0/16"}, "action": "drop", "ttl_seconds": 60, "reason": "x"}
	for _, c := range []struct {
		method, path string
		body         any
		status       int
		want         string // occurs in the answer
	}{
		{"GET", "/api/v1/alerts", nil, 200, `"src_ip":"203.0.113.1"`},
		{"GET", "/api/v1/alerts?src=203.0.113.2&limit=1", nil, 200, `"id":"edge-1:b:2"`},
		{"GET", "/api/v1/alerts?src=198.51.100.0/24", nil, 200, `{"alerts":[]}`},
		{"GET", "/api/v1/alerts?since=1h&until=1s&q=root", nil, 200, `"sid":2100498`},
		{"GET", "/api/v1/alerts?limit=0", nil, 422, `"field":"limit"`},
		{"GET", "/api/v1/alerts?src=10.0.0.1/8", nil, 422, `10.0.0.0/8 is the network`},
		{"GET", "/api/v1/alerts?srcip=1.2.3.4", nil, 422, `"field":"srcip"`},
		{"GET", "/api/v1/alerts?since=yesterday&until=x", nil, 422, `"field":"until"`},
		{"GET", "/api/v1/alerts?cursor=x", nil, 422, `"field":"cursor"`},
		{"GET", "/api/v1/alerts?query=src:203.0.113.2+severity%3C3+-app:dns", nil, 200, `{"alerts":[{"id":"edge-1:b:2"`},
		{"GET", "/api/v1/alerts?query=root+colour:red", nil, 422, `"at":{"offset":5,"end":11}`},
		{"GET", "/api/v1/alerts?hide=maybe", nil, 422, `"field":"hide"`},
		{"GET", "/api/v1/alerts/groups?by=src&query=sid:2100498", nil, 200, `"key":"203.0.113.1","label":"203.0.113.1","severity":2,"count":1,"others":1`},
		{"GET", "/api/v1/alerts/groups?by=app", nil, 422, `"field":"by"`},
		{"POST", "/api/v1/alerts/triage", map[string]any{"ids": []string{"edge-1:b:1"}, "state": "escalated", "comment": " look "}, 200, `{"changed":1}`},
		{"GET", "/api/v1/alerts/edge-1:b:1", nil, 200, `"actor":"ana","text":"look"`},
		{"POST", "/api/v1/alerts/triage", map[string]any{"match": map[string]any{"query": "is:open", "since": "1h"}, "state": "archived", "assignee": "bo"}, 200, `{"changed":2}`},
		{"GET", "/api/v1/alerts?query=is:archived", nil, 200, `"assignee":"bo"`},
		{"GET", "/api/v1/alerts?hide=true", nil, 200, `{"alerts":[{"id":"edge-1:b:1"`},
		{"POST", "/api/v1/alerts/triage", map[string]any{"match": map[string]any{"query": "x:"}, "ids": []string{"a"}, "state": "done"}, 422, `"field":"state"`},
		{"POST", "/api/v1/alerts/triage", map[string]any{"ids": []string{"a"}}, 422, `nothing is decided`},
		{"POST", "/api/v1/alerts/triage", map[string]any{"ids": []string{"none"}, "state": "open"}, 404, ``},
		{"POST", "/api/v1/suppressions", map[string]any{"query": "src:203.0.113.1", "reason": "ours", "ttl_seconds": 3600}, 201, `"created_by":"ana"`},
		{"GET", "/api/v1/suppressions", nil, 200, `"matched_24h":1`},
		{"GET", "/api/v1/alerts?hide=true", nil, 200, `{"alerts":[]}`},
		{"POST", "/api/v1/suppressions", map[string]any{"query": "", "reason": "", "ttl_seconds": 1}, 422, `hide everything`},
		{"POST", "/api/v1/suppressions", map[string]any{"query": "sid:x", "reason": "y", "ttl_seconds": 60}, 422, `"at":{"offset":4,"end":5}`},
		{"DELETE", "/api/v1/suppressions/none", nil, 404, ``},
		{"GET", "/api/v1/audit?action=alerts.triage", nil, 200, `"changed":2`},
		{"GET", "/api/v1/stats/traffic?since=30m", nil, 200, `"step_seconds":10`},
		{"GET", "/api/v1/stats/traffic?since=6h&n=0", nil, 422, `"field":"n"`},
		{"GET", "/api/v1/stats/changes?by=src", nil, 200, `"before":0`},
		{"GET", "/api/v1/stats/changes?order=luck", nil, 422, `"field":"order"`},
		{"GET", "/api/v1/alerts/edge-1:b:3", nil, 200, `"payload_printable":"\u003c/script\u003e"`},
		{"GET", "/api/v1/alerts/none", nil, 404, `"status":404`},
		{"GET", "/api/v1/stats/timeline", nil, 200, `"step_seconds":60`},
		{"GET", "/api/v1/stats/timeline?since=365d&step=60", nil, 422, `"field":"step"`},
		{"GET", "/api/v1/stats/top?by=src", nil, 200, `"key":"203.0.113.3"`},
		{"GET", "/api/v1/stats/top?by=colour", nil, 422, `"field":"by"`},
		{"GET", "/api/v1/sensors", nil, 200, `"drops":{}`},
		{"GET", "/api/v1/verdicts", nil, 200, `{"verdicts":[]}`},
		{"POST", "/api/v1/verdicts/preview", block, 200, `"alerts":3`},
		{"POST", "/api/v1/verdicts", block, 201, `"action":"drop","origin":"analyst"`},
		{"GET", "/api/v1/verdicts", nil, 200, `"created_by":"ana"`},
		{"POST", "/api/v1/verdicts", imds, 409, `never blocked`},
		{"POST", "/api/v1/verdicts", "{}", 422, `Content-Type`},
		{"POST", "/api/v1/verdicts", map[string]any{"math": 1}, 422, `"field":"math"`},
		{"POST", "/api/v1/verdicts", map[string]any{"ttl_seconds": "an hour"}, 422, `"field":"ttl_seconds"`},
		{"POST", "/api/v1/verdicts", map[string]any{"reason": strings.Repeat("x", maxBody)}, 413, `too large`},
		{"GET", "/api/v1/verdicts", nil, 200, `"missing":[]`},
		{"GET", "/api/v1/verdicts?address=203.0.113.0/24", nil, 200, `"id":"v1"`},
		{"GET", "/api/v1/verdicts?address=198.51.100.1", nil, 200, `{"verdicts":[]}`},
		{"GET", "/api/v1/verdicts/v1/hits", nil, 200, `"step_seconds":10`},
		{"POST", "/api/v1/verdicts/v1/extend", map[string]any{"ttl_seconds": 7200}, 201, `"reason":"scan"`},
		{"POST", "/api/v1/verdicts/v1/extend", map[string]any{"ttl_seconds": 7200}, 404, ``},
		{"POST", "/api/v1/verdicts/v2/extend", map[string]any{"ttl_seconds": 0}, 422, `"field":"ttl_seconds"`},
		{"GET", "/api/v1/audit?action=verdict.extend", nil, 200, `"before":{"id":"v1"`},
		{"DELETE", "/api/v1/verdicts/v2", nil, 204, ``},
		{"DELETE", "/api/v1/verdicts/v2", nil, 404, ``},
		{"DELETE", "/api/v1/verdicts/v1", nil, 404, ``},
		{"GET", "/api/v1/rules", nil, 200, `"version":"0"`},
		{"PUT", "/api/v1/rules", "bad", 422, `rules:1:1`},
		{"PUT", "/api/v1/rules", "alert ip any any -> any any (sid:1;)\n", 200, `"count":1`},
		{"GET", "/api/v1/rules?sid=1", nil, 200, `any any (sid:1;)`},
		{"GET", "/api/v1/rules?sid=11", nil, 200, `"rules":""`},
		{"PUT", "/api/v1/rules", map[string]any{"rules": "# none\n"}, 200, `"count":1`},
		{"PUT", "/api/v1/rules", map[string]any{}, 422, `"field":"rules"`},
		{"POST", "/api/v1/rules/bundles", "alert ip any any -> any any (sid:1", 422, `rules:1:`},
		{"POST", "/api/v1/rules/bundles?scope=edge", map[string]any{"rules": "alert ip any any -> any any (sid:1;)\n"}, 201, `"added":[1]`},
		{"GET", "/api/v1/rules/bundles", nil, 200, `"added_by":"ana"`},
		{"GET", "/api/v1/rules/bundles/" + ruleOne, nil, 200, `(sid:1;)`},
		{"GET", "/api/v1/rules/bundles/" + ruleOne + "/changes?from=", nil, 200, `"counts":[1,0,0]`},
		{"GET", "/api/v1/rules/bundles/00", nil, 404, ``},
		{"POST", "/api/v1/rules/rollouts", map[string]any{"version": ruleOne, "scope": "nowhere"}, 409, `nobody could try`},
		{"POST", "/api/v1/rules/rollouts", map[string]any{"version": ruleOne, "scope": "edge", "watch_seconds": 60}, 201, `"state":"loading"`},
		{"GET", "/api/v1/rules/rollouts", nil, 200, `"canary":"edge-1"`},
		{"GET", "/api/v1/rules/rollouts/none", nil, 404, ``},
		{"POST", "/api/v1/rules/rollouts/none/promote", nil, 404, ``},
		{"GET", "/api/v1/audit?action=rules.stage", nil, 200, `"scope":"edge"`},
		{"GET", "/api/v1/audit", nil, 200, `"action":"verdict.remove","object":"v2"`},
		{"GET", "/api/v1/audit?action=verdict.add", nil, 200, `"reason":"scan"`},
		{"GET", "/api/v1/openapi.json", nil, 200, `"openapi"`},
		{"GET", "/api/v1/nothing", nil, 404, `"title":"Not found"`},
		{"PATCH", "/api/v1/verdicts", nil, 405, `POST`},
		{"GET", "/healthz", nil, 200, "ok"},
		{"GET", "/readyz", nil, 200, "ok"},
		{"GET", "/metrics", nil, 200, `weir_collector_api_requests_total{method="GET",route="/api/v1/alerts",status="4xx"} 7`},
		{"GET", "/", nil, 200, "console"},
	} {
		status, body := f.do(t, c.method, c.path, c.body)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s; want %d with %s", c.method, c.path, status, body, c.status, c.want)
		}
	}
	if err := f.audit.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestVerdictRequestNamesEveryWrongField(t *testing.T) {
	f := start(t)
	_, body := f.do(t, "POST", "/api/v1/verdicts", map[string]any{
		"match":  map[string]any{"src": "10.0.0.1/8", "dst": "::1", "proto": "ipx"},
		"action": "explode", "rate": 7, "ttl_seconds": 0, "reason": " ", "scope": strings.Repeat("s", 300), "evidence": make([]string, 11),
	})
	var p problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range p.Errors {
		got = append(got, e.Field)
	}
	want := []string{"action", "evidence", "match.proto", "match.src", "rate", "reason", "scope", "ttl_seconds"}
	if !slices.Equal(got, want) {
		t.Errorf("fields %v, want %v", got, want)
	}
}

func TestVerdictRequestIsReadWhole(t *testing.T) {
	q := verdictRequest{Action: "ratelimit", Rate: 50, TTLSeconds: 60, Reason: " slow down ", Scope: "edge", Rule: 7, Evidence: []string{"a"}}
	q.Match.Src, q.Match.Dst, q.Match.Port, q.Match.Proto = "203.0.113.7", "10.0.0.0/8", 443, json.RawMessage(`"tcp"`)
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	got, err := q.verdict(now)
	if err != nil {
		t.Fatal(err)
	}
	want := verdict.Verdict{
		Match:  verdict.Match{Src: netip.MustParsePrefix("203.0.113.7/32"), Dst: netip.MustParsePrefix("10.0.0.0/8"), Proto: 6, Port: 443},
		Action: verdict.RateLimit, Rate: 50, Reason: "slow down", Scope: "edge", Rule: 7, Evidence: []string{"a"},
		CreatedAt: now, ExpiresAt: now.Add(time.Minute),
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestGuardRefusesOtherSitesAndNames(t *testing.T) {
	f := start(t)
	block := map[string]any{"match": map[string]any{"src": "203.0.113.7"}, "action": "drop", "ttl_seconds": 60, "reason": "x"}
	for name, c := range map[string]struct {
		header []string
		status int
	}{
		"same origin":    {[]string{"Origin", f.URL, "Sec-Fetch-Site", "same-origin"}, 201},
		"no browser":     {nil, 201},
		"other site":     {[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		"other origin":   {[]string{"Origin", "http://evil.example"}, 403},
		"rebound name":   {[]string{"Host", "evil.example"}, 421},
		"rebound number": {[]string{"Host", "192.0.2.1:8443"}, 421},
		"localhost":      {[]string{"Host", "localhost:8443"}, 201},
		"IPv6 loopback":  {[]string{"Host", "[::1]:8443"}, 201},
	} {
		if status, body := f.do(t, "POST", "/api/v1/verdicts", block, c.header...); status != c.status {
			t.Errorf("%s: %d %s, want %d", name, status, body, c.status)
		}
	}
}

func TestEveryAnswerCarriesThePolicy(t *testing.T) {
	f := start(t)
	for _, path := range []string{"/", "/api/v1/alerts", "/api/v1/none", "/metrics"} {
		res, err := http.Get(f.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: content may be sniffed", path)
		}
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	f := start(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.api.Serve(ctx, ln) }()
	res, err := http.Get("http://" + ln.Addr().String() + "/api/v1/alerts/stream") // an open stream must not hold it up
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(3 * time.Second):
		t.Error("still serving")
	}
}

// stream reads events until want alerts and skips have come, and returns them with the last id.
func (f *fixture) stream(t *testing.T, params, last string, want int, ready func()) (alerts []store.Alert, skipped uint64, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", f.URL+"/api/v1/alerts/stream"+params, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, ": Weir") && ready != nil {
			ready()
		}
		if after, ok := strings.CutPrefix(line, "id: "); ok {
			id = after
		}
		after, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var b batch
		if err := json.Unmarshal([]byte(after), &b); err != nil {
			t.Fatal(err)
		}
		if alerts, skipped = append(alerts, b.Alerts...), skipped+b.Skipped; len(alerts)+int(skipped) >= want {
			return alerts, skipped, id
		}
	}
	t.Fatalf("stream ended with %d alerts, %d skipped; want %d", len(alerts), skipped, want)
	return nil, 0, ""
}

func TestStreamSendsWhatArrivesAndCountsWhatItSkips(t *testing.T) {
	f := start(t)
	f.keep(t, alert(0))
	many := make([]store.Alert, 1000)
	for i := range many {
		many[i] = alert(i + 1)
		many[i].SrcIP = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
	}
	alerts, skipped, id := f.stream(t, "", "", 1000, func() { f.keep(t, many...) })
	if len(alerts) != streamBatch || skipped != 1000-streamBatch || id != "1001" {
		t.Errorf("%d alerts, %d skipped, id %s; want %d, %d, 1001", len(alerts), skipped, id, streamBatch, 1000-streamBatch)
	}
	if alerts[0].EVE != nil || alerts[0].ID != many[999].ID {
		t.Errorf("first in the batch is %s, want the newest, %s, without EVE", alerts[0].ID, many[999].ID)
	}
	one, skipped, _ := f.stream(t, "?src=10.0.1.5", "1", 1, nil)
	if len(one) != 1 || skipped != 0 {
		t.Errorf("resumed with a filter: %d alerts, %d skipped; want 1, 0", len(one), skipped)
	}
	if rest, _, _ := f.stream(t, "", "991", 10, nil); len(rest) != 10 {
		t.Errorf("resumed after 991: %d alerts, want 10", len(rest))
	}
}

func TestStreamRefusesNonsense(t *testing.T) {
	f := start(t)
	if status, body := f.do(t, "GET", "/api/v1/alerts/stream?src=x", nil, "Last-Event-ID", "y"); status != 422 ||
		!strings.Contains(body, `"field":"Last-Event-ID"`) || !strings.Contains(body, `"field":"src"`) {
		t.Errorf("%d %s", status, body)
	}
	for range maxStreams {
		f.api.streams <- struct{}{}
	}
	if status, _ := f.do(t, "GET", "/api/v1/alerts/stream", nil); status != 503 {
		t.Errorf("one stream too many: %d, want 503", status)
	}
}

type failing struct{ Alerts }

func (failing) Search(context.Context, store.Filter, string, int) (store.Page, error) {
	return store.Page{}, errors.New("disk I/O error in /secret/path")
}

func (failing) Get(context.Context, string) (store.Alert, error) { panic("boom") }

func TestInnerErrorsAreNotTold(t *testing.T) {
	f := start(t)
	f.api.opt.Alerts = failing{}
	if status, body := f.do(t, "GET", "/api/v1/alerts", nil); status != 500 || strings.Contains(body, "secret") {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := f.do(t, "GET", "/api/v1/alerts/x", nil); status != 500 {
		t.Errorf("panic: %d, want 500", status)
	}
	f.audit.Close()
	block := map[string]any{"match": map[string]any{"src": "203.0.113.7"}, "action": "drop", "ttl_seconds": 60, "reason": "x"}
	if status, body := f.do(t, "POST", "/api/v1/verdicts", block); status != 500 || !strings.Contains(body, "not recorded") {
		t.Errorf("audit log gone: %d %s", status, body)
	}
}

func FuzzReadVerdict(f *testing.F) {
	f.Add([]byte(`{"match":{"src":"203.0.113.7/32"},"action":"drop","ttl_seconds":3600,"reason":"scan"}`))
	f.Add([]byte(`{"match":{"flow":{"src":"1.2.3.4:5","dst":"[::1]:80","proto":6}},"action":"pass","ttl_seconds":1,"reason":"x"}`))
	f.Add([]byte(`{"match":{"proto":"\u0000"},"ttl_seconds":-1}`))
	s := &Server{}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		v, err := s.readVerdict(r)
		var inv *Invalid
		if err != nil && !errors.As(err, &inv) {
			t.Errorf("%T: %v", err, err)
		}
		if err == nil && (!v.ExpiresAt.After(v.CreatedAt) || v.ExpiresAt.Sub(v.CreatedAt) > MaxTTL) {
			t.Errorf("verdict from %s to %s", v.CreatedAt, v.ExpiresAt)
		}
	})
}

func TestOtherMachinesNeedTLS(t *testing.T) {
	for name, c := range map[string]struct {
		tls            *tls.Config
		insecure, open bool
		refused        bool
	}{
		"plain":                  {nil, false, false, true},
		"plain, as told":         {nil, true, false, false},
		"server certificate":     {&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }}, false, false, false},
		"open to other machines": {nil, true, true, true},
		"open, though encrypted": {&tls.Config{}, false, true, true},
	} {
		s := start(t).api
		s.opt.TLS, s.opt.Insecure, s.opt.Open = c.tls, c.insecure, c.open
		ln, err := net.Listen("tcp", "0.0.0.0:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := s.Serve(ctx, ln); (err != nil) != c.refused {
			t.Errorf("%s: %v, want refused %v", name, err, c.refused)
		}
		cancel()
	}
}
