package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weir-ips/weir/internal/telemetry"
)

// serve answers HTTP on address until ctx ends. The listener is made before it returns, so that a bad address is found at start.
func serve(ctx context.Context, key, address string, h http.Handler, failed func(error)) error {
	if address == "" {
		return nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("%s.listen: %w", key, err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	context.AfterFunc(ctx, func() { srv.Close() })
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			failed(fmt.Errorf("%s listener: %w", key, err))
		}
	}()
	return nil
}

// healthHandler answers a load balancer: 200 while traffic is really inspected, 503 and why when not. /livez only says
// that the process answers.
func healthHandler(reasons func() []string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		bad := reasons()
		w.Header().Set("Content-Type", "application/json")
		if len(bad) > 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		// The prober went away if this fails.
		_ = json.NewEncoder(w).Encode(map[string]any{"healthy": len(bad) == 0, "reasons": bad})
	})
	return mux
}

func metricsHandler(reg *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", telemetry.Handler(reg))
	return mux
}
