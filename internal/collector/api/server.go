// Package api serves the collector's HTTP API, its event stream, and the console.
//
// It knows the rest of the collector only through the small interfaces in services.go.
package api

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
)

// Options is what a Server needs. All services are required.
type Options struct {
	Alerts   Alerts
	Audit    Audit
	Verdicts Verdicts
	Sensors  Sensors
	Rules    Rules

	Console  http.Handler         // serves everything outside /api; nil: no console
	Metrics  *prometheus.Registry // served at /metrics; the server registers its own counters there
	Ready    func() error         // nil when the collector can do its work; the text is shown at /readyz
	Log      *slog.Logger
	User     string // recorded as the actor of every change
	Insecure bool   // plain HTTP from other addresses than loopback is answered
}
