package deploy

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestPromtool lets Prometheus judge the alerts.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (apt-get install prometheus): nobody judges the alerts here")
	}
	run(t, ".", nil, promtool, "check", "rules", "prometheus/weir.rules.yaml")
}

// TestEveryAlertHasARunbook compares alerts with the sections of the runbook that their links name.
func TestEveryAlertHasARunbook(t *testing.T) {
	alerts := regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(text(t, "prometheus/weir.rules.yaml"), -1)
	book := text(t, "../docs/runbooks/alerts.md")
	if len(alerts) == 0 {
		t.Fatal("no alerts")
	}
	for _, a := range alerts {
		if !strings.Contains(book, "\n## "+a[1]+"\n") || !strings.Contains(text(t, "prometheus/weir.rules.yaml"), "#"+strings.ToLower(a[1])+"\n") {
			t.Errorf("%s has no section in docs/runbooks/alerts.md, or no link to it", a[1])
		}
	}
}

// TestMetricsExist runs both programs in a network of their own and looks for every metric that alerts and dashboard use.
func TestMetricsExist(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: a sensor cannot run, and its metrics cannot be compared")
	}
	if !json.Valid([]byte(text(t, "grafana/weir.json"))) {
		t.Error("grafana/weir.json is not JSON")
	}
	exposed := scrape(t)
	seen := 0
	for _, file := range []string{"prometheus/weir.rules.yaml", "grafana/weir.json"} {
		for _, name := range regexp.MustCompile(`\bweir_(?:sensor|collector)_\w+`).FindAllString(text(t, file), -1) {
			seen++
			if !strings.Contains(exposed, "\n# TYPE "+name+" ") {
				t.Errorf("%s uses %s, which neither program has", file, name)
			}
		}
		for _, m := range regexp.MustCompile(`\b(path|reason)=\\?"([a-z-]+)\\?"`).FindAllStringSubmatch(text(t, file), -1) {
			if !strings.Contains(exposed, fmt.Sprintf(`{%s="%s"}`, m[1], m[2])) {
				t.Errorf("%s asks for %s=%q, which no metric has", file, m[1], m[2])
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d metrics were compared", seen)
	}
	page := reference(t, exposed)
	const path = "../docs/reference/metrics.md"
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if page != text(t, path) {
		t.Errorf("%s is not what the programs have: go test ./deploy -run TestMetricsExist -update writes it", path)
	}
}

var update = flag.Bool("update", false, "write docs/reference/metrics.md")

// reference is the page of all metrics of ours, from what the programs say of them.
func reference(t *testing.T, exposed string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("<!-- Written by go test ./deploy -run TestMetricsExist -update. -->\n# Metrics\n\nBoth programs answer `/metrics`: the sensor at `metrics.listen`, the collector beside its API. " +
		"Counters of a sensor's\nworkers have the label `worker`. A metric whose part is not configured (flow records, an export) is not there.\n")
	for _, program := range []string{"sensor", "collector"} {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n", program)
		found := regexp.MustCompile(`(?m)^# HELP (weir_`+program+`_\w+) (.*)\n# TYPE \w+ (\w+)\n(?:\w+\{(.*)\} )?`).FindAllStringSubmatch(exposed, -1)
		if len(found) < 30 {
			t.Fatalf("found %d metrics of the %s", len(found), program)
		}
		for _, m := range found {
			var labels []string
			for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(m[4], -1) {
				if l[1] != "le" {
					labels = append(labels, "`"+l[1]+"`")
				}
			}
			meaning := m[2]
			if strings.HasPrefix(meaning, "Total of ") || strings.HasPrefix(meaning, "Current ") {
				meaning = "" // the name says as much
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m[1], m[3], strings.Join(labels, " "), meaning)
		}
	}
	return b.String()
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// scrape runs a collector and a sensor on a loopback interface of their own and returns the metrics of both.
func scrape(t *testing.T) string {
	t.Helper()
	sensor, collector, dir := build(t, "sensor"), build(t, "collector"), t.TempDir()
	runtime.LockOSThread() // never unlocked: the thread ends with the test, and its network with it
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("a network of its own: %v", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		t.Fatal(err)
	}
	bpffs := filepath.Join(dir, "bpf")
	if err := os.Mkdir(bpffs, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("bpf", bpffs, "bpf", 0, ""); err != nil {
		t.Fatalf("mount a BPF file system: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(bpffs, unix.MNT_DETACH) })
	rules, err := filepath.Abs("rules/weir.rules")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "sensor.yaml")
	flowLog := fmt.Sprintf("{dir: %s/flows, account: %q, interface: eni-1, region: lab, s3: {bucket: b, region: lab, endpoint: %q}}", dir, "123456789012", "http://127.0.0.1:1")
	body := fmt.Sprintf("id: metrics\nmode: host\ninterfaces: [lo]\nworkers: 1\nrules: [%s]\noutput: {eve: %q, flow-log: %s}\ncollector: {url: %q}\ncontrol: %s/s.sock\nstate: %s/state\nbpffs: %s\n",
		rules, "", flowLog, "nats://127.0.0.1:4222", dir, dir, bpffs)
	ofCollector := filepath.Join(dir, "collector.yaml")
	for path, body := range map[string]string{
		config:      body,
		ofCollector: fmt.Sprintf("data: %s/collector\nexports: [{name: archive, type: file, path: %s/alerts.json}]\n", dir, dir),
	} {
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start(t, collector, "run", "--config", ofCollector)
	fetch(t, "127.0.0.1:8443") // so that the second time there is a request that was counted
	start(t, sensor, "run", "--config", config)
	return "\n" + fetch(t, "127.0.0.1:9464") + "\n" + fetch(t, "127.0.0.1:8443")
}

// start runs a program on the test's own thread, and so in its network, until the test ends.
func start(t *testing.T, name string, args ...string) {
	t.Helper()
	c := exec.Command(name, args...)
	var log strings.Builder
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(unix.SIGTERM)
		c.Wait()
		if t.Failed() {
			t.Logf("%s: %s", filepath.Base(name), log.String())
		}
	})
}

// fetch asks for /metrics in HTTP/1.0 on the test's own thread, for net/http would dial from another.
func fetch(t *testing.T, address string) string {
	t.Helper()
	var conn net.Conn
	var err error
	for range 100 {
		if conn, err = net.Dial("tcp", address); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		t.Fatalf("metrics at %s: %v", address, err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /metrics HTTP/1.0\r\nHost: %s\r\n\r\n", address)
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
