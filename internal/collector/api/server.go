// Package api serves the collector's HTTP API, its event stream, and the console.
//
// It knows the rest of the collector only through the small interfaces in services.go.
package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weir-ips/weir/internal/collector/identity"
)

// Options is what a Server needs. The services, Metrics and User are required.
type Options struct {
	Alerts   Alerts
	Audit    Audit
	Verdicts Verdicts
	Sensors  Sensors
	Rules    Rules
	Rollouts Rollouts

	Incidents Incidents
	Steering  Steering
	Approvals Approvals
	Feeds     Feeds
	Enrolment Enrolment
	Policies  Policies
	Exports   Exports
	Settings  func() Settings
	Identity  *identity.Book

	Console  http.Handler         // serves what is outside the API; nil: no console
	Metrics  *prometheus.Registry // served at /metrics; the server registers its own counters there
	Ready    func() error         // nil when the collector can do its work; the text is shown at /readyz
	Log      *slog.Logger         // nil: slog.DiscardHandler
	User     string               // recorded as the actor of changes while nobody needs to sign in
	TLS      *tls.Config          // nil: plain HTTP
	Insecure bool                 // plain HTTP on any address, by any host name
	Open     bool                 // only this machine can ask: nobody needs to sign in until there is an account
	Provider *identity.Provider   // signs people in, too; nil: none
}

// Server is the collector's HTTP side.
type Server struct {
	opt     Options
	metrics *metrics
	history *history
	streams chan struct{} // one token a stream
	stop    chan struct{} // closed when the server ends: streams end with it

	signin, reportPage *template.Template
}

// New makes a server; Serve runs it.
func New(opt Options) (*Server, error) {
	for _, service := range []any{opt.Alerts, opt.Audit, opt.Verdicts, opt.Sensors, opt.Rules, opt.Rollouts, opt.Incidents, opt.Steering, opt.Approvals, opt.Feeds, opt.Enrolment, opt.Policies, opt.Exports} {
		if service == nil {
			return nil, errors.New("api: a service is missing")
		}
	}
	if opt.Settings == nil || opt.Identity == nil || opt.Metrics == nil || opt.User == "" {
		return nil, errors.New("api: the settings, the accounts, the metrics registry or the user is missing")
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
	s := &Server{opt: opt, metrics: m, history: newHistory(time.Now().UTC()), streams: make(chan struct{}, maxStreams), stop: make(chan struct{})}
	if s.signin, err = parseSignin(); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if s.reportPage, err = parseReport(); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	return s, nil
}

// Bounds of a request.
const (
	headerTimeout  = 5 * time.Second
	bodyTimeout    = 30 * time.Second
	answerTimeout  = 30 * time.Second
	queryTimeout   = 10 * time.Second // of what an answer waits for
	slowTimeout    = 2 * time.Minute  // where other machines are asked
	idleTimeout    = 2 * time.Minute
	shutdownGrace  = 5 * time.Second
	maxHeaderBytes = 16 << 10
	maxBody        = 64 << 10
	maxListBody    = 1 << 20
	maxRulesBody   = 64 << 20
)

// Serve answers on ln until ctx ends. It serves other machines only to who signs in, and unless told to not without TLS.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	loopback := isLoopback(ln.Addr().String())
	if !s.opt.Insecure && s.opt.TLS == nil && !loopback {
		ln.Close()
		return fmt.Errorf("api: %s is not a loopback address: passwords would cross the network for anybody to read. "+
			"Give api.tls a certificate, or set api.tls.own-ca, or insist with --insecure-http", ln.Addr())
	}
	if s.opt.Open && !loopback {
		ln.Close()
		return fmt.Errorf("api: %s is not a loopback address: it must not be open", ln.Addr())
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
