package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/sensor/uplink"
	"github.com/weir-ips/weir/internal/subcommand"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// TestMain lets the test binary be the collector, so that it can be killed like one.
func TestMain(m *testing.M) {
	if os.Getenv("WEIR_TEST_COLLECTOR") == "1" {
		main()
	}
	if spec := os.Getenv("WEIR_TEST_SENSOR"); spec != "" {
		chaosSensor(spec)
	}
	if conf := os.Getenv("WEIR_TEST_NODE"); conf != "" {
		node(conf)
	}
	os.Exit(m.Run())
}

// process is a running `collector run` and its client.
type process struct {
	t            testing.TB
	args         []string
	console, bus string
	cmd          *exec.Cmd
	stderr       bytes.Buffer
}

func start(t testing.TB, args ...string) *process {
	t.Helper()
	p := &process{t: t, args: args}
	p.start()
	t.Cleanup(p.kill)
	return p
}

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(os.Args[0], append([]string{"run"}, p.args...)...)
	p.cmd.Env = append(os.Environ(), "WEIR_TEST_COLLECTOR=1")
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		switch name {
		case "console":
			p.console = value
		case "bus":
			p.bus = value
			return
		}
	}
	p.cmd.Wait()
	p.t.Fatalf("collector did not come up:\n%s", p.stderr.String())
}

// kill is kill -9.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

func (p *process) stop() {
	p.t.Helper()
	p.cmd.Process.Signal(os.Interrupt)
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("collector ended with %v:\n%s", err, p.stderr.String())
	}
}

// call does a request and decodes the answer.
func (p *process) call(method, path string, body, into any) (status int) {
	p.t.Helper()
	var text bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			p.t.Fatal(err)
		}
	}
	req, err := http.NewRequest(method, p.console+strings.TrimPrefix(path, "/"), &text)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(data, into); err != nil {
			p.t.Fatalf("%s %s: %v in %s", method, path, err, data)
		}
	}
	return resp.StatusCode
}

// alerts counts the stored alerts by sid, through the API.
func (p *process) alerts() map[uint32]int {
	p.t.Helper()
	seen := map[uint32]int{}
	for cursor := ""; ; {
		var page struct {
			Alerts []struct{ SID uint32 } `json:"alerts"`
			Next   string                 `json:"next"`
		}
		if status := p.call(http.MethodGet, "/api/v1/alerts?limit=1000&cursor="+cursor, nil, &page); status != http.StatusOK {
			p.t.Fatalf("GET alerts: %d", status)
		}
		for _, a := range page.Alerts {
			seen[a.SID]++
		}
		if cursor = page.Next; cursor == "" {
			return seen
		}
	}
}

// holder is an uplink.Applier.
type holder struct {
	mu sync.Mutex
	m  map[netip.Prefix]verdict.Verdict
}

func (h *holder) Apply(v verdict.Verdict) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.m[v.Match.Src] = v
	return nil
}

func (h *holder) Remove(id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for src, v := range h.m {
		if v.ID == id {
			delete(h.m, src)
		}
	}
	return nil
}

func (h *holder) Replace(_, _ uint64, vs []verdict.Verdict) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.m = map[netip.Prefix]verdict.Verdict{}
	for _, v := range vs {
		h.m[v.Match.Src] = v
	}
	return nil
}

func (h *holder) has(src string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.m[netip.MustParsePrefix(src)]
	return ok
}

func (h *holder) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.m)
}

type sensor struct {
	*uplink.Uplink
	holder
}

func connect(t testing.TB, id, bus, dir, creds string) *sensor {
	t.Helper()
	return connectWith(t, id, bus, dir, creds, nil)
}

func connectWith(t testing.TB, id, bus, dir, creds string, change func(*uplink.Options)) *sensor {
	t.Helper()
	s := &sensor{holder: holder{m: map[netip.Prefix]verdict.Verdict{}}}
	o := uplink.Options{
		Sensor: id, URL: "nats://" + bus, Dir: filepath.Join(dir, id), Credentials: creds, Applier: s,
		Health: func(h *wire.Health) { h.Mode, h.State = "host", "ok" },
	}
	if change != nil {
		change(&o)
	}
	u, err := uplink.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Uplink = u
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := u.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return s
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 90 s: %s", what)
		}
	}
}

