package collector

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weir-ips/weir/internal/telemetry"
)

// register adds every part's counters.
func (c *collector) register() {
	for _, s := range []*telemetry.Stats{
		{Prefix: "weir_collector_ingest", Read: func() any { return c.ingest.Stats() }},
		{Prefix: "weir_collector_store", Read: func() any { return c.store.Stats() }, Gauges: []string{"Days", "Bytes", "Last"}},
		{Prefix: "weir_collector_log", Read: func() any { return c.log.Stats() }, Gauges: []string{"Verdicts", "Seq"}},
		{Prefix: "weir_collector_floods", Read: func() any { return c.floods.Stats() }, Gauges: []string{"Orders"}},
		{Prefix: "weir_collector_policy", Read: func() any { return c.engine.Stats() }},
		{Prefix: "weir_collector_canary", Read: func() any { return c.govern.trials.Stats() }, Gauges: []string{"Open"}},
		{Prefix: "weir_collector_incident", Read: func() any { return c.incidents.Stats() }, Gauges: []string{"Active"}},
		{Prefix: "weir_collector_signin", Read: func() any { return c.people.Stats() }},
	} {
		c.metrics.MustRegister(s)
	}
	c.metrics.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "weir_collector_leads", Help: "1 if this collector makes the verdicts, 0 while another does."},
			func() float64 {
				if c.follows() == nil {
					return 1
				}
				return 0
			}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "weir_collector_bus_connections", Help: "Clients of the bus, the collector included."},
			func() float64 { return float64(c.connections()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "weir_collector_sensors", Help: "Sensors that have ever reported since the start."},
			func() float64 { return float64(len(c.sensors.All())) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "weir_collector_health_malformed_total", Help: "Health reports thrown away."},
			func() float64 { return float64(c.sensors.Malformed()) }),
	)
}
