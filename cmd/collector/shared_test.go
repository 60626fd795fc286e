package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/collector/store/storetest"
)

// person asks collectors with a token or a session.
type person struct {
	t      *testing.T
	client *http.Client
	bearer string
}

func (p *person) ask(at *process, method, path, body string, into any) int {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, at.console+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if p.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+p.bearer)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	if into != nil {
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			return 0
		}
	}
	return resp.StatusCode
}

type listedIncident struct {
	ID     string
	State  string
	Alerts int
}

func (p *person) incidents(at *process) []listedIncident {
	var page struct{ Incidents []listedIncident }
	p.ask(at, "GET", "api/v1/incidents", "", &page)
	return page.Incidents
}

func (p *person) countAlerts(at *process) int {
	var page struct{ Alerts []struct{ ID string } }
	p.ask(at, "GET", "api/v1/alerts?limit=1000", "", &page)
	return len(page.Alerts)
}

// TestTheLeaderDiesAndPeopleGoOn kills the collector that leads, of two that share PostgreSQL and VictoriaLogs. Who was signed in stays so,
// others sign in, the incident goes on with its alerts and what was decided about it, and every alert is there once.
func TestTheLeaderDiesAndPeopleGoOn(t *testing.T) {
	postgres := storetest.Start(t)
	db := postgres.Database(t)
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte(db.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := startCluster(t, fmt.Sprintf("state: {postgres: %q, password: {file: %q}}\nalerts: {store: {victorialogs: {url: %q}}}\n",
		db.Address, secret, storetest.StartVictoriaLogs(t)))
	first := c.leader(0, 1)
	leader, other := c.collectors[first], c.collectors[1-first]
	file := c.config([]string{"a", "b"}[first])
	s := connect(t, "edge", strings.TrimPrefix(strings.Join(c.urls, ","), "nats://"), c.dir, filepath.Join(c.dir, "edge.creds"))

	code, out, errs := command(t, "user", "invite", "--config", file, "--by", "ops")
	link := invitation.FindString(out)
	if code != 0 || link == "" {
		t.Fatalf("invite: %d %s%s", code, out, errs)
	}
	ana := &person{t: t, client: redeem(t, http.Client{Timeout: 20 * time.Second}, leader.console+link[strings.Index(link, "invite?"):], "ana")}
	if code, out, errs = command(t, "apitoken", "create", "ci", "--role", "viewer", "--config", file, "--by", "ops"); code != 0 {
		t.Fatal(errs)
	}
	ci := &person{t: t, client: http.DefaultClient, bearer: strings.TrimSpace(out)}
	for who, p := range map[string]*person{"a session": ana, "a token": ci} {
		if got := p.ask(other, "GET", "api/v1/alerts", "", nil); got != http.StatusOK {
			t.Errorf("%s of one collector at the other: %d", who, got)
		}
	}
	nobody := &person{t: t, client: http.DefaultClient}
	if got := nobody.ask(other, "GET", "api/v1/alerts", "", nil); got != http.StatusUnauthorized {
		t.Errorf("nobody at the other: %d", got)
	}

	publish := func(from int) {
		for i := range 10 {
			s.Publish(alert(uint32(from+i), 2, "198.51.100.9", true))
		}
	}
	publish(100)
	eventually(t, "the follower shows alerts and their incident", func() bool {
		in := ci.incidents(other)
		return len(in) == 1 && in[0].Alerts == 10 && ci.countAlerts(other) == 10
	})
	id := ci.incidents(other)[0].ID
	change := func(at *process, body string) (int, string) {
		var answer struct{ Detail string }
		status := ana.ask(at, "PATCH", "api/v1/incidents/"+id, body, &answer)
		return status, answer.Detail
	}
	if got, why := change(other, `{"state":"acknowledged"}`); got != http.StatusConflict || !strings.Contains(why, "leads") {
		t.Errorf("a follower changes an incident: %d %q", got, why)
	}
	if got, why := change(leader, `{"state":"acknowledged","comment":"mine"}`); got != http.StatusOK {
		t.Fatalf("the leader does not change an incident: %d %q", got, why)
	}

	leader.kill()
	killed := time.Now()
	publish(200)
	again := &person{t: t, client: &http.Client{Timeout: 20 * time.Second}}
	if got := again.ask(other, "POST", "api/v1/session", `{"name":"ana","password":"correct horse battery"}`, nil); got != http.StatusOK {
		t.Errorf("signing in at the collector that is left: %d", got)
	}
	if got := ana.ask(other, "GET", "api/v1/session", "", nil); got != http.StatusOK {
		t.Errorf("who was signed in at the collector that died: %d", got)
	}
	eventually(t, "the incident goes on", func() bool {
		in := ci.incidents(other)
		return len(in) == 1 && in[0].ID == id && in[0].Alerts == 20 && in[0].State == "acknowledged"
	})
	t.Logf("the incident goes on %s after the leader was killed", time.Since(killed).Round(10*time.Millisecond))
	eventually(t, "every alert is there", func() bool { return ci.countAlerts(other) >= 20 })
	if n := ci.countAlerts(other); n != 20 {
		t.Errorf("%d alerts of 20", n)
	}
	if got, why := change(other, `{"state":"resolved","resolution":"benign"}`); got != http.StatusOK {
		t.Errorf("the next leader does not change the incident: %d %q", got, why)
	}
	var log struct{ Entries []struct{ Action string } }
	if got := ana.ask(other, "GET", "api/v1/audit?limit=100", "", &log); got != http.StatusOK || len(log.Entries) < 3 {
		t.Errorf("the audit log: %d, %+v", got, log)
	}

	postgres.Stop()
	if got := again.ask(other, "POST", "api/v1/session", `{"name":"ana","password":"correct horse battery"}`, nil); got < 500 {
		t.Errorf("signing in without the database: %d", got)
	}
	if got := ana.ask(other, "GET", "healthz", "", nil); got != http.StatusOK {
		t.Errorf("the collector without the database: %d", got)
	}
}
