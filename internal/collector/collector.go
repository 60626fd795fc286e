// Package collector is the body of `collector run`: it joins the bus, the store, the verdict log, the policy and the API.
//
//	sensors ─ bus ─▶ ingest ─▶ store ─▶ policy ─▶ verdict log ─▶ bus ─ sensors
//	                             └─▶ api ◀─────────────┘
package collector

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/internal/collector/enrol"
	"github.com/weir-ips/weir/internal/collector/export"
	"github.com/weir-ips/weir/internal/collector/fleetflood"
	"github.com/weir-ips/weir/internal/collector/identity"
	"github.com/weir-ips/weir/internal/collector/incident"
	vlog "github.com/weir-ips/weir/internal/collector/log"
	"github.com/weir-ips/weir/internal/collector/policy"
	"github.com/weir-ips/weir/internal/collector/rollout"
	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/internal/telemetry"
	"github.com/weir-ips/weir/pkg/wire"
)

// Options is what Run is given besides the configuration.
type Options struct {
	Version string
	Console http.Handler // nil: no console
	Log     *slog.Logger
	Ready   func(console, bus net.Addr) // called once everything is up; nil: nothing
	Invite  func(path string)           // called with the first-run page while there is no account; nil: nothing
}

// Run brings the collector up and works until ctx ends or a part fails.
func Run(ctx context.Context, cfg *Config, o Options) error {
	c := &collector{cfg: cfg, o: o, started: time.Now().UTC(), metrics: telemetry.NewRegistry("collector", o.Version)}
	err := c.open(ctx)
	if err == nil {
		err = c.run(ctx)
	}
	return errors.Join(err, c.close())
}

// collector holds the parts, in the order they are opened.
type collector struct {
	cfg     *Config
	o       Options
	metrics *prometheus.Registry

	listener      net.Listener
	store         alertStore
	desk          *store.Desk // nil: what people decide about alerts is in the files of alerts
	audit         *store.Audit
	registrations *bus.Registrations
	ca            *enrol.CA // nil: certificates come from elsewhere
	enrolment     *enrol.List
	server        *bus.Server  // nil: the bus is a cluster's
	callout       *bus.Callout // nil: the bus knows by itself who sensors are
	lease         *bus.Lease   // nil: this is the only collector
	replica       *replica     // nil: as lease
	conn          *nats.Conn
	key           ed25519.PrivateKey
	rules         *rules
	log           *vlog.Log
	sensors       *bus.Sensors
	govern        *governor
	engine        *policy.Engine
	floods        *fleetflood.Service
	ingest        *bus.Ingest
	api           *api.Server
	feeds         *lists
	exports       *outlets
	spool         *export.Spool
	crowdsec      net.Listener // nil: bouncers are not served
	control       net.Listener
	people        *identity.Book
	incidents     *incident.Tracker
	started       time.Time
}

