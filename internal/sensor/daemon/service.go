package daemon

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/sensor/control"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// service is the sensor as its control socket sees it.
type service Daemon

// Status reads every counter anew.
func (s *service) Status() control.Status {
	d := (*Daemon)(s)
	rs := d.shared.get()
	reasons := d.unhealthy()
	st := control.Status{
		ID: d.cfg.ID, Version: d.version, Mode: string(d.cfg.Mode), Policy: d.cfg.Policy, Workers: len(d.workers), Interfaces: d.cfg.Interfaces,
		Attached: d.mode(), Adopted: d.kernel.Adopted(), Uptime: time.Since(d.started), Healthy: len(reasons) == 0, Reasons: reasons,
		Missing: d.missing(), Started: d.started, UpgradeRefused: d.upgradeRefused(),
		Rules:    control.Rules{ID: rs.id, Loaded: rs.Counts().Loaded, Disabled: rs.Counts().Disabled, Failed: rs.Counts().Failed},
		Verdicts: d.enforcer.Len(), Floods: d.floods.Words(), Attacks: s.Attacks(), KillSwitch: d.enforcer.Killed(),
	}
	st.Traffic, st.Drops = d.traffic()
	if d.uplink != nil {
		u := d.uplink.Stats()
		st.Collector = control.Collector{URL: d.cfg.Collector.URL, Connected: d.uplink.Connected(), Spooled: uint64(u.SpoolEvents)}
		st.Collector.Epoch, st.Collector.Seq = d.uplink.Position()
		for _, n := range u.Shed {
			st.Collector.Shed += n
		}
	}
	return st
}

// Verdicts lists what is enforced, with its hits.
func (s *service) Verdicts() []control.Entry {
	list := s.enforcer.Verdicts()
	out := make([]control.Entry, 0, len(list))
	for _, e := range list {
		state := "enforced"
		switch {
		case e.Suspended:
			state = "suspended"
		case e.Held:
			state = "held"
		case e.Action == verdict.Observe || !s.cfg.Enforcing():
			state = "observed"
		}
		out = append(out, control.Entry{Verdict: e.Verdict, Packets: e.Packets, Bytes: e.Bytes, State: state, AppliedAt: e.Applied})
	}
	return out
}

// AddVerdict takes an order from whoever may open the socket: an analyst's, for this sensor alone.
func (s *service) AddVerdict(v verdict.Verdict) (verdict.Verdict, error) {
	if v.Reason == "" {
		return v, errors.New("say why: a verdict without a reason cannot be judged by the next person (--reason)")
	}
	v.ID, v.Scope, v.Origin, v.CreatedAt = "local-"+rand.Text()[:10], scopeLocal, verdict.OriginAnalyst, time.Now()
	if v.CreatedBy == "" {
		v.CreatedBy = "sensor:" + s.cfg.ID
	}
	if err := s.enforcer.Apply(v); err != nil {
		return v, err
	}
	return v, nil
}

// RemoveVerdict lifts one.
func (s *service) RemoveVerdict(id string) error {
	if _, ok := s.enforcer.Verdict(id); !ok {
		return fmt.Errorf("%q: %w", id, control.ErrUnknown)
	}
	return s.enforcer.Remove(id)
}

// KillSwitch stops or resumes all dropping, as far as this host's operator has a say: the collector may hold it too.
func (s *service) KillSwitch(on bool) error {
	(*Daemon)(s).killHere(on)
	if !on && s.enforcer.Killed() {
		return errors.New("the collector holds the kill switch too: resume there (collector kill-switch off)")
	}
	return nil
}

// Attacks lists those that are on.
func (s *service) Attacks() []control.Attack {
	var out []control.Attack
	for _, a := range s.floods.Attacks() {
		out = append(out, attack(&a))
	}
	return out
}

// Baselines returns what is usual.
func (s *service) Baselines() (json.RawMessage, error) { return s.floods.Export(time.Now()) }

// SetBaselines replaces what was learned of some networks.
func (s *service) SetBaselines(text json.RawMessage) error { return s.floods.Import(text, time.Now()) }

// Upgrade has the installed program take over.
func (s *service) Upgrade() (version string, err error) { return (*Daemon)(s).Upgrade() }

