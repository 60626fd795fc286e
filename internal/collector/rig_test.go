package collector

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-ips/weir/internal/collector/bus"
	vlog "github.com/weir-ips/weir/internal/collector/log"
	"github.com/weir-ips/weir/internal/collector/policy"
	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// rig is a governor with a real bus, verdict log and audit log, whose sensors are what a test reports.
type rig struct {
	*governor
	t       *testing.T
	mu      sync.Mutex
	audited []string
	decided policy.Config
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir, ctx := t.TempDir(), t.Context()
	regs, err := bus.OpenRegistrations(filepath.Join(dir, "sensors.json"))
	if err != nil {
		t.Fatal(err)
	}
	server, err := bus.Start(bus.Options{Dir: filepath.Join(dir, "bus"), Listen: "127.0.0.1:0", Sensors: regs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	nc, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.EnsureStreams(ctx, js, 1); err != nil {
		t.Fatal(err)
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := vlog.Open(ctx, vlog.Options{Conn: nc, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	audit, err := store.OpenAudit(store.Options{Dir: filepath.Join(dir, "audit")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { audit.Close() })
	asks, err := newSurveyor(nc, key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, decided: policy.Config{Limits: policy.DefaultLimits()}}
	r.governor = &governor{
		log: l, sensors: new(bus.Sensors), audit: audit, follows: func() error { return nil }, settings: &settings{path: filepath.Join(dir, settingsFile)},
		surveyor: asks, decides: func() policy.Config { return r.decided },
	}
	r.trials = &trials{govern: r.governor, length: func() time.Duration { return r.decided.Canary }, audit: r.note, log: slog.New(slog.DiscardHandler)}
	r.renewals = &renewals{govern: r.governor, renewed: func(string, time.Time) {}, audit: r.note, log: slog.New(slog.DiscardHandler)}
	return r
}

func (r *rig) note(_, action, object string, _ map[string]any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.audited = append(r.audited, action+" "+object)
}

// report has a sensor report, at this moment, that it is where the log is.
func (r *rig) report(id string, change func(*wire.Health)) {
	epoch, seq := r.log.Position()
	h := wire.Health{Sensor: id, Mode: "host", Policy: "enforce", State: "ok", Boot: "b", Epoch: epoch, Seq: seq}
	if change != nil {
		change(&h)
	}
	r.sensors.Put(&bus.Report{Health: h, Seen: time.Now()})
}

// auto is what the policy would make of an alert of sensor a.
func auto(id, src string, life time.Duration) verdict.Verdict {
	now := time.Now()
	return verdict.Verdict{
		ID: "auto-" + id, Match: verdict.Match{Src: netip.MustParsePrefix(src)}, Action: verdict.Drop, Scope: wire.ScopeAll, Origin: verdict.OriginRule, Rule: 7,
		Reason: "signature 7 on a", CreatedBy: "sensor:a", CreatedAt: now, ExpiresAt: now.Add(life),
	}
}

func (r *rig) decide(v verdict.Verdict) {
	r.t.Helper()
	if err := r.Decide(context.Background(), v); err != nil {
		r.t.Fatal(err)
	}
}

// scope is where a verdict is in force; "" if nowhere.
func (r *rig) scope(id string) string {
	v, _ := r.log.Get(id)
	return v.Scope
}
