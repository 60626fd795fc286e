package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-ips/weir/internal/subcommand"
)

// run runs the sensor with a command line.
func run(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = subcommand.Dispatch(context.Background(), "sensor", commands(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDispatch(t *testing.T) {
	for _, c := range []struct {
		name, args string
		code       int
		out, err   string
	}{
		{"nothing", "", 2, "", "usage: sensor COMMAND"},
		{"help", "--help", 0, "usage: sensor COMMAND", ""},
		{"unknown", "replya", 2, "", `no command "replya"`},
		{"help of a command", "replay --help", 0, "", "usage: sensor replay --out DIR"},
		{"rules without a sub-command", "rules", 2, "", "usage: sensor rules COMMAND"},
		{"rules check without a file", "rules check", 2, "", "usage: sensor rules check"},
		{"no output directory", "replay a.pcap", 2, "", "--out DIR is missing"},
		{"no capture", "replay --out x", 2, "", "name at least one capture"},
		{"no worker", "replay --out x --workers 0 a.pcap", 2, "", "want 1 to 256"},
		{"unknown flag", "replay --owt x", 2, "", "flag provided but not defined"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := run(strings.Fields(c.args)...)
			if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errs, c.err) {
				t.Errorf("exit %d, stdout %q, stderr %q; want %d, %q, %q", code, out, errs, c.code, c.out, c.err)
			}
		})
	}
}

// TestRulesCheckVariables holds that a variable that is not defined keeps a rule from loading, and that --set defines it.
func TestRulesCheckVariables(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.rules")
	if err := os.WriteFile(file, []byte("alert tcp $LAB any -> !$INTERNAL_NETWORK $LAB_PORTS (sid:1;)\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, _ := run("rules", "check", file)
	if code != 1 || !strings.Contains(out, "variable $LAB is not defined: give it a value") || !strings.Contains(out, "1 rules: 0 loaded, 0 disabled, 1 failed") {
		t.Errorf("exit %d: %s", code, out)
	}
	code, out, errs := run("rules", "check", "--set", "vars.address-groups.LAB=[10.1.0.0/16]", "--set", "vars.port-groups.LAB_PORTS=[80,443]", file)
	if code != 0 || !strings.Contains(out, "1 rules: 1 loaded") {
		t.Errorf("with values: exit %d: %s%s", code, out, errs)
	}
}
