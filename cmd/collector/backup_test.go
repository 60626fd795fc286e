package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tool runs the collector's command line and returns what it prints.
func tool(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "WEIR_TEST_COLLECTOR=1")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestBackupIsRestored takes a backup of a running collector and one of the stopped, restores each into a fresh directory, and has
// a sensor that knew more than the backup converge with what was restored.
func TestBackupIsRestored(t *testing.T) {
	dir := t.TempDir()
	conf := config(t, dir, "")
	// The directory is a link, as it is under systemd with DynamicUser.
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "private/data"), 0o700), os.Symlink("private/data", filepath.Join(dir, "data"))); err != nil {
		t.Fatal(err)
	}
	p := start(t, "--config", conf)
	s := connect(t, "edge", p.bus, dir, "")
	block := func(p *process, src string) {
		t.Helper()
		body := map[string]any{"match": map[string]any{"src": src}, "action": "drop", "ttl_seconds": 3600, "reason": "test"}
		if status := p.call("POST", "/api/v1/verdicts", body, nil); status != 201 {
			t.Fatalf("POST verdicts: %d", status)
		}
	}
	block(p, "203.0.113.1")
	for sid := range 20 {
		s.Publish(alert(uint32(sid+1), 3, "198.51.100.9", true))
	}
	eventually(t, "alerts stored", func() bool { return len(p.alerts()) == 20 })
	running := filepath.Join(dir, "running.backup")
	if out, err := tool(t, "backup", "--config", conf, "--out", running, "--by", "ann"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	block(p, "203.0.113.2")
	eventually(t, "the sensor has both", func() bool { return s.has("203.0.113.1/32") && s.has("203.0.113.2/32") })
	if out, err := tool(t, "backup", "--config", conf, "--out", running); err == nil || !strings.Contains(out, "exists") {
		t.Errorf("a backup was overwritten: %s", out)
	}
	bus := p.bus
	p.stop()
	stopped := filepath.Join(dir, "stopped.backup")
	if out, err := tool(t, "backup", "--config", conf, "--out", stopped); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, c := range []struct {
		backup string
		second bool // the second verdict is in it
	}{{running, false}, {stopped, true}} {
		data := filepath.Join(dir, "restored", filepath.Base(c.backup))
		if err := os.MkdirAll(filepath.Dir(data), 0o700); err != nil {
			t.Fatal(err)
		}
		out, err := tool(t, "restore", "--in", c.backup, "--data", data)
		if err != nil || !strings.Contains(out, "holds the backup of 20") {
			t.Fatalf("%v: %s", err, out)
		}
		q := start(t, "--data", data, "--listen", "127.0.0.1:0", "--bus", bus)
		if n := len(q.alerts()); n != 20 {
			t.Errorf("%d alerts restored", n)
		}
		eventually(t, "the sensor has what was restored", func() bool { return s.has("203.0.113.1/32") && s.has("203.0.113.2/32") == c.second })
		block(q, "203.0.113.3")
		eventually(t, "the sensor hears of new verdicts", func() bool { return s.has("203.0.113.3/32") })
		if c.backup == running { // the entry itself is written when the backup is done
			var audit struct{ Entries []struct{ Action string } }
			if q.call("GET", "/api/v1/audit", nil, &audit); len(audit.Entries) < 2 {
				t.Errorf("audit log of %d entries", len(audit.Entries))
			}
		}
		q.stop()
	}
	if out, err := tool(t, "restore", "--in", running, "--data", filepath.Join(dir, "data")); err == nil || !strings.Contains(out, "not empty") {
		t.Errorf("restored over a collector's data: %s", out)
	}
	damaged, _ := os.ReadFile(running)
	damaged = damaged[:len(damaged)-200]
	path := filepath.Join(dir, "damaged")
	os.WriteFile(path, damaged, 0o600)
	if out, err := tool(t, "restore", "--in", path, "--data", filepath.Join(dir, "fresh")); err == nil {
		t.Errorf("half a backup was restored: %s", out)
	}
	if _, err := os.Stat(filepath.Join(dir, "fresh")); err == nil {
		t.Error("half a backup left a directory")
	}
}
