package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/collector/identity"
	"github.com/weir-ips/weir/pkg/wire"
)

const password = "correct horse battery"

// account makes an account and returns its client, signed in.
func (f *fixture) account(t *testing.T, name string, roles ...identity.Role) *http.Client {
	t.Helper()
	if _, err := f.people.AddUser(t.Context(), name, roles, "test"); err != nil {
		t.Fatal(err)
	}
	secret, _, err := f.people.Invite(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	jar, _ := cookiejar.New(nil)
	was := f.client
	defer func() { f.client = was }()
	f.client = &http.Client{Jar: jar}
	if status, body := f.do(t, "POST", "/api/v1/session/invitation", map[string]any{"invitation": secret, "password": password}); status != 201 {
		t.Fatalf("%s accepts: %d %s", name, status, body)
	}
	return f.client
}

// exchange is one request and what is wanted.
type exchange struct {
	method, path string
	body         any
	status       int
	want         string // occurs in the answer
}

func (f *fixture) exchanges(t *testing.T, all []exchange) {
	t.Helper()
	for _, c := range all {
		if status, body := f.do(t, c.method, c.path, c.body); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s; want %d with %s", c.method, c.path, status, body, c.status, c.want)
		}
	}
}

type m = map[string]any

// TestEveryRouteAsksForItsRole calls every route as nobody and as everybody.
func TestEveryRouteAsksForItsRole(t *testing.T) {
	f := start(t)
	clients := map[identity.Role]*http.Client{"": http.DefaultClient}
	f.account(t, "root", identity.Admin)
	for _, role := range identity.Roles() {
		clients[role] = f.account(t, "of-"+string(role), role)
	}
	fill := strings.NewReplacer("{id}", "none", "{name}", "none", "{sensor}", "none")
	for _, r := range f.api.routes() {
		if r.stream || r.pattern == prefix+"/session" || r.pattern == prefix+"/session/invitation" {
			continue
		}
		for role, client := range clients {
			f.client = client
			status, body := f.do(t, r.method, fill.Replace(r.pattern), nil)
			switch {
			case r.role == anyone && status == 200:
			case role == "" && status != http.StatusUnauthorized:
				t.Errorf("%s %s without signing in: %d %s", r.method, r.pattern, status, body)
			case role != "" && role.Includes(r.role) == (status == http.StatusForbidden) && !strings.Contains(r.pattern, "tokens"):
				t.Errorf("%s %s as %s: %d %s", r.method, r.pattern, role, status, body)
			case role != "" && status == http.StatusUnauthorized:
				t.Errorf("%s %s as %s is not signed in", r.method, r.pattern, role)
			}
		}
	}
	f.client = http.DefaultClient
	for path, status := range map[string]int{"/metrics": 401, "/healthz": 200, "/readyz": 200, "/": 200, "/login": 200, "/api/v1/alerts/stream": 401, "/api/v1/none": 404} {
		if got, _ := f.do(t, "GET", path, nil); got != status {
			t.Errorf("%s without signing in: %d, want %d", path, got, status)
		}
	}
}

