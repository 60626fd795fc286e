package daemon

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/telemetry"
)

// registry exposes the counters.
func (d *Daemon) registry() *prometheus.Registry {
	reg := telemetry.NewRegistry("sensor", d.version)
	reg.MustRegister(
		&telemetry.Stats{Prefix: "weir_sensor_kernel", Read: func() any {
			c, err := d.kernel.Counters()
			if err != nil {
				return &bpf.Counters{}
			}
			return &c
		}, Labels: map[string]telemetry.Vector{
			"Drops": {Label: "reason", Value: func(i int) string { return bpf.Reason(i).String() }},
			"Would": {Label: "reason", Value: func(i int) string { return bpf.Reason(i).String() }},
			"Paths": {Label: "path", Value: func(i int) string { return bpf.Path(i).String() }},
		}},
	)
	reg.MustRegister(&telemetry.Stats{
		Prefix: "weir_sensor_allowance", Gauges: []string{"Left", "Blind"}, Read: func() any { return d.allowances.stats(time.Now()) },
		Labels: map[string]telemetry.Vector{"Exceeded": {Label: "allowance"}, "Left": {Label: "interface"}},
	})
	reg.MustRegister(&telemetry.Stats{Prefix: "weir_sensor_never_block", Read: func() any { return NeverBlockStats{d.spared.Load()} }})
	reg.MustRegister(&telemetry.Stats{
		Prefix: "weir_sensor", Read: func() any { return d.state() },
		Gauges: []string{"Healthy", "UpgradeRefused", "KillSwitch", "Verdicts", "Attacks", "CollectorConnected", "FeaturesMissing", "ZeroCopySockets"},
	})
	reg.MustRegister(&telemetry.Stats{
		Prefix: "weir_sensor_floods", Gauges: []string{"Active", "Orders", "Armed", "Networks"}, Read: func() any { return d.floods.Stats() },
		Labels: map[string]telemetry.Vector{"Active": {Label: "vector"}, "Begun": {Label: "vector"}},
	})
	if d.uplink != nil {
		reg.MustRegister(&telemetry.Stats{
			Prefix: "weir_sensor_uplink", Gauges: []string{"SpoolBytes", "SpoolEvents"}, Read: func() any { return d.uplink.Stats() },
			Labels: map[string]telemetry.Vector{"Shed": {Label: "severity"}},
		})
	}
	if d.flows != nil {
		reg.MustRegister(&telemetry.Stats{Prefix: "weir_sensor_flowlog", Read: func() any { return d.flows.Stats() }})
	}
	if d.shipper != nil {
		reg.MustRegister(&telemetry.Stats{Prefix: "weir_sensor_flowlog_s3", Read: func() any { return d.shipper.Stats() }, Gauges: []string{"WaitingBytes"}})
	}
	for _, name := range d.cfg.Interfaces {
		reg.MustRegister(&telemetry.Stats{
			Prefix: "weir_sensor_interface", Const: prometheus.Labels{"interface": name}, Read: func() any { return interfaceStats(name) },
		})
	}
	for i, w := range d.workers {
		labels := prometheus.Labels{"worker": fmt.Sprint(i)}
		reg.MustRegister(
			&telemetry.Stats{Prefix: "weir_sensor_capture", Const: labels, Read: func() any { return w.source.Stats() }},
			pathMetrics(labels, func() any { return w.stats.Load() }),
			&telemetry.Stats{Prefix: "weir_sensor_reject", Const: labels, Read: func() any { return w.refusals.Load() }},
			&telemetry.Stats{Prefix: "weir_sensor_trouble", Const: labels, Read: func() any { return w.troubles.stats() }},
		)
	}
	return reg
}

// pathMetrics are those of what a worker inspects, EVE's stats record.
func pathMetrics(labels prometheus.Labels, read func() any) *telemetry.Stats {
	return &telemetry.Stats{
		Prefix: "weir_sensor_path", Const: labels, Read: read,
		Gauges: []string{
			"Uptime", "Loaded", "Rules.Rules", "Rules.Loaded", "Rules.Disabled", "Rules.Failed", "Rules.Skipped", "Flow.Decoder.MaxPktSize",
			"Flow.Flow.Active", "Flow.Flow.Max", "Flow.Flow.MemUse", "Flow.TCP.Active", "Flow.TCP.MemUse", "Flow.TCP.ReassemblyMemUse",
		},
		Units: map[string]string{
			"Uptime": "seconds", "Loaded": "timestamp_nanoseconds", "Flow.Decoder.MaxPktSize": "bytes",
			"Flow.Flow.MemUse": "bytes", "Flow.TCP.MemUse": "bytes", "Flow.TCP.ReassemblyMemUse": "bytes",
		},
	}
}

// StateStats are the metrics of how the sensor is: 1 is yes.
type StateStats struct {
	Healthy            int // traffic is inspected, as /healthz says
	UpgradeRefused     int // the program that was installed last did not start, and this one goes on
	KillSwitch         int
	Verdicts           int    // in force
	Attacks            int    // that are on
	FeaturesMissing    int    // of the XDP program, which the kernel refuses; sensor status names them
	CollectorConnected int    // 1 without a collector too: there is nothing to be away from
	ZeroCopySockets    int    // AF_XDP sockets in the driver's zero-copy mode
	ZeroCopyLeft       uint64 // AF_XDP sockets that left it because the driver loses frames
}

func (d *Daemon) state() StateStats {
	return StateStats{
		Healthy: one(len(d.unhealthy()) == 0), UpgradeRefused: one(d.upgradeRefused() != ""), KillSwitch: one(d.enforcer.Killed()),
		Verdicts: d.enforcer.Len(), Attacks: len(d.floods.Attacks()), FeaturesMissing: len(d.kernel.Missing()), CollectorConnected: one(d.uplink == nil || d.uplink.Connected()),
		ZeroCopySockets: d.inZeroCopy(), ZeroCopyLeft: d.zeroCopyLeft.Load(),
	}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// NeverBlockStats are the metrics of never-block in inspection; XDP's are the kernel's.
type NeverBlockStats struct {
	Spared uint64 // packets that a rule would have dropped
}
