package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// What automation wants of all sensors is tried by the one that saw the attack; the other follows when nothing went wrong.
func TestOneSensorTriesFirst(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--config", config(t, dir, "policy:\n  canary: 2s\n  block: [{severity: 1, action: drop}]\n"))
	a, b := connect(t, "a", p.bus, dir, ""), connect(t, "b", p.bus, dir, "")
	eventually(t, "both report", func() bool {
		var list struct{ Sensors []any }
		return p.call(http.MethodGet, "/api/v1/sensors", nil, &list) == http.StatusOK && len(list.Sensors) == 2
	})
	a.Publish(alert(1, 1, "203.0.113.9", true))
	eventually(t, "the sensor that saw it drops", func() bool { return a.has("203.0.113.9/32") })
	if b.has("203.0.113.9/32") {
		t.Error("the other sensor drops at once")
	}
	var list struct{ Verdicts []struct{ State string } }
	if p.call(http.MethodGet, "/api/v1/verdicts", nil, &list); len(list.Verdicts) != 1 || list.Verdicts[0].State != "canary" && !b.has("203.0.113.9/32") {
		t.Errorf("verdicts %+v", list.Verdicts)
	}
	eventually(t, "the other follows", func() bool { return b.has("203.0.113.9/32") && a.has("203.0.113.9/32") })
}

// A rule that calls for a verdict on everybody has automation held, and one incident says so.
func TestAStormIsOneIncident(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--config", config(t, dir, "policy:\n  canary: 0s\n  block: [{severity: 1, action: drop}]\n  limits: {per-signature-minute: 3, hold: 1h}\n"))
	a := connect(t, "a", p.bus, dir, "")
	for i := range 20 {
		a.Publish(alert(7, 1, fmt.Sprintf("203.0.113.%d", i+1), true))
	}
	var found struct {
		Incidents []struct {
			Title  string
			Alerts int
		}
	}
	eventually(t, "an incident of it", func() bool {
		p.call(http.MethodGet, "/api/v1/incidents?kind=automation", nil, &found)
		return len(found.Incidents) > 0
	})
	a.Publish(alert(7, 1, "203.0.113.99", true))
	a.Publish(alert(8, 1, "203.0.113.100", true))
	eventually(t, "another signature is not held", func() bool { return a.has("203.0.113.100/32") })
	p.call(http.MethodGet, "/api/v1/incidents?kind=automation", nil, &found)
	if len(found.Incidents) != 1 || found.Incidents[0].Alerts != 1 || a.has("203.0.113.99/32") {
		t.Errorf("%+v", found)
	}
	var list struct{ Verdicts []any }
	if p.call(http.MethodGet, "/api/v1/verdicts", nil, &list); len(list.Verdicts) != 4 {
		t.Errorf("%d verdicts, want 3 of the signature and 1 of the other", len(list.Verdicts))
	}
}

// One feed, or one signature, that goes wrong is switched off on every sensor from the command line.
func TestKillSwitchForAPartFromTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	cfg := config(t, dir, "")
	p := start(t, "--config", cfg)
	code, out, stderr := command(t, "kill-switch", "on", "--origin", "feed", "--rule", "7,8", "--by", "ana", "--config", cfg)
	if code != 0 || out != "kill switch is on\n" {
		t.Errorf("%d: printed %q, %s", code, out, stderr)
	}
	var k struct {
		Scopes, Origins []string
		Rules           []uint32
		At              time.Time
	}
	if p.call(http.MethodGet, "/api/v1/kill-switch", nil, &k); len(k.Scopes) != 0 || len(k.Origins) != 1 || len(k.Rules) != 2 {
		t.Errorf("%+v", k)
	}
	command(t, "kill-switch", "off", "--by", "ana", "--config", cfg)
	if p.call(http.MethodGet, "/api/v1/kill-switch", nil, &k); len(k.Origins) != 0 || len(k.Rules) != 0 {
		t.Errorf("after off: %+v", k)
	}
}
