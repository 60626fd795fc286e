package collector

import (
	"context"
	"net/netip"
	"time"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/bus"
	vlog "github.com/weir-ips/weir/internal/collector/log"
	"github.com/weir-ips/weir/pkg/wire"
)

// When a silent sensor's state changes.
const (
	late = 2 * wire.HealthEvery
	gone = time.Minute
)

// fleet is api.Sensors.
type fleet struct {
	sensors *bus.Sensors
	log     *vlog.Log
	kill    func() wire.KillSwitch
}

// List returns every sensor's last report.
func (f *fleet) List(context.Context) ([]api.Sensor, error) {
	epoch, seq := f.log.Position()
	now, kill := time.Now(), f.kill()
	reports := f.sensors.All()
	out := make([]api.Sensor, len(reports))
	for i, r := range reports {
		out[i] = sensorOf(r, now, epoch, seq, kill)
	}
	return out, nil
}

// sensorOf is what the API says of a sensor: its last report, held against the log and the clock.
func sensorOf(r *bus.Report, now time.Time, epoch, seq uint64, kill wire.KillSwitch) api.Sensor {
	s := api.Sensor{
		ID: r.Sensor, Mode: r.Mode, State: state(r, now), LastSeen: r.Seen, Version: r.Version, Epoch: r.Epoch, AppliedSeq: r.Seq,
		Lag: lag(r, epoch, seq), Packets: r.Packets, Bytes: r.Bytes, Drops: r.Drops, Ruleset: r.Ruleset,
		Verdicts: r.Verdicts, Refusals: r.Refused,
		Policy: r.Policy, Group: r.Group, StartedAt: r.Started, Rules: r.Rules, Bundle: r.Bundle, BundleError: r.BundleError,
		Killed: kill.On(r.Sensor, r.Group), Counters: r.Counters, Maps: mapFills(r.Maps), Refused: refusals(r.Refusals),
		Spool:     api.Spool{Events: r.Uplink.SpoolEvents, Bytes: r.Uplink.SpoolBytes, Sent: r.Uplink.Sent, Shed: r.Uplink.Shed},
		ClockSkew: skew(r),
	}
	if r.State != "ok" {
		s.Reason = r.State
	}
	return s
}

func mapFills(maps map[string]wire.MapFill) map[string]api.MapFill {
	out := make(map[string]api.MapFill, len(maps))
	for name, m := range maps {
		out[name] = api.MapFill(m)
	}
	return out
}

// maxRefusals bounds the refusals that the API shows of a sensor.
const maxRefusals = 20

func refusals(all []wire.Refusal) []api.Refusal {
	out := []api.Refusal{}
	for _, r := range all[:min(len(all), maxRefusals)] {
		out = append(out, api.Refusal(r))
	}
	return out
}

// skew is how far the sensor's clock was ahead when its report arrived, in seconds; a report takes some of it to come.
func skew(r *bus.Report) float64 {
	if r.Time.IsZero() {
		return 0
	}
	return r.Time.Sub(r.Seen).Round(10 * time.Millisecond).Seconds()
}

// state judges a sensor by its last report and by the silence since.
func state(r *bus.Report, now time.Time) string {
	switch silent := now.Sub(r.Seen); {
	case silent >= gone:
		return "gone"
	case silent >= late:
		return "late"
	case r.State != "" && r.State != "ok":
		return "blind"
	}
	return "ok"
}

// lag is how many log entries the sensor has yet to apply: all of them in another epoch.
func lag(r *bus.Report, epoch, seq uint64) uint64 {
	if r.Epoch != epoch {
		return max(seq, 1)
	}
	return seq - min(seq, r.Seq)
}

// A sensor may spare single hosts and small networks, not the internet: one that lies must not switch automation off.
const (
	narrowest4 = 24
	narrowest6 = 64
)

// allowances is what the sensors say must never be blocked.
func (c *collector) allowances() []netip.Prefix {
	var out []netip.Prefix
	for _, r := range c.sensors.All() {
		for _, s := range r.Allowances {
			if p, ok := allowance(s); ok {
				out = append(out, p)
			}
		}
	}
	return out
}

func allowance(text string) (netip.Prefix, bool) {
	p, err := parsePrefix(text)
	return p, err == nil && (p.Addr().Is4() && p.Bits() >= narrowest4 || p.Addr().Is6() && p.Bits() >= narrowest6)
}
