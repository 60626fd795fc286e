package main

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestTwoPeopleStopAWideNetwork goes the way of two people, one of whom asks and the other agrees.
func TestTwoPeopleStopAWideNetwork(t *testing.T) {
	dir := t.TempDir()
	file := config(t, dir, "approvals: {classes: [wide, never-block, kill-switch]}\n")
	p := start(t, "--config", file)
	s := connect(t, "edge", p.bus, dir, "")
	console := strings.TrimSuffix(p.console, "/")
	join := func(name, role string) *http.Client {
		args := []string{"user", "invite", "--config", file, "--by", "ops"}
		if role != "" {
			args = []string{"user", "add", name, "--role", role, "--config", file, "--by", "ops"}
		}
		code, out, errs := command(t, args...)
		if code != 0 {
			t.Fatal(errs)
		}
		link := invitation.FindString(out)
		return redeem(t, http.Client{}, console+link[strings.Index(link, "/invite"):], name)
	}
	ana, bo, cy := join("ana", ""), join("bo", "approver"), join("cy", "responder")
	waiting := func() (ids []string) {
		res, err := ana.Get(console + "/api/v1/approvals")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var list struct{ Approvals []struct{ ID string } }
		if err := json.NewDecoder(res.Body).Decode(&list); err != nil {
			t.Fatal(err)
		}
		for _, a := range list.Approvals {
			ids = append(ids, a.ID)
		}
		return ids
	}
	agree := func(c *http.Client, id string) int {
		return status(t, c, "POST", console+"/api/v1/approvals/"+id+"/approve", "")
	}
	wide := `{"match":{"src":"45.33.0.0/20"},"action":"drop","ttl_seconds":600,"reason":"a botnet"}`
	for _, c := range []struct {
		who          *http.Client
		method, path string
		body         string
		want         int
	}{
		{ana, "POST", "/api/v1/verdicts", wide, http.StatusAccepted},
		{ana, "POST", "/api/v1/verdicts", strings.Replace(wide, "/20", "/15", 1), http.StatusUnprocessableEntity}, // bits beyond
		{ana, "POST", "/api/v1/verdicts", strings.Replace(wide, "45.33.0.0/20", "45.32.0.0/15", 1), http.StatusConflict},
		{cy, "POST", "/api/v1/verdicts", strings.Replace(wide, "/20", "/24", 1), http.StatusCreated},
	} {
		if got := status(t, c.who, c.method, console+c.path, c.body); got != c.want {
			t.Errorf("%s %s %s: %d, want %d", c.method, c.path, c.body, got, c.want)
		}
	}
	eventually(t, "what one person may is in force", func() bool { return s.has("45.33.0.0/24") })
	ids := waiting()
	if len(ids) != 1 || s.has("45.33.0.0/20") {
		t.Fatalf("waiting: %v", ids)
	}
	p.kill() // what waits outlives the collector
	p.start()
	console = strings.TrimSuffix(p.console, "/")
	for who, want := range map[*http.Client]int{ana: http.StatusConflict, cy: http.StatusForbidden} {
		if got := agree(who, ids[0]); got != want {
			t.Errorf("who must not agrees: %d, want %d", got, want)
		}
	}
	if got := agree(bo, ids[0]); got != http.StatusOK {
		t.Errorf("bo agrees: %d", got)
	}
	p2 := connect(t, "edge-2", p.bus, filepath.Join(dir, "again"), "")
	eventually(t, "the network is stopped", func() bool { return p2.has("45.33.0.0/20") })
	if got := status(t, ana, "POST", console+"/api/v1/never-block", `{"prefix":"45.33.7.0/24","reason":"a customer"}`); got != http.StatusAccepted {
		t.Errorf("never-block by one: %d", got)
	}
	if got := status(t, ana, "PUT", console+"/api/v1/kill-switch", `{"scopes":["all"]}`); got != http.StatusAccepted {
		t.Errorf("kill switch by one: %d", got)
	}
	for _, id := range waiting() {
		if got := agree(bo, id); got != http.StatusOK {
			t.Errorf("bo agrees to %s: %d", id, got)
		}
	}
	eventually(t, "the customer is free", func() bool { return !p2.has("45.33.0.0/20") })
	if ids := waiting(); len(ids) != 0 {
		t.Errorf("still waiting: %v", ids)
	}
}
