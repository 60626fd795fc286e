package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/weir-ips/weir/deploy"
	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/internal/lab/fleet"
)

// story is the live demo's state.
type story struct {
	*narrator
	*fleet.Fleet
	ctx      context.Context
	alerts   <-chan fleet.Arrival
	server   *lab.HTTPServer // behind the load balancer
	proxy    *lab.HTTPServer // with the host sensor
	toServer *lab.HTTPClient // the client's requests, all along
	toProxy  *lab.HTTPClient
	blocked  string // id of the verdict that the collector made
	failures int
}

// live tells the story with real packets.
func live(ctx context.Context, n *narrator, bin, console string) (err error) {
	dir, err := os.MkdirTemp("", "weir-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	rules := filepath.Join(dir, "weir.rules")
	if err := os.WriteFile(rules, deploy.Rules, 0o600); err != nil {
		return err
	}
	n.title("Weir: a client, an attacker, a load balancer, two sensors and a collector, in network namespaces")
	n.note("building the network: 6 namespaces, a Gateway Load Balancer emulator that enforces AWS's rules on what comes back")
	f, err := fleet.Start(fleet.Options{Name: "demo", Bin: bin, Dir: dir, Rules: rules, Console: console})
	if err != nil {
		return err
	}
	s := &story{narrator: n, Fleet: f, ctx: ctx}
	defer func() {
		end := s.close()
		err = errors.Join(err, end)
		if end == nil {
			n.note("everything is removed: programs, namespaces, links, pinned maps")
		}
	}()
	if err := s.begin(); err != nil {
		return err
	}
	for _, chapter := range []func() error{s.signature, s.spread, s.flood, s.undo} {
		if err := chapter(); ctx.Err() != nil {
			n.note("time is up before the story is; it takes a quarter of a minute")
			return s.account()
		} else if err != nil {
			return err
		}
	}
	return s.linger()
}

func (s *story) begin() (err error) {
	if s.alerts, err = s.Collector.Stream(s.ctx); err != nil {
		return err
	}
	if s.server, err = lab.StartHTTPServer(s.Server.Namespace, netip.AddrPortFrom(s.Server.Addr, 80)); err != nil {
		return err
	}
	if s.proxy, err = lab.StartHTTPServer(s.Proxy.Namespace, netip.AddrPortFrom(s.Proxy.Addr, 80)); err != nil {
		return err
	}
	for _, sensor := range []*fleet.Sensor{s.Inline, s.Host} {
		st, err := sensor.Status()
		if err != nil {
			return err
		}
		s.good("sensor %s: mode %s, XDP %s on %s, %d rules, policy %s", st.ID, st.Mode, st.Attached, st.Interfaces[0], st.Rules.Loaded, st.Policy)
	}
	s.good("collector: console and API on %s", s.Collector.URL)
	s.toServer = lab.StartHTTPClient(lab.HTTPClientConfig{NS: s.Client.Namespace, URL: "http://" + s.server.Addr.String() + "/"})
	s.toProxy = lab.StartHTTPClient(lab.HTTPClientConfig{NS: s.Client.Namespace, URL: "http://" + s.proxy.Addr.String() + "/"})
	s.note("a client at %s asks both web servers, 20 times a second each, from now until the end", s.Client.Addr)
	return s.sleep(2 * time.Second)
}

func (s *story) sleep(d time.Duration) error {
	select {
	case <-s.ctx.Done():
		return s.ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// check prints a success or a failure, and remembers failures for the end.
func (s *story) check(ok bool, good, bad string) {
	if ok {
		s.good("%s", good)
		return
	}
	s.failures++
	s.bad("%s", bad)
}

// linger keeps the lab alive, with some attacks, for whoever looks at the console.
func (s *story) linger() error {
	s.title("The lab stays up: look at %s", s.Collector.URL)
	s.note("an attack now and then keeps it alive; ^C ends (DEMO_SECONDS=N ends by itself)")
	attacks := lab.HTTPAttacks()
	for i := 0; ; i++ {
		if s.sleep(5*time.Second) != nil {
			return s.account()
		}
		a := attacks[i%len(attacks)]
		// The attacker's failure is the point; what matters is told by the console.
		_ = a.Send(s.ctx, s.Attacker.Namespace, s.server.Addr, 2*time.Second)
	}
}

// account ends the client's requests and adds everything up.
func (s *story) account() error {
	s.title("What the client noticed")
	lost := 0
	for _, c := range []struct {
		to     string
		client *lab.HTTPClient
	}{{"server behind the load balancer", s.toServer}, {"proxy with the host sensor", s.toProxy}} {
		st := c.client.Stop()
		lost += st.Failed
		s.check(st.Failed == 0,
			fmt.Sprintf("%s: %s requests, all answered; p50 %s, p99 %s", c.to, count(st.Sent), millis(st.P50), millis(st.P99)),
			fmt.Sprintf("%s: %d of %s requests failed: %v", c.to, st.Failed, count(st.Sent), st.LastError))
	}
	g := s.GWLB.Stats()
	s.check(g.Dropped() == 0,
		fmt.Sprintf("load balancer: %s packets through the sensor, 0 against AWS's rules", count(g.ProcessedPackets)),
		fmt.Sprintf("load balancer: %d packets broke AWS's rules: %+v", g.Dropped(), g))
	if s.failures > 0 {
		return fmt.Errorf("%d things did not go as told above", s.failures)
	}
	return nil
}

func (s *story) close() error {
	for _, c := range []*lab.HTTPClient{s.toServer, s.toProxy} {
		if c != nil {
			c.Stop()
		}
	}
	for _, server := range []*lab.HTTPServer{s.server, s.proxy} {
		if server != nil {
			server.Close()
		}
	}
	return s.Fleet.Close()
}