func (c *collector) open(ctx context.Context) error {
	if err := os.MkdirAll(c.cfg.Data, 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	for _, step := range []func(context.Context) error{
		c.listen, c.openStore, c.openBus, c.openExports, c.openLog, c.openAPI, c.openControl,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// listen comes first: an address in use is found before anything is touched.
func (c *collector) listen(context.Context) (err error) {
	c.listener, err = net.Listen("tcp", c.cfg.API.Listen)
	if err != nil {
		return fmt.Errorf("api.listen: %w", err)
	}
	return nil
}

func (c *collector) path(name string) string { return filepath.Join(c.cfg.Data, name) }

func (c *collector) openStore(ctx context.Context) (err error) {
	if err := c.openAlerts(ctx); err != nil {
		return err
	}
	if c.audit, err = openAudit(ctx, c.cfg); err != nil {
		return err
	}
	if c.people, err = OpenIdentity(ctx, c.cfg, c.o.Log.With("part", "accounts")); err != nil {
		return err
	}
	return c.openIncidents(ctx)
}

func (c *collector) openBus(ctx context.Context) (err error) {
	if c.registrations, err = bus.OpenRegistrations(c.path(registrationsFile)); err != nil {
		return err
	}
	secure, err := c.openEnrolment()
	if err != nil {
		return err
	}
	if c.cfg.Bus.Cluster.used() {
		err = c.joinCluster(ctx)
	} else {
		err = c.startServer(secure)
	}
	if err != nil {
		return err
	}
	c.sensors = new(bus.Sensors)
	return c.sensors.Listen(c.conn, c.o.Log.With("part", "sensors"))
}

func (c *collector) startServer(secure *tls.Config) (err error) {
	c.server, err = bus.Start(bus.Options{
		Dir: c.path("bus"), Listen: c.cfg.Bus.Listen, TLS: secure, Open: c.cfg.Bus.Open, Sensors: c.registrations,
		Enrolment: c.enrolment, Log: c.o.Log,
	})
	if err == nil {
		c.conn, err = c.server.Connect()
	}
	return err
}

// openEnrolment is the bus's side of TLS: certificates of the collector's CA, or those that bus.tls names.
func (c *collector) openEnrolment() (*tls.Config, error) {
	var err error
	if c.ca, c.enrolment, err = OpenEnrolment(c.cfg); err != nil {
		return nil, err
	}
	if c.ca != nil {
		return c.ca.TLS(), nil
	}
	secure, err := c.cfg.Bus.TLS.config()
	if err != nil {
		return nil, fmt.Errorf("bus.tls: %w", err)
	}
	return secure, nil
}

// certify answers sensors that ask for certificates.
func (c *collector) certify(ctx context.Context) error {
	if c.ca == nil {
		return nil
	}
	s := &enrol.Service{
		CA: c.ca, List: c.enrolment, Life: c.cfg.Bus.CA.Lifetime, Collector: c.key.Public().(ed25519.PublicKey),
		Taken: c.registrations.Has, Record: c.recordEnrolment, Log: c.o.Log.With("part", "enrolment"),
	}
	return s.Run(ctx, c.conn)
}

func (c *collector) recordEnrolment(action, sensor string, detail map[string]any) {
	text, err := json.Marshal(detail)
	if err == nil {
		_, err = c.audit.Append(context.Background(), store.Entry{Actor: "sensor:" + sensor, Action: action, Object: sensor, Detail: text})
	}
	if err != nil {
		c.o.Log.Error("not in the audit log", "action", action, "sensor", sensor, "error", err)
	}
}

func (c *collector) openLog(ctx context.Context) error {
	key, err := LoadKey(c.cfg.Data)
	if err != nil {
		return err
	}
	c.key = key
	settings, err := openSettings(c.path(settingsFile))
	if err != nil {
		return err
	}
	book, err := rollout.Open(rollout.Options{Dir: c.cfg.Data, Sensors: c.sensors.All, Follows: c.follows, Changed: c.announce, Report: c.noteRollout})
	if err != nil {
		return err
	}
	c.rules = &rules{Book: book, parts: map[string][]wire.SyncPart{}}
	js, err := jetstream.New(c.conn)
	if err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	err = c.patiently(ctx, func(ctx context.Context) error {
		return errors.Join(bus.EnsureStreams(ctx, js, c.cfg.replicas()), c.openLease(ctx, js))
	})
	if err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	err = c.patiently(ctx, func(context.Context) (err error) { // its stream may be looking for a leader; reading a long one takes its time
		c.log, err = vlog.Open(ctx, vlog.Options{
			Conn: c.conn, Key: key, Rules: c.rules.versions, Kill: settings.killSwitch, Follower: c.lease != nil, Observe: c.exportVerdicts,
			Log: c.o.Log.With("part", "verdict log"),
		})
		return err
	})
	if err != nil {
		return err
	}
	asks, err := newSurveyor(c.conn, key, c.o.Log.With("part", "preview"))
	if err != nil {
		return err
	}
	c.govern = &governor{
		surveyor: asks, log: c.log, sensors: c.sensors, alerts: c.store, audit: c.audit, settings: settings, follows: c.follows,
		guard: policy.Guard{NeverBlock: c.cfg.neverBlock(), Added: settings.prefixes, Allowances: c.allowances},
	}
	c.exports.govern = c.govern
	c.exports.follow()
	if err := c.exports.tidy(); err != nil {
		return err
	}
	if err := c.openFeeds(); err != nil {
		return err
	}
	decides, err := inForce(c.cfg.Policy, settings)
	if err != nil {
		return fmt.Errorf("policy set by the API: %w; take it out of settings.json in %s", err, c.cfg.Data)
	}
	c.engine = policy.New(decides, c.govern, c.o.Log.With("part", "policy"), nil)
	c.govern.decides = c.engine.Config
	c.govern.trials = &trials{govern: c.govern, length: func() time.Duration { return c.engine.Config().Canary }, audit: c.note, log: c.o.Log.With("part", "canary")}
	c.govern.renewals = &renewals{govern: c.govern, renewed: c.engine.Renewed, audit: c.note, log: c.o.Log.With("part", "policy")}
	began := c.started
	if c.server == nil {
		began = time.Time{} // another collector may have led since
	}
	c.floods = &fleetflood.Service{Key: key, Log: c.o.Log.With("part", "floods")}
	c.ingest = &bus.Ingest{JetStream: js, Store: c.store, Fresh: c.fresh, Again: c.again, Settle: c.incidents.Flush, Began: began, Log: c.o.Log.With("part", "ingest")}
	return nil
}

// announce tells sensors at once what they are to run; the next beacon would, too.
func (c *collector) announce() {
	if c.log == nil || c.follows() != nil {
		return
	}
	if err := c.log.Announce(); err != nil {
		c.o.Log.Debug("no beacon sent", "error", err)
	}
}

// note puts what the collector does by itself into the audit log.
func (c *collector) note(by, action, object string, detail map[string]any) {
	if err := c.govern.note(context.Background(), by, action, object, detail); err != nil {
		c.o.Log.Error("not in the audit log", "action", action, "object", object, "error", err)
	}
}

// noteRollout puts what the watch over a rollout does by itself into the audit log.
func (c *collector) noteRollout(by, action, object string, detail map[string]any) error {
	err := c.govern.note(context.Background(), by, action, object, detail)
	if err != nil {
		c.o.Log.Error("not in the audit log", "action", action, "rollout", object, "error", err)
	}
	return err
}

func (c *collector) openAPI(context.Context) error {
	secure, err := c.consoleTLS()
	if err != nil {
		return fmt.Errorf("api.tls: %w", err)
	}
	c.register()
	second := &approvals{c.govern, c.cfg.Approvals}
	options := api.Options{
		Alerts: c.store, Audit: c.audit, Verdicts: second, Approvals: second, Rules: c.rules, Rollouts: c.rules,
		Sensors:   &fleet{sensors: c.sensors, log: c.log, kill: c.govern.settings.killSwitch},
		Incidents: c.shownIncidents(), Steering: &steering{c.govern, c.cfg.neverBlock(), second}, Feeds: c.feeds,
		Enrolment: &access{c.cfg, c.enrolment, c.registrations}, Policies: &policies{c.cfg.Policy, c.engine, c.govern}, Exports: c.exports,
		Settings: c.settings, Identity: c.people,
		Console: c.o.Console, Metrics: c.metrics, Ready: c.ready, Log: c.o.Log.With("part", "api"),
		User: c.cfg.API.User, TLS: secure, Insecure: c.cfg.API.InsecureHTTP, Open: loopback(c.listener.Addr()) && c.cfg.API.TLS.ClientCA == "",
	}
	if c.cfg.API.OIDC.Issuer != "" {
		options.Provider = identity.NewProvider(c.cfg.API.OIDC, api.CallbackPath)
	}
	c.api, err = api.New(options)
	return err
}

// consoleTLS is the console's side of TLS; nil is plain HTTP.
func (c *collector) consoleTLS() (*tls.Config, error) {
	t := &c.cfg.API.TLS
	if !t.OwnCA {
		files := t.files()
		return files.config()
	}
	if c.ca == nil {
		return nil, errors.New("own-ca: there is no own CA: bus.tls brings other certificates")
	}
	names := t.Names
	if host, _, err := net.SplitHostPort(c.listener.Addr().String()); err == nil {
		names = append(slices.Clone(names), host)
	}
	secure := c.ca.Console(names...)
	if t.ClientCA == "" {
		return secure, nil
	}
	var err error
	if secure.ClientCAs, err = certPool(t.ClientCA); err != nil {
		return nil, err
	}
	secure.ClientAuth = tls.RequireAndVerifyClientCert
	return secure, nil
}

func loopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// ready is the answer to /readyz.
func (c *collector) ready() error {
	if !c.conn.IsConnected() {
		return errors.New("the bus is not connected")
	}
	return nil
}

// run starts the parts that work by themselves; the first to fail stops all.
func (c *collector) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var parts sync.WaitGroup
	for _, part := range []func(context.Context) error{
		c.leadOrFollow, c.watchRegistrations, c.serveControl, c.exports.run, c.serveCrowdSec,
		func(ctx context.Context) error { return c.api.Serve(ctx, c.listener) },
	} {
		parts.Go(func() {
			if err := part(ctx); err != nil {
				cancel(err)
			}
		})
	}
	epoch, seq := c.log.Position()
	c.o.Log.Info("collector is up", "console", c.listener.Addr(), "bus", c.busAddr(), "data", c.cfg.Data, "epoch", epoch, "seq", seq)
	if c.o.Ready != nil {
		c.o.Ready(c.listener.Addr(), c.busAddr())
	}
	if err := c.firstRun(ctx); err != nil {
		cancel(err)
	}
	<-ctx.Done()
	parts.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// close shuts the parts down, last opened first.
func (c *collector) close() error {
	var errs []error
	if c.conn != nil {
		c.conn.Close()
	}
	if c.server != nil {
		c.server.Shutdown()
	}
	if c.incidents != nil {
		errs = append(errs, c.incidents.Close())
	}
	if c.people != nil {
		errs = append(errs, c.people.Close())
	}
	if c.audit != nil {
		errs = append(errs, c.audit.Close())
	}
	if c.store != nil {
		errs = append(errs, c.store.Close())
	}
	if c.desk != nil {
		errs = append(errs, c.desk.Close())
	}
	if c.spool != nil {
		errs = append(errs, c.spool.Close())
	}
	if c.crowdsec != nil {
		c.crowdsec.Close()
	}
	if c.control != nil {
		c.control.Close()
	}
	if c.listener != nil {
		c.listener.Close() // closed already when the API has served
	}
	return errors.Join(errs...)
}

// expelEvery is how often connections are held against certificates that have expired meanwhile.
const expelEvery = 30 * time.Second

// watchRegistrations ends the connections of sensors whose credentials were taken away by `collector sensor remove`, or have
// expired.
func (c *collector) watchRegistrations(ctx context.Context) error {
	if c.server == nil { // the cluster asks again by itself
		return nil
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	keys, certificates, next := c.registrations.Modified(), c.enrolment.Modified(), time.Now().Add(expelEvery)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		k, e, now := c.registrations.Modified(), c.enrolment.Modified(), time.Now()
		if k.Equal(keys) && e.Equal(certificates) && now.Before(next) {
			continue
		}
		keys, certificates, next = k, e, now.Add(expelEvery)
		if err := c.server.Expel(); err != nil {
			c.o.Log.Warn("sensors without credentials may still be connected", "error", err)
		}
	}
}

// config loads the files; nil without a certificate.
func (t *TLS) config() (*tls.Config, error) {
	if t.Certificate == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s, key %s: %w", t.Certificate, t.Key, err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}
	if t.ClientCA == "" {
		return c, nil
	}
	if c.ClientCAs, err = certPool(t.ClientCA); err != nil {
		return nil, err
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	return c, nil
}
