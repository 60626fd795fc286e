// Package api serves the collector's HTTP API, its event stream, and the console.
//
// It knows the rest of the collector only through the small interfaces in services.go.
package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options is what a Server needs. The services, Metrics and User are required.
type Options struct {
	Alerts   Alerts
	Audit    Audit
	Verdicts Verdicts
	Sensors  Sensors
	Rules    Rules

	Console  http.Handler         // serves what is outside the API; nil: no console
	Metrics  *prometheus.Registry // served at /metrics; the server registers its own counters there
	Ready    func() error         // nil when the collector can do its work; the text is shown at /readyz
	Log      *slog.Logger         // nil: slog.DiscardHandler
	User     string               // recorded as the actor of every change, unless a client certificate names one
	TLS      *tls.Config          // nil: plain HTTP
	Insecure bool                 // answer on any address, by any host name, whoever calls
}

// Server is the collector's HTTP side.
type Server struct {
	opt     Options
	metrics *metrics
	history *history
	streams chan struct{} // one token a stream
	stop    chan struct{} // closed when the server ends: streams end with it
}

// New makes a server; Serve runs it.
func New(opt Options) (*Server, error) {
	if opt.Alerts == nil || opt.Audit == nil || opt.Verdicts == nil || opt.Sensors == nil || opt.Rules == nil || opt.Metrics == nil || opt.User == "" {
		return nil, errors.New("api: a service, the metrics registry or the user is missing")
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Ready == nil {
		opt.Ready = func() error { return nil }
	}
	m, err := newMetrics(opt.Metrics)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	return &Server{opt: opt, metrics: m, history: newHistory(time.Now().UTC()), streams: make(chan struct{}, maxStreams), stop: make(chan struct{})}, nil
}

// Bounds of a request.
const (
	headerTimeout  = 5 * time.Second
	bodyTimeout    = 30 * time.Second
	answerTimeout  = 30 * time.Second
	queryTimeout   = 10 * time.Second // of what an answer waits for
	idleTimeout    = 2 * time.Minute
	shutdownGrace  = 5 * time.Second
	maxHeaderBytes = 16 << 10
	maxBody        = 64 << 10
	maxRulesBody   = 64 << 20
)

// knowsCallers reports whether only holders of a client certificate are answered.
func (s *Server) knowsCallers() bool {
	return s.opt.TLS != nil && s.opt.TLS.ClientAuth == tls.RequireAndVerifyClientCert
}

// actor is who changes are recorded under: the client certificate's common name, else the configured user.
func (s *Server) actor(r *http.Request) string {
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 && r.TLS.PeerCertificates[0].Subject.CommonName != "" {
		return r.TLS.PeerCertificates[0].Subject.CommonName
	}
	return s.opt.User
}

// Serve answers on ln until ctx ends. Unless told to, it does not serve other machines without knowing who calls.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if !s.opt.Insecure && !s.knowsCallers() && !isLoopback(ln.Addr().String()) {
		ln.Close()
		return fmt.Errorf("api: %s is not a loopback address: require client certificates (api.tls with client-ca), "+
			"or let anybody in who can reach it with --insecure-http", ln.Addr())
	}
	srv := &http.Server{
		Handler:           s.Handler(),
		TLSConfig:         s.opt.TLS,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.opt.Log.Handler(), slog.LevelDebug),
	}
	go s.keepHistory(ctx)
	ended := make(chan error, 1)
	go func() {
		<-ctx.Done()
		close(s.stop)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
		defer cancel()
		ended <- srv.Shutdown(grace)
	}()
	serve := func() error { return srv.Serve(ln) }
	if s.opt.TLS != nil {
		serve = func() error { return srv.ServeTLS(ln, "", "") }
	}
	if err := serve(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("api: %w", err)
	}
	if err := <-ended; err != nil {
		return fmt.Errorf("api: shut down: %w", err)
	}
	return nil
}

// isLoopback tells of a host, with or without port, whether it can only be this machine.
func isLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if len(host) > 2 && host[0] == '[' {
		host = host[1 : len(host)-1]
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
