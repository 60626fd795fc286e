package main

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/decode/packettest"
)

// dnsCapture writes a capture of one DNS question for evil.example.
func dnsCapture(t *testing.T) string {
	t.Helper()
	frame := packettest.IP4("10.0.0.1", "192.0.2.53").UDP(2000, 53).
		Payload("\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04evil\x07example\x00\x00\x01\x00\x01").Ethernet()
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0)
	for _, v := range []int{1500000000, 0, len(frame), len(frame)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return write(t, "dns.pcap", append(b, frame...))
}

const (
	goodRule = `alert dns any any -> any any (msg:"evil name"; dns.query; content:"evil"; classtype:misc-attack; sid:7; rev:2;)`
	badRule  = `alert dns any any -> any any (msg:"x"; dns.qery; content:"evil"; sid:8;)`
)

func TestReplay(t *testing.T) {
	capture, rules := dnsCapture(t), write(t, "a.rules", []byte("# a comment\n"+goodRule+"\n"))
	for _, c := range []struct {
		name   string
		args   []string
		code   int
		stdout string
		stderr string
		alerts int
	}{
		{"without rules", nil, 0, "1 packets", "", 0},
		{"with a rule", []string{"--rules", rules}, 0, "       1  7  evil name", "", 1},
		{"two workers", []string{"--rules", rules, "--workers", "2"}, 0, "1 alerts by 1 rules", "", 1},
		{"drop", []string{"--ips", "--rules", write(t, "d.rules", []byte(strings.Replace(goodRule, "alert", "drop", 1)))}, 0, "1 alerts", "", 1},
		{"a bad rule beside a good one", []string{"--rules", rules, "--rules", write(t, "b.rules", []byte(badRule))}, 1, "1 alerts", "b.rules:1:40: dns.qery: unknown keyword", 1},
		{"no such rule file", []string{"--rules", "/nonexistent.rules"}, 1, "", "/nonexistent.rules", -1},
		{"no such capture", []string{"/nonexistent.pcap"}, 1, "", "/nonexistent.pcap", 0},
		{"bad setting", []string{"--set", "stream.midstream=maybe"}, 1, "", `stream.midstream: "maybe" is neither yes nor no`, -1},
		{"Suricata configuration", []string{"--suricata-yaml", write(t, "s.yaml", []byte("outputs:\n  - eve-log:\n      enabled: yes\n      types: [flow]\n"))}, 0, "1 flows", "", 0},
		{"bad Suricata configuration", []string{"--suricata-yaml", write(t, "s.yaml", []byte("stream: [\n"))}, 1, "", "s.yaml:", -1},
		{"sensor.yaml", []string{"--config", write(t, "sensor.yaml", []byte("mode: gwlb\nrules: ["+rules+"]\n"))}, 0, "1 alerts", "", 1},
		{"bad sensor.yaml", []string{"--config", write(t, "sensor.yaml", []byte("mood: gwlb\n"))}, 1, "", "sensor.yaml:1:1", -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := t.TempDir()
			code, stdout, stderr := run(append(append([]string{"replay", "--out", out}, c.args...), capture)...)
			if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
				t.Errorf("exit %d, stdout %q, stderr %q; want %d, %q, %q", code, stdout, stderr, c.code, c.stdout, c.stderr)
			}
			if c.alerts < 0 {
				return
			}
			text, err := os.ReadFile(filepath.Join(out, "eve.json"))
			if got := strings.Count(string(text), `"event_type":"alert"`); err != nil || got != c.alerts {
				t.Errorf("%d alerts in eve.json (%v), want %d", got, err, c.alerts)
			}
		})
	}
}

func TestReplayJSON(t *testing.T) {
	capture, rules := dnsCapture(t), write(t, "a.rules", []byte(goodRule))
	code, stdout, stderr := run("replay", "--json", "--out", t.TempDir(), "--rules", rules, capture)
	var got map[string]float64
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 0 {
		t.Fatalf("exit %d, %v: %s%s", code, err, stdout, stderr)
	}
	for key, want := range map[string]float64{"packets": 1, "bytes": 72, "flows": 1, "alerts": 1, "workers": 1} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	for _, key := range []string{"load_seconds", "inspect_seconds", "peak_rss_bytes"} {
		if got[key] <= 0 {
			t.Errorf("%s is %v", key, got[key])
		}
	}
}

func TestReplayLog(t *testing.T) {
	out := t.TempDir()
	yaml := write(t, "s.yaml", []byte("exception-policy: auto\nstrem: {}\nlogging:\n  outputs:\n  - file: {enabled: yes, type: json, filename: engine.json}\n"))
	code, _, stderr := run("replay", "--out", out, "--suricata-yaml", yaml, dnsCapture(t))
	text, err := os.ReadFile(filepath.Join(out, "engine.json"))
	if code != 0 || err != nil {
		t.Fatalf("exit %d, %v, %s", code, err, stderr)
	}
	for _, want := range []string{`"log_level":"Warning","event_type":"engine","engine":{"message":"` + yaml + `:2:1: strem`, `"log_level":"Info","event_type":"engine","engine":{"message":"master exception-policy set to: auto","module":"exception-policy"}`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no record has %s in %s", want, text)
		}
	}
}

func TestRulesCheck(t *testing.T) {
	good := write(t, "good.rules", []byte(goodRule+"\n#"+badRule+"\n"))
	bad := write(t, "bad.rules", []byte(goodRule+"\n"+badRule+"\n"))
	for _, c := range []struct {
		name   string
		args   []string
		code   int
		stdout []string // lines, in order; the first may be cut
	}{
		{"good", []string{good}, 0, []string{"2 rules: 1 loaded, 1 disabled, 0 failed"}},
		{"bad", []string{bad}, 1, []string{bad + ":2:40: dns.qery: unknown keyword", "2 rules: 1 loaded, 0 disabled, 1 failed"}},
		{"missing", []string{"/nonexistent.rules"}, 1, nil},
		{"empty pattern", []string{filepath.Join(t.TempDir(), "*.rules")}, 0, []string{"0 rules: 0 loaded, 0 disabled, 0 failed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := run(append([]string{"rules", "check"}, c.args...)...)
			lines := strings.Split(strings.TrimSpace(stdout), "\n")
			if stdout == "" {
				lines = nil
			}
			ok := code == c.code && len(lines) == len(c.stdout)
			for i := range c.stdout {
				ok = ok && strings.HasPrefix(lines[i], c.stdout[i])
			}
			if !ok {
				t.Errorf("exit %d, stdout %q, stderr %q; want %d and %q", code, stdout, stderr, c.code, c.stdout)
			}
		})
	}
}