func TestOpenUntilThereIsAnAccount(t *testing.T) {
	f := start(t)
	f.exchanges(t, []exchange{
		{"GET", "/api/v1/session", nil, 200, `"kind":"open","roles":["admin"]`},
		{"GET", "/api/v1/session", nil, 200, `"warning":"Nobody has an account yet`},
		{"GET", "/api/v1/alerts", nil, 200, ""},
		{"GET", "/login", nil, 200, "There is no account yet"},
	})
	f.api.opt.Insecure = true
	for _, header := range [][]string{{"Host", "rebound.example"}, {"X-Forwarded-For", "203.0.113.7"}, {"Forwarded", "for=203.0.113.7"}, {"Via", "1.1 proxy"}} {
		if status, body := f.do(t, "GET", "/api/v1/alerts", nil, header...); status != 401 {
			t.Errorf("open to %v: %d %s", header, status, body)
		}
	}
	ana := f.account(t, "ana", identity.Admin)
	f.exchanges(t, []exchange{
		{"GET", "/api/v1/session", nil, 200, `"signed_in":false`},
		{"GET", "/api/v1/alerts", nil, 401, "Not signed in"},
		{"DELETE", "/api/v1/session", nil, 204, ""},
	})
	f.client = ana
	f.exchanges(t, []exchange{
		{"GET", "/api/v1/session", nil, 200, `"name":"ana","kind":"local"`},
		{"DELETE", "/api/v1/users/ana", nil, 409, "last admin"},
	})
	f.api.opt.Open = false
	f.client = http.DefaultClient
	if status, _ := start(t).do(t, "GET", "/api/v1/alerts", nil); status != 200 {
		t.Errorf("open: %d", status)
	}
	g := start(t)
	g.api.opt.Open = false
	if status, body := g.do(t, "GET", "/api/v1/alerts", nil); status != 401 {
		t.Errorf("not on loopback, without an account: %d %s", status, body)
	}
}

func TestSigningInAndOut(t *testing.T) {
	f := start(t)
	f.account(t, "root", identity.Admin)
	f.account(t, "bo", identity.Analyst)
	jar, _ := cookiejar.New(nil)
	f.client = &http.Client{Jar: jar}
	f.exchanges(t, []exchange{
		{"POST", "/api/v1/session", m{"name": "bo", "password": "wrong password"}, 403, "name or password"},
		{"POST", "/api/v1/session", m{"name": "nobody", "password": password}, 403, "name or password"},
		{"POST", "/api/v1/session", m{"name": "bo", "password": password}, 200, `"may":["viewer","analyst"]`},
		{"GET", "/api/v1/sessions", nil, 200, `"agent":"Go-http-client`},
		{"GET", "/api/v1/sessions?all=true", nil, 403, ""},
		{"POST", "/api/v1/verdicts", m{}, 403, "needs the role responder"},
		{"POST", "/api/v1/searches", m{"name": "scans", "query": "sid:1", "shared": true}, 201, `"owner":"bo"`},
		{"POST", "/api/v1/searches", m{"name": "", "query": "colour:red"}, 422, `"field":"query"`},
		{"GET", "/api/v1/searches", nil, 200, `"name":"scans"`},
		{"PUT", "/api/v1/session/password", m{"old": "wrong password", "new": "another good one"}, 422, `"field":"old"`},
		{"PUT", "/api/v1/session/password", m{"old": password, "new": "another good one"}, 204, ""},
	})
	here, _ := url.Parse(f.URL)
	kept := jar.Cookies(here)
	f.exchanges(t, []exchange{{"DELETE", "/api/v1/session", nil, 204, ""}, {"GET", "/api/v1/alerts", nil, 401, ""}})
	jar.SetCookies(here, kept) // the browser may have kept it; the collector has not
	f.exchanges(t, []exchange{{"GET", "/api/v1/alerts", nil, 401, ""}})
	for range 5 {
		f.do(t, "POST", "/api/v1/session", m{"name": "bo", "password": "wrong password"})
	}
	f.exchanges(t, []exchange{{"POST", "/api/v1/session", m{"name": "bo", "password": "another good one"}, 429, "try again in"}})
	entries, err := f.audit.List(t.Context(), auditOf("session.refuse"))
	if err != nil || len(entries) < 3 || entries[0].Actor != "anonymous" || entries[0].Object != "bo" {
		t.Errorf("refused sign-ins in the audit log: %+v, %v", entries, err)
	}
}