// upgradeRefused says why the program that was installed last did not start; empty if this one has followed none.
func (d *Daemon) upgradeRefused() string {
	if d.left == nil {
		return ""
	}
	return d.left.Refused
}

// Reload reads the rules again.
func (s *service) Reload() error { return (*Daemon)(s).Reload() }

// traffic adds up the kernel's counters and the workers'.
func (d *Daemon) traffic() (control.Traffic, map[string]uint64) {
	var t control.Traffic
	drops := map[string]uint64{}
	if c, err := d.kernel.Counters(); err == nil {
		t.Kernel, t.Hairpin = c.Paths[bpf.PathPackets], c.Paths[bpf.PathHairpin]
		t.Lost = c.Paths[bpf.PathCaptureLost]
		t.Uninspected = c.Paths[bpf.PathNoSocket] + c.Paths[bpf.PathLeaseOpen] + c.Paths[bpf.PathCreditOpen] + c.Paths[bpf.PathOversizeOpen]
		t.Dropped = c.Dropped()
		for r, n := range c.Drops {
			if n > 0 {
				drops[bpf.Reason(r).String()] = n
			}
		}
	}
	for _, w := range d.workers {
		s, c := w.stats.Load(), w.source.Stats()
		t.Inspected += c.Frames
		t.Bytes += c.Bytes
		t.Forwarded += c.Forwarded
		t.Dropped += c.Dropped
		t.Jumbo += c.Chained
		t.Lost += c.Lost + c.TxFull + c.TxRefused
		t.Abandoned += c.Abandoned
		t.HandedOver += c.HandedOver
		t.Uninspected += c.BehindPassed + w.troubles.passed.Load()
		t.Alerts += s.Alerts
		if c.Dropped > 0 {
			drops["inspection"] += c.Dropped
		}
	}
	return t, drops
}

// reportHealth fills in what the collector is told every few seconds.
func (d *Daemon) reportHealth(h *wire.Health) {
	rs := d.shared.get()
	t, drops := d.traffic()
	h.Version, h.Mode, h.Policy, h.State = d.version, string(d.cfg.Mode), d.cfg.Policy, "ok"
	if bad := d.unhealthy(); len(bad) > 0 {
		h.State = bad[0]
	}
	if blind := d.allowances.blindness(time.Now()); blind != "" && h.State == "ok" {
		h.State = blind
	}
	h.Ruleset, h.Rules = rs.id, rs.Counts().Loaded
	h.Packets, h.Drops = t.Kernel, drops
	h.Bytes = t.Bytes
	h.Counters = map[string]uint64{
		wire.CounterLost: t.Lost, wire.CounterUninspected: t.Uninspected, wire.CounterAlerts: t.Alerts, wire.CounterCPU: processTime(), wire.CounterPanics: d.panics(),
	}
	for _, p := range d.enforcer.Protected() {
		if len(h.Allowances) < wire.MaxAllowances {
			h.Allowances = append(h.Allowances, p.String())
		}
	}
	h.Maps = map[string]wire.MapFill{}
	for name, f := range d.enforcer.Fills() {
		h.Maps[name] = wire.MapFill(f)
	}
	for _, e := range d.enforcer.Verdicts() {
		if e.Suspended {
			h.Suspended = append(h.Suspended, e.ID) // Truncate bounds it
		}
		if e.Packets > 0 && len(h.Hits) < wire.MaxHits {
			h.Hits = append(h.Hits, wire.Hit{ID: e.ID, Packets: e.Packets, Bytes: e.Bytes})
		}
	}
}

// panics counts faults of inspection.
func (d *Daemon) panics() (n uint64) {
	for _, w := range d.workers {
		n += w.troubles.panics.Load()
	}
	return n
}

// processTime is the processor time that the sensor has used, in milliseconds.
func processTime() uint64 {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return uint64(used.Utime.Nano()+used.Stime.Nano()) / uint64(time.Millisecond)
}

// refused logs a decision of this sensor's own that the maps had no room for; traffic must not fill the log.
func (d *Daemon) refused(err error) {
	if ok, skipped := d.refusalLog.Allow(time.Now()); ok {
		d.log.Warn("flow not decided in XDP", "error", err, "similar", skipped)
	}
}
