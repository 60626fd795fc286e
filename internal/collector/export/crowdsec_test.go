package export

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
)

// fixed is a set of verdicts.
type fixed struct {
	mu  sync.Mutex
	all []verdict.Verdict
}

func (f *fixed) List() []verdict.Verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]verdict.Verdict(nil), f.all...)
}

func (f *fixed) Covering(p netip.Prefix) (out []verdict.Verdict) {
	for _, v := range f.List() {
		if v.Match.Src.IsValid() && v.Match.Src.Bits() <= p.Bits() && v.Match.Src.Contains(p.Addr()) {
			out = append(out, v)
		}
	}
	return out
}

func (f *fixed) set(all ...verdict.Verdict) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = all
}

func dropOf(id string, seq uint64, src string) verdict.Verdict {
	return verdict.Verdict{ID: id, Seq: seq, Match: verdict.Match{Src: netip.MustParsePrefix(src)}, Action: verdict.Drop, Reason: "test", ExpiresAt: time.Now().Add(time.Hour)}
}

func lapi(t *testing.T, v Verdicts) *CrowdSec {
	t.Helper()
	c := &CrowdSecConfig{Listen: "127.0.0.1:0", Keys: []Key{{"firewall", secret(t, "k1")}, {"web", secret(t, "k2")}}}
	if key, reason := c.Check(); key != "" {
		t.Fatalf("%s: %s", key, reason)
	}
	s, err := NewCrowdSec(c, v)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask returns what one gets for a path, as values in order: type:scope:value.
func ask(t *testing.T, h http.Handler, key, path string) (code int, decisions, deleted []string) {
	t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("X-Api-Key", key)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	text := func(list []decision) (out []string) {
		for _, d := range list {
			if left, err := time.ParseDuration(d.Duration); err != nil || left <= 0 || left > time.Hour || d.Origin != "weir" || d.ID == 0 {
				t.Errorf("decision %+v", d)
			}
			out = append(out, d.Type+":"+d.Scope+":"+d.Value)
		}
		return out
	}
	body := w.Body.Bytes()
	var list []decision
	var both streamAnswer
	switch {
	case w.Code != 200:
	case strings.HasPrefix(path, "/v1/decisions/stream"):
		if err := json.Unmarshal(body, &both); err != nil {
			t.Fatal(err)
		}
	default:
		if err := json.Unmarshal(body, &list); err != nil {
			t.Fatal(err)
		}
	}
	return w.Code, append(text(list), text(both.New)...), text(both.Deleted)
}

func TestCrowdSecDecisions(t *testing.T) {
	v := new(fixed)
	limit := dropOf("c", 3, "198.51.100.7/32")
	limit.Action = verdict.RateLimit
	narrow, observe := dropOf("d", 4, "198.51.100.8/32"), dropOf("e", 5, "198.51.100.9/32")
	narrow.Match.Port, observe.Action = 80, verdict.Observe
	v.set(dropOf("a", 1, "203.0.113.9/32"), dropOf("b", 2, "192.0.2.0/24"), limit, narrow, observe)
	h := lapi(t, v).Handler()
	for _, c := range []struct {
		key, path string
		code      int
		want      string
	}{
		{"wrong", "/v1/decisions", 403, "[]"},
		{"", "/v1/decisions/stream", 403, "[]"},
		{"k1", "/v1/decisions", 200, "[ban:Ip:203.0.113.9 ban:Range:192.0.2.0/24 throttle:Ip:198.51.100.7]"},
		{"k1", "/v1/decisions?ip=192.0.2.77", 200, "[ban:Range:192.0.2.0/24]"},
		{"k1", "/v1/decisions?ip=8.8.8.8", 200, "[]"},
		{"k1", "/v1/decisions?ip=nobody", 400, "[]"},
		{"k1", "/v1/decisions?range=192.0.2.0/25", 200, "[ban:Range:192.0.2.0/24]"},
		{"k1", "/v1/decisions?type=ban&scope=ip", 200, "[ban:Ip:203.0.113.9]"},
		{"k1", "/v1/decisions?origins=CAPI", 200, "[]"},
		{"k1", "/v1/decisions?value=198.51.100.7", 200, "[throttle:Ip:198.51.100.7]"},
	} {
		if code, got, _ := ask(t, h, c.key, c.path); code != c.code || fmt.Sprint(got) != c.want {
			t.Errorf("%s: %d %v, want %d %s", c.path, code, got, c.code, c.want)
		}
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/v1/decisions?ip=8.8.8.8", nil)
	r.Header.Set("X-Api-Key", "k1")
	if h.ServeHTTP(w, r); strings.TrimSpace(w.Body.String()) != "null" {
		t.Errorf("none is %q, and bouncers expect null", w.Body)
	}
}

func TestCrowdSecStream(t *testing.T) {
	v := new(fixed)
	h := lapi(t, v).Handler()
	a, b, again := dropOf("a", 1, "203.0.113.9/32"), dropOf("b", 2, "192.0.2.0/24"), dropOf("a2", 4, "203.0.113.9/32")
	for i, c := range []struct {
		key, startup string
		verdicts     []verdict.Verdict
		new, deleted string
	}{
		{"k1", "true", []verdict.Verdict{a}, "[ban:Ip:203.0.113.9]", "[]"},
		{"k1", "false", []verdict.Verdict{a}, "[]", "[]"},
		{"k1", "false", []verdict.Verdict{a, b}, "[ban:Range:192.0.2.0/24]", "[]"},
		{"k2", "false", []verdict.Verdict{a, b}, "[ban:Ip:203.0.113.9 ban:Range:192.0.2.0/24]", "[]"}, // the collector was restarted
		{"k1", "false", []verdict.Verdict{b, a, again}, "[ban:Ip:203.0.113.9]", "[]"},
		{"k1", "false", []verdict.Verdict{b, again}, "[]", "[]"}, // the other verdict on the source still holds
		{"k1", "false", []verdict.Verdict{b}, "[]", "[ban:Ip:203.0.113.9]"},
		{"k1", "true", []verdict.Verdict{b}, "[ban:Range:192.0.2.0/24]", "[]"},
	} {
		v.set(c.verdicts...)
		if _, n, d := ask(t, h, c.key, "/v1/decisions/stream?startup="+c.startup); fmt.Sprint(n) != c.new || fmt.Sprint(d) != c.deleted {
			t.Errorf("step %d: new %v deleted %v, want %s %s", i, n, d, c.new, c.deleted)
		}
	}
}

// TestCrowdSecBouncer has Debian's crowdsec-custom-bouncer carry verdicts out.
func TestCrowdSecBouncer(t *testing.T) {
	bin, err := exec.LookPath("crowdsec-custom-bouncer")
	if err != nil {
		t.Skip("crowdsec-custom-bouncer is not installed (apt-get download crowdsec-custom-bouncer, dpkg -x)")
	}
	v := new(fixed)
	v.set(dropOf("a", 1, "203.0.113.9/32"), dropOf("b", 2, "192.0.2.0/24"))
	s := lapi(t, v)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l, ServerTLS{}) }()
	dir := t.TempDir()
	calls := filepath.Join(dir, "calls")
	script, conf := filepath.Join(dir, "act"), filepath.Join(dir, "bouncer.yaml")
	os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\necho \"$1 $2\" >> %s\n", calls), 0o700)
	os.WriteFile(conf, fmt.Appendf(nil, "bin_path: %s\napi_url: http://%s/\napi_key: k1\nupdate_frequency: 1s\nlog_mode: file\nlog_dir: %s/\nlog_level: debug\ncache_retention_duration: 1s\n", script, l.Addr(), dir), 0o600)
	cmd := exec.Command(bin, "-c", conf)
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if t.Failed() {
			text, _ := os.ReadFile(out.Name())
			t.Logf("the bouncer: %s", text)
		}
	}()
	did := func(what string) func() bool {
		return func() bool {
			text, _ := os.ReadFile(calls)
			return strings.Contains(string(text), what)
		}
	}
	eventually(t, "the address is banned", did("add 203.0.113.9\n"))
	eventually(t, "the range is banned", did("add 192.0.2.0/24\n"))
	v.set(dropOf("b", 2, "192.0.2.0/24"), dropOf("c", 3, "198.51.100.1/32"))
	eventually(t, "the new address is banned", did("add 198.51.100.1\n"))
	eventually(t, "the address is free", did("del 203.0.113.9\n"))
}