func TestTheCookieIsKeptFromOthers(t *testing.T) {
	f := start(t)
	f.account(t, "ana", identity.Admin)
	res, err := http.Post(f.URL+"/api/v1/session", "application/json", strings.NewReader(`{"name":"ana","password":"`+password+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	c := res.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("%+v", c)
	}
	// Another site that makes the browser send a request changes nothing, cookie or not.
	for _, header := range [][]string{{"Origin", "http://evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
		header = append(header, "Cookie", c.Name+"="+c.Value)
		if status, body := f.do(t, "PUT", "/api/v1/kill-switch", m{"scopes": []string{"all"}}, header...); status != 403 {
			t.Errorf("%v: %d %s", header, status, body)
		}
	}
	if len(f.house.kill.Scopes) > 0 {
		t.Error("the kill switch was set")
	}
}

func TestAccountsAndTokens(t *testing.T) {
	f := start(t)
	admin := f.account(t, "root", identity.Admin)
	bo := f.account(t, "bo", identity.Responder)
	f.client = admin
	f.exchanges(t, []exchange{
		{"GET", "/api/v1/users", nil, 200, `"name":"bo"`},
		{"POST", "/api/v1/users", m{"name": "cy", "roles": []string{"viewer"}}, 201, `"state":"invited"`},
		{"POST", "/api/v1/users", m{"name": "cy", "roles": []string{"viewer"}}, 409, "exists already"},
		{"POST", "/api/v1/users", m{"name": "dee", "roles": []string{"root"}}, 422, `"field":"roles"`},
		{"POST", "/api/v1/users", m{"name": "a b", "roles": []string{"viewer"}}, 409, "only letters"},
		{"POST", "/api/v1/users/cy/invitation", nil, 201, `"link":"/invite?link=`},
		{"PATCH", "/api/v1/users/cy", m{"roles": []string{"analyst", "rule-admin"}}, 200, `"roles":["analyst","rule-admin"]`},
		{"PATCH", "/api/v1/users/cy", m{"state": "disabled"}, 200, `"state":"disabled"`},
		{"PATCH", "/api/v1/users/cy", m{}, 422, "nothing is changed"},
		{"PATCH", "/api/v1/users/none", m{"state": "active"}, 404, ""},
		{"DELETE", "/api/v1/users/cy", nil, 204, ""},
		{"GET", "/api/v1/sessions?all=true", nil, 200, `"name":"bo"`},
	})
	f.client = bo
	f.exchanges(t, []exchange{
		{"POST", "/api/v1/tokens", m{"name": "ci", "roles": []string{"admin"}, "ttl_seconds": 3600}, 403, "yourself"},
		{"POST", "/api/v1/tokens", m{"name": "ci", "roles": []string{"viewer"}, "ttl_seconds": 1}, 422, `"field":"ttl_seconds"`},
		{"GET", "/api/v1/tokens?all=true", nil, 403, ""},
	})
	_, body := f.do(t, "POST", "/api/v1/tokens", m{"name": "ci", "roles": []string{"responder"}, "ttl_seconds": 3600})
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(body), &made); err != nil || !strings.HasPrefix(made.Token, "weir_") {
		t.Fatalf("%s: %v", body, err)
	}
	f.client = http.DefaultClient
	bearer := func(method, path string, body any) (int, string) {
		return f.do(t, method, path, body, "Authorization", "Bearer "+made.Token)
	}
	day := m{"match": m{"src": "203.0.113.7"}, "action": "drop", "ttl_seconds": 86400, "reason": "scan"}
	if status, body := bearer("POST", "/api/v1/verdicts", day); status != 201 || !strings.Contains(body, `"created_by":"token:ci"`) {
		t.Errorf("a verdict by token: %d %s", status, body)
	}
	if status, body := bearer("POST", "/api/v1/tokens", m{"name": "more", "roles": []string{"viewer"}, "ttl_seconds": 3600}); status != 403 {
		t.Errorf("a token makes a token: %d %s", status, body)
	}
	week := m{"match": m{"src": "203.0.113.8"}, "action": "drop", "ttl_seconds": 7 * 86400, "reason": "scan"}
	if status, body := bearer("POST", "/api/v1/verdicts", week); status != 403 || !strings.Contains(body, "approver") {
		t.Errorf("a responder decides for a week: %d %s", status, body)
	}
	if status, body := bearer("POST", "/api/v1/verdicts/v1/extend", m{"ttl_seconds": 7 * 86400}); status != 403 {
		t.Errorf("a responder extends to a week: %d %s", status, body)
	}
	if status, _ := f.do(t, "GET", "/metrics", nil, "Authorization", "Bearer "+made.Token); status != 200 {
		t.Errorf("metrics by token: %d", status)
	}
	for _, bad := range []string{"Bearer nonsense", "Basic YTpi", "Bearer"} {
		if status, _ := f.do(t, "GET", "/api/v1/alerts", nil, "Authorization", bad); status != 401 {
			t.Errorf("%s: %d", bad, status)
		}
	}
	f.client = admin
	f.exchanges(t, []exchange{{"GET", "/api/v1/tokens?all=true", nil, 200, `"remote":"127.0.0.1"`}, {"DELETE", "/api/v1/tokens/ci", nil, 204, ""}})
	f.client = http.DefaultClient
	if status, _ := bearer("GET", "/api/v1/alerts", nil); status != 401 {
		t.Errorf("revoked: %d", status)
	}
}

func TestPagesWorkWithoutScript(t *testing.T) {
	f := start(t)
	secret, _, err := f.people.Invite(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	jar, _ := cookiejar.New(nil)
	c := &http.Client{Jar: jar}
	post := func(path string, form url.Values) (int, string, string) {
		t.Helper()
		res, err := c.PostForm(f.URL+path, form)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text := new(strings.Builder)
		if _, err := fmt.Fprint(text, readAll(t, res)); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Request.URL.Path, text.String()
	}
	if status, body := f.do(t, "GET", "/invite?link="+secret, nil); status != 200 || !strings.Contains(body, "Make the first account") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := f.do(t, "GET", "/invite?link=x", nil); status != 410 || !strings.Contains(body, "void") {
		t.Errorf("%d %s", status, body)
	}
	hostile := `"><script>alert(1)</script>`
	if status, _, body := post("/invite", url.Values{"link": {secret}, "name": {hostile}, "password": {password}, "again": {password}}); status != 409 || strings.Contains(body, "<script>") {
		t.Errorf("%d %s", status, body)
	}
	if status, _, body := post("/invite", url.Values{"link": {secret}, "name": {"ana"}, "password": {password}, "again": {"other"}}); status != 422 || !strings.Contains(body, "not the same") {
		t.Errorf("%d %s", status, body)
	}
	if status, path, body := post("/invite", url.Values{"link": {secret}, "name": {"ana"}, "password": {password}, "again": {password}}); status != 200 || path != "/" || body != "console" {
		t.Errorf("%d %s %s", status, path, body)
	}
	if status, _, body := post("/login", url.Values{"name": {hostile}, "password": {"x"}}); status != 403 || strings.Contains(body, "<script>") || !strings.Contains(body, `role="alert"`) {
		t.Errorf("%d %s", status, body)
	}
	if status, path, _ := post("/login", url.Values{"name": {"ana"}, "password": {password}}); status != 200 || path != "/" {
		t.Errorf("%d %s", status, path)
	}
	f.client = c
	f.exchanges(t, []exchange{{"GET", "/api/v1/session", nil, 200, `"name":"ana"`}, {"GET", "/login/oidc", nil, 404, ""}})
}

func TestAStreamEndsWithItsSession(t *testing.T) {
	f := start(t)
	admin := f.account(t, "root", identity.Admin)
	bo := f.account(t, "bo", identity.Viewer)
	res, err := bo.Get(f.URL + "/api/v1/alerts/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	f.client = admin
	f.exchanges(t, []exchange{{"PATCH", "/api/v1/users/bo", m{"state": "disabled"}, 200, ""}})
	ended := make(chan string, 1)
	go func() { ended <- readAll(t, res) }()
	select {
	case <-ended:
	case <-time.After(4 * readmitEvery):
		t.Error("the stream goes on")
	}
}

func TestSteeringFeedsEnrolmentPolicyAndSettings(t *testing.T) {
	f := start(t)
	f.house.protected = []Protected{}
	f.exchanges(t, []exchange{
		{"GET", "/api/v1/kill-switch", nil, 200, `{"scopes":[],"origins":[],"rules":[]}`},
		{"PUT", "/api/v1/kill-switch", m{"scopes": []string{"edge"}}, 200, `{"scopes":["edge"],"origins":[],"rules":[],"by":"ana"`},
		{"PUT", "/api/v1/kill-switch", m{"scopes": []string{"edge"}, "reason": " shop is down "}, 200, `{"scopes":["edge"],"origins":[],"rules":[],"reason":"shop is down","by":"ana"`},
		{"PUT", "/api/v1/kill-switch", m{"scopes": []string{"edge"}, "reason": strings.Repeat("x", maxReason+1)}, 422, `"field":"reason"`},
		{"PUT", "/api/v1/kill-switch", m{}, 422, `"field":"scopes"`},
		{"PUT", "/api/v1/kill-switch", m{"scopes": []string{"no such scope"}}, 422, `"field":"scopes"`},
		{"PUT", "/api/v1/kill-switch", m{"scopes": []string{}}, 200, `"scopes":[]`},
		{"PUT", "/api/v1/kill-switch", m{"scopes": []string{}, "origins": []string{"feed"}, "rules": []int{7}}, 200, `"origins":["feed"],"rules":[7]`},
		{"PUT", "/api/v1/kill-switch", m{"scopes": []string{}, "origins": []string{"analyst"}}, 422, `"field":"origins"`},
		{"POST", "/api/v1/never-block", m{"prefix": "203.0.113.0/24", "reason": "partner"}, 201, `"lifted":3`},
		{"POST", "/api/v1/never-block", m{"prefix": "203.0.113.1/24", "reason": ""}, 422, `"field":"reason"`},
		{"GET", "/api/v1/never-block?address=203.0.113.9", nil, 200, `"reason":"partner"`},
		{"GET", "/api/v1/never-block?address=192.0.2.1", nil, 200, `{"prefixes":[]}`},
		{"DELETE", "/api/v1/never-block?prefix=203.0.113.0/24", nil, 204, ""},
		{"DELETE", "/api/v1/never-block?prefix=203.0.113.0/24", nil, 404, ""},
		{"DELETE", "/api/v1/never-block", nil, 422, `"field":"prefix"`},
		{"POST", "/api/v1/verdicts/rollback", m{"to": 4}, 200, `"removed":2`},
		{"POST", "/api/v1/verdicts/rollback", m{"to": 400}, 409, "does not reach"},
		{"POST", "/api/v1/verdicts/rollback", m{}, 422, `"field":"to"`},
		{"GET", "/api/v1/feeds", nil, 200, `"state":"held"`},
		{"POST", "/api/v1/feeds/drop/accept", nil, 200, `"state":"ok","entries":12`},
		{"POST", "/api/v1/feeds/none/accept", nil, 404, ""},
		{"POST", "/api/v1/feeds/drop/pause", m{"reason": ""}, 422, `"reason"`},
		{"POST", "/api/v1/feeds/drop/pause", m{"reason": "blocks our CDN"}, 200, `"paused_why":"blocks our CDN"`},
		{"POST", "/api/v1/feeds/drop/resume", nil, 200, `"state":"waiting"`},
		{"DELETE", "/api/v1/feeds/drop", nil, 409, "collector.yaml"},
		{"POST", "/api/v1/feeds", m{"name": "own", "url": "/etc/passwd"}, 422, `https://host/path`},
		{"POST", "/api/v1/feeds", m{"name": "own", "url": "https://a.example/", "list": "203.0.113.0/24"}, 422, `"url"`},
		{"POST", "/api/v1/feeds", m{"name": "own", "list": "203.0.113.0/24\n", "action": "observe"}, 201, `"own":true`},
		{"DELETE", "/api/v1/feeds/own", nil, 204, ""},
		{"POST", "/api/v1/exports", m{"name": "chat", "type": "slack", "secret": "https://hooks.example/T", "events": []string{"incident"}}, 201, `"events":["incident"]`},
		{"POST", "/api/v1/exports/chat/test", nil, 200, `{"took_ms":12}`},
		{"POST", "/api/v1/exports/none/test", nil, 404, ""},
		{"DELETE", "/api/v1/exports/chat", nil, 204, ""},
		{"GET", "/api/v1/policy", nil, 200, `"block":[],"limits":{"per_minute":600`},
		{"PUT", "/api/v1/policy", m{"block": []m{{"severity": 1, "action": "drop", "ttl_seconds": 600, "quorum": m{"sensors": 2, "within_seconds": 60}}}}, 200, `"changed":true,"changed_by":"ana"`},
		{"PUT", "/api/v1/policy", m{"block": []m{}, "limits": m{"per_minute": 0}}, 422, `"field":"limits.per_minute"`},
		{"PUT", "/api/v1/policy", m{"blok": []m{}}, 422, `"field":"blok"`},
		{"GET", "/api/v1/enrolment/tokens", nil, 200, `{"tokens":[]}`},
		{"POST", "/api/v1/enrolment/tokens", m{"group": "edge", "uses": 3}, 201, `"token":"t1.secret"`},
		{"POST", "/api/v1/enrolment/tokens", m{"uses": 0, "ttl_seconds": 0}, 422, `"field":"uses"`},
		{"GET", "/api/v1/enrolment/tokens", nil, 200, `"group":"edge","uses":3`},
		{"DELETE", "/api/v1/enrolment/tokens/t1", nil, 204, ""},
		{"DELETE", "/api/v1/enrolment/tokens/t1", nil, 404, ""},
		{"GET", "/api/v1/enrolment/sensors", nil, 200, `"kind":"certificate"`},
		{"DELETE", "/api/v1/enrolment/sensors/edge-1", nil, 204, ""},
		{"DELETE", "/api/v1/enrolment/sensors/edge-1", nil, 404, ""},
		{"GET", "/api/v1/settings", nil, 200, `"version":"test"`},
		{"GET", "/api/v1/audit?action=sensor.revoke", nil, 200, `"object":"edge-1"`},
	})
}

func TestIncidentsInTheAPI(t *testing.T) {
	f := start(t)
	f.tracker.Consider([]wire.Event{scan(1, 100, "203.0.113.1"), scan(2, 101, "203.0.113.1"), scan(3, 102, "203.0.113.2")})
	f.keep(t, alert(1), alert(2), alert(3))
	_, body := f.do(t, "GET", "/api/v1/incidents?address=203.0.113.1", nil)
	var page struct {
		Incidents []struct {
			ID     string
			Alerts int
		}
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil || len(page.Incidents) != 1 || page.Incidents[0].Alerts != 2 {
		t.Fatalf("%s, %v", body, err)
	}
	at := "/api/v1/incidents/" + page.Incidents[0].ID
	f.verdicts.all = append(f.verdicts.all, VerdictStatus{State: "active", Hits: Hits{Packets: 70, Bytes: 7000}})
	block := m{"match": m{"src": "203.0.113.0/24"}, "action": "drop", "ttl_seconds": 3600, "reason": "scan"}
	f.exchanges(t, []exchange{{"POST", "/api/v1/verdicts", block, 201, ""}})
	f.verdicts.all[1].Hits = Hits{Packets: 5, Bytes: 300}
	f.exchanges(t, []exchange{
		{"GET", at, nil, 200, `"mitigation":{"active":1,"packets_dropped":5,"bytes_dropped":300,"would_packets":0,"sensor_dropped":0`},
		{"PATCH", at, m{"state": "acknowledged", "assignee": "ana", "comment": " looking <b>"}, 200, `"actor":"ana"`},
		{"GET", "/api/v1/incidents?state=acknowledged,resolved&assignee=ana&severity=medium", nil, 200, page.Incidents[0].ID},
		{"GET", "/api/v1/incidents?state=open", nil, 200, `"203.0.113.2"`},
		{"GET", "/api/v1/incidents?limit=1", nil, 200, `"next":"`},
		{"GET", "/api/v1/incidents?brief=true", nil, 200, `"203.0.113.2"`},
		{"GET", "/api/v1/incidents?state=closed&kind=x&address=10.0.0.0/8&severity=bad", nil, 422, `"field":"severity"`},
		{"GET", "/api/v1/incidents?cursor=x", nil, 422, `"field":"cursor"`},
		{"PATCH", at, m{"state": "resolved"}, 422, `"field":"resolution"`},
		{"PATCH", at, m{"state": "resolved", "resolution": "quiet"}, 422, `"field":"resolution"`},
		{"PATCH", at, m{}, 422, "nothing is decided"},
		{"PATCH", at, m{"state": "resolved", "resolution": "benign", "severity": "low", "assignee": ""}, 200, `"resolution":"benign"`},
		{"GET", at + "/alerts", nil, 200, `"id":"edge-1:b:1"`},
		{"GET", at + "/alerts?limit=0", nil, 422, `"field":"limit"`},
		{"GET", "/api/v1/incidents/none", nil, 404, ""},
		{"PATCH", "/api/v1/incidents/none", m{"state": "open"}, 404, ""},
		{"GET", "/api/v1/incidents/none/report", nil, 404, ""},
		{"GET", "/api/v1/audit?action=incident.change", nil, 200, `"resolution":"benign"`},
		{"GET", "/report.css", nil, 200, "@page"},
	})
	status, report := f.do(t, "GET", at+"/report", nil)
	if status != 200 || strings.Contains(report, "<img") || strings.Contains(report, "<b>") || !strings.Contains(report, "looking &lt;b&gt;") || !strings.Contains(report, "203.0.113.0/24") {
		t.Errorf("report: %d %s", status, report)
	}
}

// TestTheStreamCarriesIncidents reads the stream until an incident comes.
func TestTheStreamCarriesIncidents(t *testing.T) {
	f := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // an incident that does not come must not hold the tests up
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", f.URL+"/api/v1/alerts/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	f.tracker.Consider([]wire.Event{scan(1, 100, "203.0.113.1")})
	text := readUntil(t, res, "\"incidents\":[")
	if !strings.Contains(text, "event: incidents\n") {
		t.Errorf("stream says %q", text)
	}
	d := readUntil(t, res, "\n\n")
	f.spec.hold(t, "stream", "/components/schemas/IncidentBatch", strings.TrimSpace(text[strings.LastIndex(text, "data: ")+6:]+d))
}

// A certificate says who somebody is; what they may do is their account.
func TestCertificatesNameAccounts(t *testing.T) {
	f := start(t)
	f.account(t, "root", identity.Admin)
	f.account(t, "bo", identity.Viewer)
	for _, c := range []struct {
		name   string
		proven bool
		want   error
	}{{"bo", true, nil}, {"bo", false, errSignIn}, {"nobody", true, errSignIn}, {"", true, errSignIn}} {
		who, err := f.api.authenticate(withCertificate(t, c.name, c.proven))
		if !isError(err, c.want) || err == nil && (who.Name != c.name || who.Kind != identity.KindCertificate || who.May(identity.Analyst)) {
			t.Errorf("%q, proven %v: %+v, %v", c.name, c.proven, who, err)
		}
	}
}
