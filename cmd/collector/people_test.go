package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// command runs a sub-command and returns what it prints.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	for _, c := range commands() {
		if c.Name == args[0] {
			code = c.Run(t.Context(), args[1:], &out, &err)
		}
	}
	return code, out.String(), err.String()
}

var invitation = regexp.MustCompile(`https?://\S+/invite\?link=\S+`)

// redeem opens an invitation as a browser does and returns it, signed in.
func redeem(t *testing.T, client http.Client, link, name string) *http.Client {
	t.Helper()
	at, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	client.Jar, _ = cookiejar.New(nil)
	const password = "correct horse battery"
	form := url.Values{"link": {at.Query().Get("link")}, "name": {name}, "password": {password}, "again": {password}}
	res, err := client.PostForm(at.Scheme+"://"+at.Host+at.Path, form)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Request.URL.Path != "/" {
		t.Fatalf("%s redeems %s: ends at %s with %d", name, link, res.Request.URL, res.StatusCode)
	}
	return &client
}

func status(t *testing.T, c *http.Client, method, at, body string, header ...string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, at, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// TestAccountsFromTheCommandLine goes the way of somebody who sets a collector up on the network: its own certificate, the link
// for the first account, colleagues, a token, all while it runs.
func TestAccountsFromTheCommandLine(t *testing.T) {
	data := t.TempDir()
	file := filepath.Join(t.TempDir(), "collector.yaml")
	if err := os.WriteFile(file, []byte("data: "+data+"\napi: {listen: \"0.0.0.0:0\", tls: {own-ca: true, names: [127.0.0.1]}}\nbus: {listen: \"127.0.0.1:0\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "--config", file)
	ca, err := os.ReadFile(filepath.Join(data, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}, Timeout: 20 * time.Second}
	_, port, _ := strings.Cut(strings.TrimSuffix(p.console, "/"), "]:")
	console := "https://127.0.0.1:" + port
	if got := status(t, &client, "GET", console+"/api/v1/alerts", ""); got != http.StatusUnauthorized {
		t.Errorf("not on loopback, without an account: %d", got)
	}
	// The first-run link: the one printed at the start is replaced by this one.
	code, out, errs := command(t, "user", "invite", "--config", file, "--by", "ops")
	first := invitation.FindString(out)
	if code != 0 || first == "" {
		t.Fatalf("invite: %d %s%s", code, out, errs)
	}
	reach := func(link string) string { return console + link[strings.Index(link, "/invite"):] }
	ana := redeem(t, client, reach(first), "ana")
	if got := status(t, ana, "GET", console+"/api/v1/users", ""); got != http.StatusOK {
		t.Errorf("the first account lists accounts: %d", got)
	}
	if code, out, errs = command(t, "user", "add", "bo", "--role", "responder,rule-admin", "--config", file, "--by", "ops"); code != 0 {
		t.Fatalf("add: %s", errs)
	}
	bo := redeem(t, client, reach(invitation.FindString(out)), "bo")
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/alerts", "", 200}, {"PUT", "/kill-switch", `{"scopes":["all"]}`, 200}, {"PUT", "/policy", `{"block":[{"severity":1}]}`, 200},
		{"POST", "/never-block", `{"prefix":"203.0.113.0/24","reason":"x"}`, 403}, {"GET", "/users", "", 403}, {"POST", "/enrolment/tokens", `{}`, 403},
	} {
		if got := status(t, bo, c.method, console+"/api/v1"+c.path, c.body); got != c.want {
			t.Errorf("bo: %s %s: %d, want %d", c.method, c.path, got, c.want)
		}
	}
	code, out, errs = command(t, "apitoken", "create", "ci", "--role", "viewer", "--config", file, "--by", "ops")
	if code != 0 {
		t.Fatal(errs)
	}
	bearer := "Bearer " + strings.TrimSpace(out)
	if got := status(t, &client, "GET", console+"/metrics", "", "Authorization", bearer); got != http.StatusOK {
		t.Errorf("metrics by token: %d", got)
	}
	if code, _, errs = command(t, "user", "change", "bo", "--disable", "--config", file, "--by", "ops"); code != 0 {
		t.Error(errs)
	}
	if got := status(t, bo, "GET", console+"/api/v1/alerts", ""); got != http.StatusUnauthorized {
		t.Errorf("disabled: %d", got)
	}
	if code, _, errs = command(t, "apitoken", "revoke", "ci", "--config", file, "--by", "ops"); code != 0 {
		t.Error(errs)
	}
	if got := status(t, &client, "GET", console+"/metrics", "", "Authorization", bearer); got != http.StatusUnauthorized {
		t.Errorf("revoked: %d", got)
	}
	for _, bad := range [][]string{{"user", "remove", "ana"}, {"user", "remove", "nobody"}, {"user", "add", "a b"}, {"user", "add", "cy", "--role", "root"}, {"user", "invite"}, {"user", "change", "bo"}} {
		if code, out, errs := command(t, append(bad, "--config", file, "--by", "ops")...); code != 1 || errs == "" {
			t.Errorf("%v: %d %s%s", bad, code, out, errs)
		}
	}
	for _, action := range []string{"user.invite", "user.accept", "user.add", "user.change", "token.add", "token.remove", "session.begin", "kill-switch", "policy.replace"} {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", console+"/api/v1/audit?action="+action, nil)
		res, err := ana.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text := new(bytes.Buffer)
		text.ReadFrom(res.Body)
		res.Body.Close()
		if !strings.Contains(text.String(), `"action":"`+action+`"`) {
			t.Errorf("%s is not in the audit log: %s", action, text)
		}
	}
	p.stop()
	p.start() // accounts and what the API has changed are still there
	_, port, _ = strings.Cut(strings.TrimSuffix(p.console, "/"), "]:")
	res, err := ana.Get("https://127.0.0.1:" + port + "/api/v1/policy")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text := new(bytes.Buffer)
	text.ReadFrom(res.Body)
	if res.StatusCode != http.StatusOK || !strings.Contains(text.String(), `"severity":1`) || !strings.Contains(text.String(), `"changed_by":"bo"`) {
		t.Errorf("after a restart: %d %s", res.StatusCode, text)
	}
}

// TestAlertsBecomeIncidents sends alerts as a sensor does and reads the incident, also after kill -9.
func TestAlertsBecomeIncidents(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--config", config(t, dir, ""))
	s := connect(t, "edge-1", p.bus, dir, "")
	for i := range 50 {
		s.Publish(alert(uint32(2001+i%5), 1, "203.0.113.9", true))
	}
	var page struct {
		Incidents []struct {
			ID     string
			Alerts int
			State  string
		}
	}
	eventually(t, "50 alerts are one incident", func() bool {
		p.call(http.MethodGet, "/api/v1/incidents", nil, &page)
		return len(page.Incidents) == 1 && page.Incidents[0].Alerts == 50
	})
	if got := p.call(http.MethodPatch, "/api/v1/incidents/"+page.Incidents[0].ID, map[string]any{"state": "acknowledged"}, nil); got != http.StatusOK {
		t.Errorf("acknowledge: %d", got)
	}
	p.kill()
	p.start()
	if p.call(http.MethodGet, "/api/v1/incidents", nil, &page); len(page.Incidents) != 1 || page.Incidents[0].State != "acknowledged" || page.Incidents[0].Alerts != 50 {
		t.Errorf("after kill -9: %+v", page)
	}
}
