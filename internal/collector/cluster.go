package collector

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/internal/strictyaml"
)

// Cluster is a NATS cluster that other collectors may share. Of several collectors one leads: it makes verdicts, takes alerts in
// and answers sensors. The others follow, and one takes over when the leader is gone.
type Cluster struct {
	URLs     []string   `yaml:"urls"`
	Key      string     `yaml:"key"`      // file: seed of the collector's nkey
	Issuer   string     `yaml:"issuer"`   // file: seed of the account key that the servers' auth_callout names; empty: they know sensors by themselves
	Account  string     `yaml:"account"`  // that sensors are in
	Replicas int        `yaml:"replicas"` // servers that keep each stream
	TLS      ClusterTLS `yaml:"tls"`
	Name     string     `yaml:"name"`      // this collector's, the host's name otherwise
	Console  string     `yaml:"advertise"` // where people reach this collector's console
}

// ClusterTLS is how the servers are trusted and what is shown to them; empty is what the URLs say.
type ClusterTLS struct {
	CA          string `yaml:"ca"`
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

func (c *Cluster) used() bool { return len(c.URLs) > 0 }

// check also fills in defaults.
func (c *Cluster) check(doc *strictyaml.Document) error {
	if !c.used() {
		return nil
	}
	if c.Account == "" {
		c.Account = "$G"
	}
	if c.Replicas == 0 {
		c.Replicas = replicasOf(len(c.URLs))
	}
	if c.Name == "" {
		c.Name, _ = os.Hostname() // an empty name is refused below
	}
	for i, text := range c.URLs {
		if u, err := url.Parse(text); err != nil || u.Host == "" {
			return doc.Errorf(fmt.Sprintf("bus.cluster.urls[%d]", i), "%q is not of the form tls://host:4222", text)
		}
	}
	switch {
	case c.Key == "":
		return doc.Errorf("bus.cluster", "key is missing: the file with the seed of the collector's nkey")
	case c.Replicas != 1 && c.Replicas != 3 && c.Replicas != 5:
		return doc.Errorf("bus.cluster.replicas", "%d is not one of 1, 3, 5", c.Replicas)
	case (c.TLS.Certificate == "") != (c.TLS.Key == ""):
		return doc.Errorf("bus.cluster.tls", "certificate and key go together")
	case c.Name == "":
		return doc.Errorf("bus.cluster.name", "this host has no name: give the collector one")
	}
	return nil
}

func (c *Config) replicas() int { return max(1, c.Bus.Cluster.Replicas) }

func (t *ClusterTLS) client() (*tls.Config, error) {
	if *t == (ClusterTLS{}) {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if t.CA != "" {
		if c.RootCAs, err = certPool(t.CA); err != nil {
			return nil, err
		}
	}
	if t.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// joinTimeout is how long a cluster may take to come up beside the collector.
const joinTimeout = time.Minute

// patiently tries again while the cluster's servers are still finding each other. The embedded server is up when it is started.
func (c *collector) patiently(ctx context.Context, try func(context.Context) error) error {
	if c.server != nil {
		return try(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	for told := false; ; told = true {
		attempt, cancel := context.WithTimeout(ctx, joinTimeout/20)
		err := try(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if !told {
			c.o.Log.Warn("the cluster is not ready; will try again", "error", err)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// joinCluster connects to servers that run elsewhere.
func (c *collector) joinCluster(ctx context.Context) error {
	cl := &c.cfg.Bus.Cluster
	secure, err := cl.TLS.client()
	if err != nil {
		return fmt.Errorf("bus.cluster.tls: %w", err)
	}
	if cl.Issuer != "" {
		c.callout, err = bus.NewCallout(bus.CalloutOptions{
			Issuer: cl.Issuer, Account: cl.Account, Open: c.cfg.Bus.Open, Sensors: c.registrations, Enrolment: c.enrolment,
			Log: c.o.Log.With("part", "bus"),
		})
		if err != nil {
			return err
		}
	}
	return c.patiently(ctx, func(context.Context) (err error) {
		c.conn, err = bus.Dial(bus.ClusterOptions{URLs: cl.URLs, Key: cl.Key, TLS: secure, Name: "collector " + cl.Name})
		return err
	})
}

func (c *collector) openLease(ctx context.Context, js jetstream.JetStream) (err error) {
	if c.server != nil {
		return nil
	}
	cl := &c.cfg.Bus.Cluster
	log := c.o.Log.With("part", "cluster")
	if c.lease, err = bus.OpenLease(ctx, js, cl.Replicas, bus.Holder{Name: cl.Name, URL: cl.Console}, log); err != nil {
		return err
	}
	c.replica, err = openReplica(ctx, js, cl.Replicas, c.cfg.Data, c.rules.Files, c.reload, log)
	return err
}

// reload takes in files that the leader has changed; those of sensors are noticed by themselves.
func (c *collector) reload() error {
	if err := errors.Join(c.govern.settings.load(), c.rules.Load()); err != nil {
		return err
	}
	decides, err := inForce(c.cfg.Policy, c.govern.settings)
	if err != nil {
		return fmt.Errorf("policy set by the API: %w", err)
	}
	c.engine.Replace(decides)
	return nil
}

// leadOrFollow runs what only one collector may do, while this is the one.
func (c *collector) leadOrFollow(ctx context.Context) error {
	if c.lease == nil {
		if err := c.restoreDump(ctx); err != nil {
			return err
		}
		return together(ctx, append(c.leading(), c.log.Run)...)
	}
	return c.lease.Run(ctx,
		func(ctx context.Context) error {
			if err := c.replica.all(ctx, c.replica.get); err != nil && ctx.Err() == nil {
				c.o.Log.Warn("leading with the settings that this collector has", "error", err)
			}
			return together(ctx, append(c.leading(), c.log.Lead, c.replica.publish)...)
		},
		func(ctx context.Context) error { return together(ctx, c.log.Follow, c.replica.fetch) })
}

// leading are the leader's parts, besides the verdict log.
func (c *collector) leading() []func(context.Context) error {
	parts := []func(context.Context) error{
		func(ctx context.Context) error { return c.floods.Run(ctx, c.conn) },
		c.engine.Run, c.govern.trials.run, c.govern.renewals.run, c.watchStorms, c.rules.Watch, c.takeAlerts, c.certify, c.feeds.run,
		func(ctx context.Context) error {
			return c.rules.serve(ctx, c.conn, c.key, c.o.Log.With("part", "rules"))
		},
	}
	if c.callout != nil {
		parts = append(parts, func(ctx context.Context) error { return c.callout.Run(ctx, c.conn) })
	}
	return parts
}

// together runs parts until all have returned; the first to fail stops the others.
func together(ctx context.Context, parts ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for _, part := range parts {
		all.Go(func() {
			if err := part(ctx); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); ctx.Err() != nil && err != ctx.Err() {
		return err
	}
	return nil
}

// follows is nil on the collector that leads. On others it says who does.
func (c *collector) follows() error {
	switch {
	case c.lease == nil:
		return nil
	case c.lease.Leads() && c.log.Leads():
		return nil
	case c.lease.Leads():
		return &api.Refused{Reason: "this collector is taking over: try again in a second"}
	}
	h, known := c.lease.Holder()
	switch {
	case !known || h.Name == "":
		return &api.Refused{Reason: "no collector leads at the moment: try again in a few seconds"}
	case h.URL != "":
		return &api.Refused{Reason: fmt.Sprintf("this collector follows; %s leads: make changes at %s", h.Name, h.URL)}
	}
	return &api.Refused{Reason: fmt.Sprintf("this collector follows; %s leads: make changes there", h.Name)}
}

// busAddr is where the bus is: the embedded server's address, or the one of the cluster's that this collector is connected to.
func (c *collector) busAddr() net.Addr {
	if c.server != nil {
		return c.server.NetAddr()
	}
	return address(c.conn.ConnectedAddr())
}

// address is one as text.
type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

// connections counts clients of the embedded server; a cluster's are its own business.
func (c *collector) connections() int {
	if c.server == nil {
		return 0
	}
	return c.server.Connections()
}
