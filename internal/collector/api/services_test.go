package api

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/internal/collector/identity"
	"github.com/weir-ips/weir/internal/collector/incident"
	"github.com/weir-ips/weir/internal/collector/rollout"
	"github.com/weir-ips/weir/pkg/wire"
)

// house is the services that the collector itself provides, in memory.
type house struct {
	kill      KillSwitch
	protected []Protected
	policy    Policy
	waiting   []Approval
	tokens    []EnrolmentToken
	sensors   []SensorCredential
	feed      Feed
}

func newHouse() *house {
	return &house{
		policy:  Policy{Limits: PolicyLimits{PerMinute: 600, PerSensorMinute: 120, PerSignatureMinute: 120, HoldSeconds: 300, Addresses: 1 << 16, FeedAddresses: 1 << 25}, Canary: new(int64)},
		sensors: []SensorCredential{{Sensor: "edge-1", Kind: "certificate", Serials: []string{"x"}, Since: time.Now().UTC()}},
		feed:    Feed{Name: "drop", URL: "https://lists.example/drop", Format: "text", Action: "observe", Scope: "all", State: "held", Error: "held: changed"},
	}
}

func (h *house) KillSwitch() KillSwitch { return h.kill }

func (h *house) Kill(_ context.Context, k KillSwitch, by string) error {
	if slices.Contains(k.Scopes, "no such scope") {
		return invalid("scopes", "not a name")
	}
	k.By, k.At = by, time.Now().UTC()
	h.kill = k
	return nil
}

func (h *house) NeverBlock() []Protected { return h.protected }

func (h *house) Protect(_ context.Context, p Protected) (int, error) {
	h.protected = append(h.protected, p)
	return 3, nil
}

func (h *house) Unprotect(_ context.Context, prefix netip.Prefix, _ string) error {
	n := len(h.protected)
	h.protected = slices.DeleteFunc(h.protected, func(p Protected) bool { return p.Prefix == prefix })
	if len(h.protected) == n {
		return ErrNotFound
	}
	return nil
}

func (h *house) Rollback(_ context.Context, to uint64, _ string) (RolledBack, error) {
	if to > 100 {
		return RolledBack{}, &Refused{"the log does not reach this position"}
	}
	return RolledBack{Removed: 2, Seq: 7}, nil
}

func (h *house) Position() (uint64, uint64) { return 1, 7 }

func (h *house) List() []Feed { return []Feed{h.feed} }

func (h *house) Accept(_ context.Context, name, _ string) error {
	if name != h.feed.Name {
		return ErrNotFound
	}
	h.feed.State, h.feed.Error, h.feed.Entries = "ok", "", 12
	return nil
}

func (h *house) find(name string) error {
	if name != h.feed.Name {
		return ErrNotFound
	}
	return nil
}

func (h *house) Add(_ context.Context, q NewFeed, by string) error {
	h.feed = Feed{Name: q.Name, URL: q.URL, Format: q.Format, Action: "observe", Scope: "all", State: "waiting", AddedBy: by, Own: q.List != ""}
	return nil
}

func (h *house) Pause(_ context.Context, name, reason, by string) error {
	h.feed.State, h.feed.PausedBy, h.feed.PausedWhy, h.feed.PausedAt = FeedPaused, by, reason, time.Now().UTC()
	return h.find(name)
}

func (h *house) Resume(_ context.Context, name, _ string) error {
	h.feed.State, h.feed.PausedBy, h.feed.PausedWhy, h.feed.PausedAt = "waiting", "", "", time.Time{}
	return h.find(name)
}

func (h *house) Remove(_ context.Context, name, _ string) error {
	if h.feed.AddedBy == "" {
		return &Refused{"it is configured in collector.yaml"}
	}
	return h.find(name)
}

// outlets are the exports in memory.
type outlets struct{ list []Export }

func (o *outlets) Add(_ context.Context, q NewExport, by string) error {
	o.list = append(o.list, Export{Name: q.Name, Type: q.Type, State: "ok", Target: q.URL, Events: q.Events, AddedBy: by})
	return nil
}

func (o *outlets) Remove(_ context.Context, name, _ string) error {
	n := len(o.list)
	o.list = slices.DeleteFunc(o.list, func(e Export) bool { return e.Name == name })
	if len(o.list) == n {
		return ErrNotFound
	}
	return nil
}

func (o *outlets) Test(_ context.Context, name, _ string) (time.Duration, error) {
	if !slices.ContainsFunc(o.list, func(e Export) bool { return e.Name == name }) {
		return 0, ErrNotFound
	}
	return 12 * time.Millisecond, nil
}

// Waiting is one order of somebody else, and one of the person that tests are, once they are in h.waiting.
func (h *house) Waiting() []Approval { return h.waiting }

func (h *house) Approve(_ context.Context, id, by string) (Approval, error) {
	return h.Decline(context.Background(), id, by)
}

func (h *house) Decline(_ context.Context, id, _ string) (Approval, error) {
	i := slices.IndexFunc(h.waiting, func(a Approval) bool { return a.ID == id })
	if i < 0 {
		return Approval{}, ErrNotFound
	}
	was := h.waiting[i]
	h.waiting = slices.Delete(h.waiting, i, i+1)
	return was, nil
}

func (h *house) Policy() Policy { return h.policy }

func (h *house) SetPolicy(_ context.Context, p Policy, by string) (Policy, error) {
	if p.Limits.PerMinute < 1 {
		return p, invalid("limits.per_minute", "not in 1-100000")
	}
	p.Changed, p.ChangedBy, p.ChangedAt = true, by, time.Now().UTC()
	h.policy = p
	return p, nil
}

func (h *house) Tokens() []EnrolmentToken { return h.tokens }

