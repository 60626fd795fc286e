package api

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/weir-ips/weir/internal/collector/identity"
	"github.com/weir-ips/weir/internal/collector/identity/identitytest"
)

// browser follows redirects and keeps cookies as a browser does.
type browser struct {
	t *testing.T
	*http.Client
}

func newBrowser(t *testing.T) *browser {
	jar, _ := cookiejar.New(nil)
	return &browser{t, &http.Client{Jar: jar}}
}

var loginID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// signIn goes to the provider, fills its form in, and returns where that ends.
func (b *browser) signIn(console, user string) (path string, status int, body string) {
	b.t.Helper()
	res, err := b.Get(console + "/login/oidc")
	if err != nil {
		b.t.Fatal(err)
	}
	page := readAll(b.t, res)
	res.Body.Close()
	id := loginID.FindStringSubmatch(page)
	if id == nil {
		b.t.Fatalf("no form of the provider at %s: %d %s", res.Request.URL, res.StatusCode, page)
	}
	res, err = b.PostForm(res.Request.URL.String(), url.Values{"id": {id[1]}, "username": {user}, "password": {"verysecure"}})
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.Request.URL.Path, res.StatusCode, readAll(b.t, res)
}

func TestSigningInThroughARealProvider(t *testing.T) {
	f := start(t)
	config := identity.OIDC{
		Name: "Example SSO", Issuer: identitytest.Provider(t, "../../..", f.URL+CallbackPath), ClientID: "weir", Secret: filepath.Join(t.TempDir(), "secret"), Public: f.URL,
		Claim: "preferred_username", Roles: map[string][]string{"responder": {"test-user@127.0.0.1"}},
	}
	if err := os.WriteFile(config.Secret, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if key, reason := config.Check(); key != "" {
		t.Fatal(key, reason)
	}
	f.api.opt.Provider = identity.NewProvider(config, CallbackPath)

	f.exchanges(t, []exchange{
		{"GET", "/api/v1/alerts", nil, 401, ""}, // there is no account, but a provider
		{"GET", "/api/v1/session", nil, 200, `"provider":"Example SSO"`},
		{"GET", "/login", nil, 200, `<a href="/login/oidc">`},
	})
	b := newBrowser(t)
	path, status, body := b.signIn(f.URL, "test-user@127.0.0.1")
	if path != "/" || status != 200 || body != "console" {
		t.Fatalf("ends at %s: %d %s", path, status, body)
	}
	f.client = b.Client
	f.exchanges(t, []exchange{
		{"GET", "/api/v1/session", nil, 200, `"name":"test-user@zitadel.ch","kind":"oidc","roles":["responder"]`},
		{"GET", "/api/v1/alerts", nil, 200, ""},
		{"GET", "/api/v1/users", nil, 403, ""},
		{"PUT", "/api/v1/session/password", m{"old": "x", "new": password}, 409, ""},
		{"GET", "/api/v1/audit?action=session.begin", nil, 200, `"actor":"test-user@zitadel.ch"`},
		{"DELETE", "/api/v1/session", nil, 204, ""},
		{"GET", "/api/v1/alerts", nil, 401, ""},
	})
	// Who has no role, a code that is not theirs, an answer to nobody's question.
	if path, status, body := newBrowser(t).signIn(f.URL, "test-user2"); path != CallbackPath || status != 403 || !strings.Contains(body, "no role") {
		t.Errorf("without a role: %s %d %s", path, status, body)
	}
	f.client = http.DefaultClient
	f.exchanges(t, []exchange{{"GET", CallbackPath + "?code=x&state=y", nil, 403, "did not ask for it"}})
	b = newBrowser(t)
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := b.Get(f.URL + "/login/oidc")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	asked, err := url.Parse(res.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	q := asked.Query()
	if q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || q.Get("nonce") == "" || q.Get("response_type") != "code" {
		t.Errorf("asks for %s", asked)
	}
	res, err = b.Get(f.URL + CallbackPath + "?code=forged&state=" + url.QueryEscape(q.Get("state")))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text := readAll(t, res); res.StatusCode != 403 || !strings.Contains(text, "refused the code") {
		t.Errorf("a forged code: %d %s", res.StatusCode, text)
	}
	if entries, err := f.audit.List(t.Context(), auditOf("session.refuse")); err != nil || len(entries) != 3 {
		t.Errorf("%d refused sign-ins in the audit log, %v", len(entries), err)
	}
}

// TestAProviderThatIsAway leaves signed in who is, and lets accounts of the collector's own sign in.
func TestAProviderThatIsAway(t *testing.T) {
	f := start(t)
	f.client = f.account(t, "bo", identity.Viewer)
	config := identity.OIDC{Name: "Example SSO", Issuer: "http://127.0.0.1:1", ClientID: "weir", Public: f.URL, Claim: "roles"}
	f.api.opt.Provider = identity.NewProvider(config, CallbackPath)
	f.exchanges(t, []exchange{
		{"GET", "/api/v1/alerts", nil, 200, ""},
		{"GET", "/login/oidc", nil, 502, "Example SSO"},
		{"POST", "/api/v1/session", m{"name": "bo", "password": password}, 200, `"may":["viewer"]`},
	})
}