func alert(sid uint32, severity uint8, src string, handshake bool) wire.Event {
	now := time.Now()
	a := netip.MustParseAddr(src)
	return wire.Event{
		Time: now, SID: sid, Severity: severity, Proto: 6, Handshake: handshake,
		Src: netip.AddrPortFrom(a, 4444), Dst: netip.MustParseAddrPort("10.0.0.1:80"), Category: "Web Application Attack",
		EVE: fmt.Appendf(nil, `{"timestamp":%q,"event_type":"alert","src_ip":%q,"src_port":4444,"dest_ip":"10.0.0.1","dest_port":80,"proto":"TCP","alert":{"action":"allowed","gid":1,"signature_id":%d,"rev":1,"signature":"TEST","category":"Web Application Attack","severity":%d}}`,
			now.UTC().Format("2006-01-02T15:04:05.000000-0700"), src, sid, severity),
	}
}

func config(t testing.TB, dir, more string) string {
	t.Helper()
	path := filepath.Join(dir, "collector.yaml")
	text := fmt.Sprintf("data: %s\napi: {listen: \"127.0.0.1:0\"}\nbus: {listen: \"127.0.0.1:0\"}\n%s", filepath.Join(dir, "data"), more)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAlertBecomesVerdictOnEverySensor(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--config", config(t, dir, `
never-block: [203.0.113.66]
policy:
  canary: 0s
  block:
    - {severity: 1, require: handshake, action: drop, ttl: 10m, scope: all}
`))
	a, b := connect(t, "a", p.bus, dir, ""), connect(t, "b", p.bus, dir, "")
	eventually(t, "both in sync", func() bool {
		e, _ := a.Position()
		f, _ := b.Position()
		return e > 0 && e == f
	})
	seen := time.Now()
	a.Publish(alert(1, 1, "203.0.113.9", true))
	eventually(t, "the source is dropped on both", func() bool { return a.has("203.0.113.9/32") && b.has("203.0.113.9/32") })
	t.Logf("alert on one sensor to verdict on both: %s", time.Since(seen))

	a.Publish(alert(2, 1, "203.0.113.10", false)) // forged, perhaps
	a.Publish(alert(3, 2, "203.0.113.11", true))  // not severe enough
	a.Publish(alert(4, 1, "203.0.113.66", true))  // never blocked
	a.Publish(alert(5, 1, "127.0.0.1", true))
	a.Publish(alert(6, 1, "203.0.113.12", true))
	eventually(t, "the last of them is dropped", func() bool { return b.has("203.0.113.12/32") })
	for _, src := range []string{"203.0.113.10/32", "203.0.113.11/32", "203.0.113.66/32", "127.0.0.1/32"} {
		if b.has(src) {
			t.Errorf("%s is dropped", src)
		}
	}
	var list struct {
		Verdicts []struct {
			ID, State, Reason string
			Applied           struct{ Sensors, Of int }
			Match             struct{ Src string }
		}
	}
	eventually(t, "the API shows that both sensors have it", func() bool {
		p.call(http.MethodGet, "/api/v1/verdicts", nil, &list)
		return len(list.Verdicts) == 2 && list.Verdicts[1].Applied.Sensors == 2 && list.Verdicts[1].Applied.Of == 2
	})

	// A person takes the verdict back; the next alert must not bring it again.
	for _, v := range list.Verdicts {
		if status := p.call(http.MethodDelete, "/api/v1/verdicts/"+v.ID, nil, nil); status != http.StatusNoContent {
			t.Fatalf("DELETE %s: %d", v.ID, status)
		}
	}
	eventually(t, "lifted", func() bool { return !a.has("203.0.113.9/32") && !b.has("203.0.113.9/32") })
	b.Publish(alert(7, 1, "203.0.113.9", true))
	b.Publish(alert(8, 1, "203.0.113.13", true))
	eventually(t, "a later alert is dealt with", func() bool { return a.has("203.0.113.13/32") })
	if a.has("203.0.113.9/32") {
		t.Error("automation brought back what a person revoked")
	}
	p.stop()
}

func TestPersonsVerdict(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--config", config(t, dir, "never-block: [198.51.100.0/24]\n"))
	s := connect(t, "edge", p.bus, dir, "")
	body := func(src string) map[string]any {
		return map[string]any{"match": map[string]string{"src": src}, "action": "drop", "ttl_seconds": 60, "reason": "test"}
	}
	var v struct{ ID string }
	if status := p.call(http.MethodPost, "/api/v1/verdicts", body("203.0.113.0/24"), &v); status != http.StatusCreated {
		t.Fatalf("POST: %d", status)
	}
	eventually(t, "on the sensor", func() bool { return s.has("203.0.113.0/24") })
	for _, src := range []string{"198.51.100.7/32", "0.0.0.0/0", "169.254.169.254/32", "::/0"} {
		if status := p.call(http.MethodPost, "/api/v1/verdicts", body(src), nil); status != http.StatusConflict {
			t.Errorf("POST %s: %d, want %d", src, status, http.StatusConflict)
		}
	}
	var preview struct {
		Sources    uint64
		Duplicates []string
		Refusal    string
		Sensors    int
	}
	eventually(t, "preview knows the sensor", func() bool {
		p.call(http.MethodPost, "/api/v1/verdicts/preview", body("203.0.113.7"), &preview)
		return preview.Sensors == 1
	})
	if preview.Sources != 1 || len(preview.Duplicates) != 1 || preview.Duplicates[0] != v.ID || preview.Refusal != "" {
		t.Errorf("preview is %+v", preview)
	}
	if status := p.call(http.MethodDelete, "/api/v1/verdicts/"+v.ID, nil, nil); status != http.StatusNoContent {
		t.Errorf("DELETE: %d", status)
	}
	eventually(t, "off the sensor", func() bool { return !s.has("203.0.113.0/24") })
	if status := p.call(http.MethodDelete, "/api/v1/verdicts/"+v.ID, nil, nil); status != http.StatusNotFound {
		t.Errorf("DELETE again: %d, want 404", status)
	}
	p.stop()
}

// kill -9 while alerts and verdicts come: what was acknowledged is there afterwards, once.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	path := config(t, dir, "")
	p := start(t, "--config", path)
	// The ports must be the same after the restart.
	listen := strings.TrimSuffix(strings.TrimPrefix(p.console, "http://"), "/")
	p.args = append(p.args, "--listen", listen, "--bus", p.bus)
	s := connect(t, "edge", p.bus, dir, "")
	const total = 3000
	var acknowledged []string
	for i := range total {
		s.Publish(alert(uint32(i+1), uint8(1+i%3), "203.0.113.9", true))
		if i%300 == 0 {
			src := fmt.Sprintf("198.51.100.%d/32", i/300)
			body := map[string]any{"match": map[string]string{"src": src}, "action": "drop", "ttl_seconds": 600, "reason": "test"}
			if status := p.call(http.MethodPost, "/api/v1/verdicts", body, nil); status == http.StatusCreated {
				acknowledged = append(acknowledged, src)
			}
		}
		if i == 1000 || i == 2000 {
			p.kill()
			time.Sleep(300 * time.Millisecond)
			p.start()
		}
		if i%50 == 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	if len(acknowledged) != total/300 {
		t.Errorf("%d verdicts acknowledged, want %d", len(acknowledged), total/300)
	}
	var seen map[uint32]int
	eventually(t, "all alerts", func() bool { seen = p.alerts(); return len(seen) >= total })
	for sid, n := range seen {
		if n != 1 {
			t.Fatalf("alert %d is in the store %d times", sid, n)
		}
	}
	for _, src := range acknowledged {
		eventually(t, src+" is on the sensor", func() bool { return s.has(src) })
	}
	p.stop()
}

func TestRulesReachTheSensor(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--config", config(t, dir, ""))
	loaded := make(chan string, 10)
	var broken atomic.Bool
	u, err := uplink.New(uplink.Options{
		Sensor: "edge", URL: "nats://" + p.bus, Dir: filepath.Join(dir, "edge"), Applier: &holder{},
		Reload: func() error {
			text, err := os.ReadFile(uplink.RulesPath(filepath.Join(dir, "edge")))
			if broken.Load() {
				err = errors.New("no such variable")
			}
			loaded <- string(text)
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- u.Run(ctx) }()
	put := func(rules string) (status int) {
		return p.call(http.MethodPut, "/api/v1/rules", map[string]string{"rules": rules}, nil)
	}
	if status := put("alert tcp any any -> any any (msg:\"x\"; sid:1"); status != http.StatusUnprocessableEntity {
		t.Errorf("PUT of a broken rule: %d", status)
	}
	rule := "alert tcp any any -> any any (msg:\"x\"; sid:1;)\n"
	many := strings.Repeat(rule, 40_000) // several parts
	for _, text := range []string{rule, many, rule} {
		if status := put(text); status != http.StatusOK {
			t.Fatalf("PUT: %d", status)
		}
		select {
		case got := <-loaded:
			if got != text {
				t.Fatalf("loaded %d bytes, want %d", len(got), len(text))
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%d bytes of rules did not reach the sensor", len(text))
		}
	}
	broken.Store(true)
	put(many)
	<-loaded
	eventually(t, "the former rules are back", func() bool {
		text, err := os.ReadFile(uplink.RulesPath(filepath.Join(dir, "edge")))
		return err == nil && string(text) == rule
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	p.stop()
}

func TestSensorNeedsCredentials(t *testing.T) {
	dir := t.TempDir()
	path := config(t, dir, "")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	closed := strings.Replace(string(text), `bus: {listen: "127.0.0.1:0"}`, `bus: {listen: "127.0.0.1:0", open: false}`, 1)
	if err := os.WriteFile(path, []byte(closed), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "--config", path)
	stranger := connect(t, "stranger", p.bus, dir, "")

	creds := filepath.Join(dir, "edge.creds")
	run := func(args ...string) (string, error) {
		var out, msg bytes.Buffer
		if code := subcommand.Dispatch(context.Background(), "collector", commands(), args, &out, &msg); code != 0 {
			return out.String(), fmt.Errorf("exit %d: %s", code, msg.String())
		}
		return out.String(), nil
	}
	if _, err := run("sensor", "add", "edge", "--config", path, "--out", creds); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(creds); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("credentials: %v, %v, want mode 0600", fi.Mode(), err)
	}
	if _, err := run("sensor", "add", "edge", "--config", path, "--out", filepath.Join(dir, "again")); err == nil {
		t.Error("a sensor was registered twice")
	}
	if _, err := os.Stat(filepath.Join(dir, "again")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused sensor left a file: %v", err)
	}
	s := connect(t, "edge", p.bus, dir, creds)
	eventually(t, "the registered sensor is in sync", func() bool { e, _ := s.Position(); return e > 0 })
	if stranger.Connected() {
		t.Error("a sensor without credentials is connected")
	}
	if out, err := run("sensor", "list", "--config", path); err != nil || !strings.Contains(out, "edge") {
		t.Errorf("list: %q, %v", out, err)
	}
	if _, err := run("sensor", "remove", "edge", "--config", path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the removed sensor is disconnected", func() bool { return !s.Connected() })
	p.stop()
}

// A sensor enrols with a token, connects with its certificate, and is thrown out when it is removed.
func TestSensorEnrols(t *testing.T) {
	dir := t.TempDir()
	path := config(t, dir, "")
	p := start(t, "--config", path)
	run := func(args ...string) string {
		t.Helper()
		var out, msg bytes.Buffer
		if code := subcommand.Dispatch(context.Background(), "collector", commands(), args, &out, &msg); code != 0 {
			t.Fatalf("%v: exit %d: %s", args, code, msg.String())
		}
		return out.String()
	}
	token := run("token", "create", "--config", path, "--group", "edge")
	if list := run("token", "list", "--config", path); !strings.Contains(list, "1 uses") || strings.Contains(list, token) {
		t.Errorf("token list: %q", list)
	}
	creds := filepath.Join(dir, "edge-1.creds")
	if _, err := uplink.Enroll(context.Background(), "tls://"+p.bus, token, "edge-1", creds); err != nil {
		t.Fatal(err)
	}
	if list := run("token", "list", "--config", path); list != "" {
		t.Errorf("a used token is listed: %q", list)
	}
	s := connect(t, "edge-1", p.bus, dir, creds)
	eventually(t, "the sensor is in sync", func() bool { e, _ := s.Position(); return e > 0 })
	if list := run("sensor", "list", "--config", path); !strings.Contains(list, "edge-1") || !strings.Contains(list, "group edge") {
		t.Errorf("sensor list: %q", list)
	}
	var audit struct {
		Entries []struct{ Action, Object string }
	}
	p.call(http.MethodGet, "/api/v1/audit", nil, &audit)
	if len(audit.Entries) == 0 || audit.Entries[0].Action != "sensor.enrol" || audit.Entries[0].Object != "edge-1" {
		t.Errorf("audit: %+v", audit)
	}
	run("sensor", "remove", "edge-1", "--config", path)
	eventually(t, "the removed sensor is disconnected", func() bool { return !s.Connected() })
	nameless := connect(t, "edge-1", p.bus, filepath.Join(dir, "other"), creds)
	time.Sleep(500 * time.Millisecond)
	if nameless.Connected() {
		t.Error("a removed certificate lets its holder in")
	}
	p.stop()
}

// A customer's address turns out to be blocked: put on the never-block list it is free again in less than a second, nothing
// blocks it anew, and the kill switch and a rollback work the same way, past the console.
func TestSteering(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--config", config(t, dir, ""))
	s := connect(t, "edge-1", p.bus, dir, "")
	order := func(args ...string) (string, int) {
		var out, msg bytes.Buffer
		code := subcommand.Dispatch(context.Background(), "collector", commands(), append(args, "--data", filepath.Join(dir, "data"), "--by", "ann"), &out, &msg)
		return out.String() + msg.String(), code
	}
	block := func(src string) int {
		return p.call(http.MethodPost, "/api/v1/verdicts", map[string]any{
			"match": map[string]any{"src": src}, "action": "drop", "ttl_seconds": 600, "reason": "test",
		}, nil)
	}
	for _, src := range []string{"203.0.113.7/32", "198.51.100.7/32"} {
		if status := block(src); status != http.StatusCreated {
			t.Fatalf("block %s: %d", src, status)
		}
		eventually(t, src+" is blocked", func() bool { return s.has(src) })
	}
	began := time.Now()
	if out, code := order("never-block", "add", "203.0.113.0/24", "--reason", "a customer"); code != 0 || !strings.Contains(out, "1 verdicts lifted") {
		t.Fatalf("exit %d: %s", code, out)
	}
	eventually(t, "the customer is free", func() bool { return !s.has("203.0.113.7/32") })
	if took := time.Since(began); took > time.Second {
		t.Errorf("lifting took %s", took)
	}
	if status := block("203.0.113.7/32"); status != http.StatusConflict && status != http.StatusUnprocessableEntity {
		t.Errorf("blocked again: %d", status)
	}
	if !s.has("198.51.100.7/32") {
		t.Error("another verdict was lifted too")
	}
	if out, code := order("rollback", "--to", "2"); code != 0 || !strings.Contains(out, "0 removed, 0 restored, 1 of then may not come back") {
		t.Errorf("a rollback brought back what is protected now: exit %d: %s", code, out)
	}
	if out, code := order("rollback", "--to", "1"); code != 0 || !strings.Contains(out, "1 removed") {
		t.Errorf("rollback: exit %d: %s", code, out)
	}
	eventually(t, "what was made since is gone", func() bool { return !s.has("198.51.100.7/32") })
	if out, code := order("kill-switch", "on"); code != 0 {
		t.Errorf("exit %d: %s", code, out)
	}
	var audit struct {
		Entries []struct{ Actor, Action string }
	}
	p.call(http.MethodGet, "/api/v1/audit", nil, &audit)
	if len(audit.Entries) == 0 || audit.Entries[0].Action != "kill-switch" || audit.Entries[0].Actor != "ann" {
		t.Errorf("audit: %+v", audit)
	}
	p.stop()
	if out, code := order("never-block", "list"); code != 1 || !strings.Contains(out, "no collector runs") {
		t.Errorf("without a collector: exit %d: %s", code, out)
	}
}

// A feed becomes verdicts that only observe; what it must not name is left out, and what it no longer names goes.
func TestFeed(t *testing.T) {
	dir := t.TempDir()
	list := filepath.Join(dir, "list.txt")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("45.1.2.3\n45.1.2.4\n0.0.0.0/0\n10.0.0.0/8\n45.9.9.9\n")
	p := start(t, "--config", config(t, dir, fmt.Sprintf("never-block: [45.9.9.0/24]\nfeeds: [{name: test, url: %q}]\n", list)))
	s := connect(t, "edge-1", p.bus, dir, "")
	eventually(t, "the feed is on the sensor", func() bool { return s.has("45.1.2.3/32") && s.has("45.1.2.4/32") })
	s.mu.Lock()
	if len(s.m) != 2 || s.m[netip.MustParsePrefix("45.1.2.3/32")].Action != verdict.Observe {
		t.Errorf("verdicts %+v", s.m)
	}
	s.mu.Unlock()
	write("45.1.2.4\n45.1.2.5\n")
	var out, msg bytes.Buffer
	args := []string{"feed", "accept", "test", "--data", filepath.Join(dir, "data"), "--by", "ann"}
	if code := subcommand.Dispatch(context.Background(), "collector", commands(), args, &out, &msg); code != 0 {
		t.Fatalf("exit %d: %s", code, msg.String())
	}
	eventually(t, "it follows the list", func() bool { return !s.has("45.1.2.3/32") && s.has("45.1.2.4/32") && s.has("45.1.2.5/32") })
	p.stop()
}

func TestBadConfiguration(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ more, want string }{
		"unknown key":      {"colour: red\n", `collector.yaml:4:1`},
		"forged evidence":  {"policy:\n  block:\n    - {severity: 1, require: none, action: drop}\n", `collector.yaml:6:30: policy.block[0].require: `},
		"everything":       {"policy: {block: [{action: drop}]}\n", `policy.block[0]: would block the source of every alert`},
		"half a prefix":    {"never-block: [10.0.0.1/8]\n", `collector.yaml:4:15: never-block[0]: "10.0.0.1/8" has bits beyond its length: 10.0.0.0/8 is meant`},
		"no key":           {"api: {listen: x, tls: {certificate: c.pem}}\n", `already`},
		"severity as text": {"policy: {block: [{severity: high}]}\n", `collector.yaml:4:29`},
		"feed of nowhere":  {"feeds: [{name: x, action: drop}]\n", `feeds[0].url: name where the list is`},
		"short memory":     {"alerts: {keep: 5s}\n", `collector.yaml:4:16: alerts.keep: 5s is shorter than an hour`},
	} {
		t.Run(name, func(t *testing.T) {
			var out, msg bytes.Buffer
			code := subcommand.Dispatch(context.Background(), "collector", commands(), []string{"run", "--config", config(t, dir, c.more)}, &out, &msg)
			if code != 1 || !strings.Contains(msg.String(), c.want) {
				t.Errorf("exit %d, %q; want 1 and %q", code, msg.String(), c.want)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "usage: collector COMMAND"},
		{[]string{"help"}, 0, ""},
		{[]string{"rum"}, 2, `no command "rum"`},
		{[]string{"run", "now"}, 2, `unexpected argument "now"`},
		{[]string{"sensor", "add"}, 2, "give one argument"},
		{[]string{"run", "--listen", "256.0.0.1:1"}, 1, "api.listen"},
	} {
		var out, msg bytes.Buffer
		if len(c.args) == 3 {
			c.args = append(c.args, "--data", t.TempDir())
		}
		if code := subcommand.Dispatch(context.Background(), "collector", commands(), c.args, &out, &msg); code != c.code || !strings.Contains(msg.String(), c.want) {
			t.Errorf("collector %v: exit %d, %q; want %d and %q", c.args, code, msg.String(), c.code, c.want)
		}
	}
}
