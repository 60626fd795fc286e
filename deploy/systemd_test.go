package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// exposure is the highest score, in tenths, that systemd-analyze security may give a unit.
var exposure = map[string]string{"weir-sensor.service": "26", "weir-collector.service": "20"}

// TestUnitsAreSandboxed lets systemd judge the units.
func TestUnitsAreSandboxed(t *testing.T) {
	analyze := systemdAnalyze(t)
	for unit, most := range exposure {
		out, err := exec.Command(analyze, "security", "--offline=true", "--threshold="+most, "systemd/"+unit).CombinedOutput()
		if err != nil {
			t.Errorf("%s is exposed by more than %s tenths: %v\n%s", unit, most, err, out)
		}
	}
}

// TestUnitsAreUnderstood looks for what systemd would warn of, with the programs where the units expect them.
func TestUnitsAreUnderstood(t *testing.T) {
	analyze := systemdAnalyze(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"verify", "--man=no", "--recursive-errors=no"}
	for _, name := range []string{"weir-sensor.service", "weir-doctor.service", "weir-collector.service", "run-weirbpf.mount"} {
		text := regexp.MustCompile(`/usr/bin/(sensor|collector)`).ReplaceAllString(unit(t, name), program)
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	out, err := exec.Command(analyze, args...).CombinedOutput()
	if err != nil || strings.Contains(string(out), "weir") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// TestSensorUnitGrantsFourCapabilities holds against the list that the sensor needs; none is SYS_ADMIN.
func TestSensorUnitGrantsFourCapabilities(t *testing.T) {
	want := []string{"CAP_BPF", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_PERFMON"}
	for _, key := range []string{"CapabilityBoundingSet", "AmbientCapabilities"} {
		if got := setting(t, "weir-sensor.service", key); !slices.Equal(strings.Fields(got), want) {
			t.Errorf("%s=%s, want %v", key, got, want)
		}
	}
	if got := setting(t, "weir-collector.service", "CapabilityBoundingSet"); got != "" {
		t.Errorf("the collector needs no capability, its unit grants %q", got)
	}
}

// TestUnitsNotifyOnlyWithAProgramThatDoes fails when a unit waits for a message that its program does not send, or the reverse.
func TestUnitsNotifyOnlyWithAProgramThatDoes(t *testing.T) {
	for unit, program := range map[string]string{"weir-sensor.service": "../cmd/sensor", "weir-collector.service": "../cmd/collector"} {
		deps, err := exec.Command("go", "list", "-deps", program).Output()
		if err != nil {
			t.Fatalf("go list -deps %s: %v", program, err)
		}
		sends := strings.Contains(string(deps), "weir/internal/sdnotify\n")
		if waits := setting(t, unit, "Type") == "notify"; waits != sends {
			t.Errorf("%s: waits for a notification: %v; %s sends one: %v", unit, waits, program, sends)
		}
	}
}

func systemdAnalyze(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed (apt-get install systemd): nobody judges the units here")
	}
	return path
}

func unit(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("systemd", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// setting returns the value of a unit's key, "" without it.
func setting(t *testing.T, name, key string) string {
	t.Helper()
	for line := range strings.Lines(unit(t, name)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			return v
		}
	}
	return ""
}
