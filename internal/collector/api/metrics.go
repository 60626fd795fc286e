package api

import "github.com/prometheus/client_golang/prometheus"

// metrics are the server's own. Their labels are bounded: patterns of the table of routes, classes of status.
type metrics struct {
	requests   *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	streams    prometheus.Gauge
	skipped    prometheus.Counter
	unrecorded prometheus.Counter
	refused    prometheus.Counter
}

func newMetrics(reg *prometheus.Registry) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weir_collector_api_requests_total", Help: "Requests answered, by route and class of status.",
		}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "weir_collector_api_request_duration_seconds", Help: "Time to answer a request, streams left out.",
			Buckets: []float64{.001, .005, .02, .1, .5, 2, 10},
		}, []string{"route"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "weir_collector_api_streams", Help: "Event streams that are open.",
		}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weir_collector_api_stream_skipped_alerts_total", Help: "Alerts that streams left out because there were too many to send.",
		}),
		unrecorded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weir_collector_api_unrecorded_changes_total", Help: "Changes that could not be written to the audit log.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weir_collector_api_refused_requests_total", Help: "Requests of callers whose roles do not allow them.",
		}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.streams, m.skipped, m.unrecorded, m.refused} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}
