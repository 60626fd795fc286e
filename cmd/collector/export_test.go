package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestExports follows an alert and the verdict it leads to out of the running collector: into a file, and to a bouncer.
func TestExports(t *testing.T) {
	dir := t.TempDir()
	key, lines := filepath.Join(dir, "key"), filepath.Join(dir, "events.json")
	if err := os.WriteFile(key, []byte("k1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bouncers := free(t)
	p := start(t, "--config", config(t, dir, fmt.Sprintf(`
policy:
  canary: 0s
  block:
    - {severity: 1, require: handshake, action: drop, ttl: 10m, scope: all}
exports: [{name: lines, type: file, path: %s, events: [alert, verdict, incident]}]
crowdsec: {listen: %s, keys: [{name: fw, secret: {file: %s}}]}
`, lines, bouncers, key)))
	a := connect(t, "a", p.bus, dir, "")
	e := alert(1, 1, "203.0.113.9", true)
	a.Publish(e)
	var records []map[string]any
	eventually(t, "alert, verdict and incident in the file", func() bool {
		text, _ := os.ReadFile(lines)
		records = nil
		for line := range strings.Lines(string(text)) {
			var r map[string]any
			if json.Unmarshal([]byte(line), &r) == nil {
				records = append(records, r)
			}
		}
		return len(records) == 3
	})
	seen := map[any]map[string]any{}
	for _, r := range records {
		seen[r["event_type"]] = r
	}
	if in, _ := seen["weir_incident"]["weir_incident"].(map[string]any); in["state"] != "open" || in["alerts"] != 1.0 {
		t.Errorf("incident %v", in)
	}
	if v, _ := seen["weir_verdict"]["weir_verdict"].(map[string]any); v["target"] != "203.0.113.9" || v["action"] != "drop" {
		t.Errorf("verdict %v", v)
	}
	if seen["alert"]["src_ip"] != "203.0.113.9" {
		t.Errorf("alert %v", seen["alert"])
	}
	req, _ := http.NewRequest("GET", "http://"+bouncers+"/v1/decisions/stream?startup=true", nil)
	req.Header.Set("X-Api-Key", "k1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var stream struct {
		New []struct{ Type, Value, Duration string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&stream); err != nil || len(stream.New) != 1 || stream.New[0].Type != "ban" || stream.New[0].Value != "203.0.113.9" {
		t.Fatalf("%+v, %v", stream, err)
	}
	if d, err := time.ParseDuration(stream.New[0].Duration); err != nil || d < 9*time.Minute || d > 10*time.Minute {
		t.Errorf("duration %s", stream.New[0].Duration)
	}
	resp, err = http.Get(p.console + "metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(text), `weir_collector_export_sent_total{export="lines"} 3`) {
		t.Errorf("no count of what was exported: %v\n%s", err, text)
	}
}

// free is an address on loopback that nobody listens on.
func free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