func (h *house) CreateToken(group string, uses int, life time.Duration) (string, string, error) {
	id := fmt.Sprint("t", len(h.tokens)+1)
	h.tokens = append(h.tokens, EnrolmentToken{id, group, uses, time.Now().UTC(), time.Now().UTC().Add(life)})
	return id + ".secret", id, nil
}

func (h *house) RemoveToken(id string) error {
	n := len(h.tokens)
	h.tokens = slices.DeleteFunc(h.tokens, func(t EnrolmentToken) bool { return t.ID == id })
	if len(h.tokens) == n {
		return ErrNotFound
	}
	return nil
}

func (h *house) Credentials() []SensorCredential { return h.sensors }

func (h *house) Revoke(sensor string) error {
	n := len(h.sensors)
	h.sensors = slices.DeleteFunc(h.sensors, func(s SensorCredential) bool { return s.Sensor == sensor })
	if len(h.sensors) == n {
		return ErrNotFound
	}
	return nil
}

func openTracker(t *testing.T) *incident.Tracker {
	t.Helper()
	tr, err := incident.Open(incident.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

func openBook(t *testing.T) *identity.Book {
	t.Helper()
	b, err := identity.Open(identity.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// scan is what a sensor tells of one alert.
func scan(n int, sid uint32, src string) wire.Event {
	return wire.Event{
		ID: fmt.Sprintf("edge-1:b:%d", n), Sensor: "edge-1", Time: time.Now().UTC(), SID: sid, Severity: 2, Proto: 6, Handshake: true, Category: "Attempted Information Leak",
		Src: netip.AddrPortFrom(netip.MustParseAddr(src), 4711), Dst: netip.MustParseAddrPort("10.0.0.5:80"),
		EVE: fmt.Appendf(nil, `{"alert":{"signature":"SCAN <img src=x onerror=alert(1)> %d"}}`, sid),
	}
}

func TestWhatWaitsForASecondPerson(t *testing.T) {
	f := start(t)
	now := time.Now().UTC()
	for _, id := range []string{"p-1", "p-2"} {
		f.house.waiting = append(f.house.waiting, Approval{ID: id, Kind: "kill-switch", Class: "kill-switch", Summary: "x", By: "bo", At: now, ExpiresAt: now.Add(time.Hour), Scopes: []string{"all"}})
	}
	long := strings.Repeat("x", maxNote+1)
	for _, c := range []struct {
		method, path string
		body         any
		status       int
		want         string
	}{
		{"GET", "/api/v1/approvals", nil, 200, `"id":"p-1"`},
		{"POST", "/api/v1/approvals/p-1/approve", map[string]string{"note": long}, 422, `"note"`},
		{"POST", "/api/v1/approvals/p-1/approve", map[string]string{"note": "checkout is down"}, 200, `"by":"bo"`},
		{"POST", "/api/v1/approvals/p-1/approve", nil, 404, ``},
		{"DELETE", "/api/v1/approvals/p-2?note=" + long, nil, 422, `"note"`},
		{"DELETE", "/api/v1/approvals/p-2?note=not+now", nil, 204, ``},
		{"GET", "/api/v1/audit?action=approval.decline", nil, 200, `"note":"not now"`},
		{"GET", "/api/v1/audit?q=CHECKOUT+bo&since=1h", nil, 200, `"object":"p-1"`},
		{"GET", "/api/v1/audit?q=checkout&until=1h", nil, 200, `{"entries":[]}`},
	} {
		if status, body := f.do(t, c.method, c.path, c.body); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, status, body, c.status, c.want)
		}
	}
}

// ruleOne is the version of the bundle that the tests upload.
var ruleOne = wire.RulesVersion([]byte("alert ip any any -> any any (sid:1;)\n"))

// openRollouts has one sensor, edge-1 of the group edge.
func openRollouts(t *testing.T) *rollout.Book {
	t.Helper()
	b, err := rollout.Open(rollout.Options{Dir: t.TempDir(), Sensors: func() []*bus.Report {
		return []*bus.Report{{Health: wire.Health{Sensor: "edge-1", Group: "edge", State: "ok"}, Seen: time.Now()}}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestARolloutIsPromotedAndRolledBackByTheAPI(t *testing.T) {
	now := time.Now()
	f, loaded := start(t), ""
	b, err := rollout.Open(rollout.Options{Dir: t.TempDir(), Now: func() time.Time { return now }, Sensors: func() []*bus.Report {
		return []*bus.Report{{Health: wire.Health{Sensor: "edge-1", Group: "edge", State: "ok", Bundle: loaded}, Seen: now}}
	}})
	if err != nil {
		t.Fatal(err)
	}
	f.api.opt.Rollouts = b
	f.do(t, "POST", "/api/v1/rules/bundles", "alert ip any any -> any any (sid:1;)\n")
	f.do(t, "POST", "/api/v1/rules/rollouts", map[string]any{"version": ruleOne, "scope": "edge", "watch_seconds": 5})
	id := b.Rollouts()[0].ID
	loaded = ruleOne
	for range 3 {
		now = now.Add(3 * time.Second)
		b.Look()
	}
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/api/v1/rules/rollouts/" + id, `"state":"passed"`},
		{"POST", "/api/v1/rules/rollouts/" + id + "/promote", `"state":"promoted"`},
		{"GET", "/api/v1/rules/bundles", `"runs":["edge"]`},
		{"POST", "/api/v1/rules/rollouts/" + id + "/rollback", `"state":"rolled-back"`},
		{"GET", "/api/v1/rules/bundles", `"runs":[]`},
	} {
		if status, body := f.do(t, c.method, c.path, nil); status != 200 || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s, want %s", c.method, c.path, status, body, c.want)
		}
	}
}
