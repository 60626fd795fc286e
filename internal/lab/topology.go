package lab

import (
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Host is a namespace with one network interface, eth0, on a subnet of its own.
type Host struct {
	*Namespace
	Addr, Addr6       netip.Addr // of eth0
	Router, Router6   netip.Addr // default gateway
	MAC, RouterMAC    [6]byte    // of eth0, and of the router's interface
	RouterDev         string     // the router's interface to this host
	Management        netip.Addr // address on the management link; zero without one
	ManagementGateway netip.Addr // the machine's own address on it: where a collector listens
}

// Topology is a small VPC. Fields that a topology has no use for are nil.
//
//	client ────┐              ┌──── server    reached through the load balancer and its appliance
//	           ├─ vpc router ─┼──── proxy     reached directly; a host sensor runs on it
//	attacker ──┘     │ gwlb   └──── ...
//	              sensor            the appliance, one interface
type Topology struct {
	*Lab
	VPC      *Namespace // router, and the load balancer's home
	Client   *Host      // 198.51.100.10
	Attacker *Host      // 203.0.113.66
	Server   *Host      // 10.77.1.10
	Proxy    *Host      // 10.77.2.10
	Sensor   *Host      // 10.77.9.10
	Spare    *Host      // 10.77.8.10: a second appliance
	GWLB     *GWLB
}

// Options of a topology.
type Options struct {
	Management bool        // link sensors with the machine itself, so that they reach a collector there and it their metrics
	Health     HealthCheck // of the appliance; the zero value checks nothing
	Spare      bool        // a second appliance behind the load balancer
	Balancer   GWLBConfig  // of it: TCPIdle, OtherIdle, Rebalance
	Queues     int         // receive queues of the sensor's and the proxy's eth0; 0: 1
	Flows      int         // that the load balancer remembers at most; 0: its default
	MTU        int         // of the appliance's link; 0: 2000, room for 1500 within
	HostMTU    int         // of everybody else's; 0: 1500
}

// GWLBTopology is a client and an attacker whose traffic to a server goes through a load balancer and the appliance in Sensor.
func GWLBTopology(l *Lab, o Options) (*Topology, error) { return build(l, o, true, false) }

// HostTopology is a client and an attacker in front of a proxy, which a sensor protects on its own interface.
func HostTopology(l *Lab, o Options) (*Topology, error) { return build(l, o, false, true) }

// BridgeTopology is a client and an attacker in front of a server, with a bridge without addresses in Sensor between them: its eth0 is
// towards the client, its eth1 towards the server. Nothing crosses it but what a program there moves.
func BridgeTopology(l *Lab, o Options) (*Topology, error) {
	t, err := build(l, o, false, false)
	if err != nil {
		return nil, err
	}
	if err := t.host(&t.Server, hostPlan{name: "server", net4: "10.77.3", net6: "fd77:3", number: 10, pass: true, mtu: o.MTU, queues: o.Queues})(); err != nil {
		return nil, err
	}
	return t, t.interpose(o)
}

// FullTopology is both.
func FullTopology(l *Lab, o Options) (*Topology, error) { return build(l, o, true, true) }

const (
	consumerDev   = "gwlbe"
	inspectTable  = 100
	appliancePort = "sensor"
)

func build(l *Lab, o Options, gwlb, host bool) (*Topology, error) {
	t := &Topology{Lab: l}
	steps := []func() error{
		t.vpc,
		t.host(&t.Client, hostPlan{name: "client", net4: "198.51.100", net6: "2001:db8:1", number: 10, mtu: o.HostMTU}),
		t.host(&t.Attacker, hostPlan{name: "attacker", net4: "203.0.113", net6: "2001:db8:bad", number: 66, pass: true, mtu: o.HostMTU}),
	}
	if gwlb {
		mtu := o.MTU
		if mtu == 0 {
			mtu = 2000
		}
		steps = append(steps,
			t.host(&t.Server, hostPlan{name: "server", net4: "10.77.1", net6: "fd77:1", number: 10, mtu: o.HostMTU}),
			t.host(&t.Sensor, hostPlan{name: appliancePort, net4: "10.77.9", net6: "fd77:9", number: 10, pass: true, mtu: mtu, queues: o.Queues}))
		if o.Spare {
			steps = append(steps, t.host(&t.Spare, hostPlan{name: "spare", net4: "10.77.8", net6: "fd77:8", number: 10, pass: true, mtu: mtu, queues: o.Queues}))
		}
		steps = append(steps, func() error { return t.balance(o) })
	}
	if host {
		steps = append(steps,
			t.host(&t.Proxy, hostPlan{name: "proxy", net4: "10.77.2", net6: "fd77:2", number: 10, pass: true, queues: o.Queues, mtu: o.HostMTU}))
	}
	if o.Management {
		steps = append(steps, t.manage)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *Topology) vpc() (err error) {
	if t.VPC, err = t.Namespace("vpc"); err != nil {
		return err
	}
	return t.VPC.Router()
}

type hostPlan struct {
	name       string
	net4, net6 string // first three bytes of the /24, first groups of the /64
	number     int    // the host's last byte; the router's is 1
	pass       bool   // the host will send from XDP: its own program, or a live flood
	mtu        int
	queues     int
}

// host returns a step that makes a host, cables it to the router and points its default routes there.
func (t *Topology) host(to **Host, p hostPlan) func() error {
	return func() error {
		ns, err := t.Namespace(p.name)
		if err != nil {
			return err
		}
		h := &Host{Namespace: ns, RouterDev: p.name}
		at := func(n int) (netip.Prefix, netip.Prefix) {
			return netip.MustParsePrefix(fmt.Sprintf("%s.%d/24", p.net4, n)), netip.MustParsePrefix(fmt.Sprintf("%s::%d/64", p.net6, n))
		}
		own4, own6 := at(p.number)
		gw4, gw6 := at(1)
		h.Addr, h.Addr6, h.Router, h.Router6 = own4.Addr(), own6.Addr(), gw4.Addr(), gw6.Addr()
		near, far, err := t.Cable(
			End{NS: ns, Name: "eth0", Addrs: []netip.Prefix{own4, own6}, MTU: p.mtu, Queues: p.queues},
			End{NS: t.VPC, Name: p.name, Addrs: []netip.Prefix{gw4, gw6}, MTU: p.mtu, Queues: p.queues, Pass: p.pass})
		if err != nil {
			return err
		}
		h.MAC, h.RouterMAC = mac6(near.MAC), mac6(far.MAC)
		*to = h
		return h.join(t.VPC, near, far)
	}
}

// join sets the default routes, and makes both ends know each other without asking: a flood must not hang on ARP.
func (h *Host) join(router *Namespace, near, far End) error {
	for _, step := range []func() error{
		func() error { return h.Neighbour("eth0", h.Router, far.MAC) },
		func() error { return h.Neighbour("eth0", h.Router6, far.MAC) },
		func() error { return router.Neighbour(h.RouterDev, h.Addr, near.MAC) },
		func() error { return router.Neighbour(h.RouterDev, h.Addr6, near.MAC) },
		func() error { return h.Route(netip.MustParsePrefix("0.0.0.0/0"), h.Router, "eth0") },
		func() error { return h.Route(netip.MustParsePrefix("::/0"), h.Router6, "eth0") },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// balance starts the load balancer and routes client, attacker and server into it for each other; the way to the proxy stays direct.
func (t *Topology) balance(o Options) (err error) {
	c := GWLBConfig{
		NS: t.VPC, Consumer: consumerDev, Appliance: t.Sensor.RouterDev, Addr: t.Sensor.Router, Health: o.Health, MaxFlows: o.Flows,
		TCPIdle: o.Balancer.TCPIdle, OtherIdle: o.Balancer.OtherIdle, Rebalance: o.Balancer.Rebalance,
	}
	for _, h := range []*Host{t.Sensor, t.Spare} {
		if h != nil {
			c.Targets = append(c.Targets, Target{Addr: h.Addr, MAC: h.MAC, Dev: h.RouterDev, Node: h.Router})
		}
	}
	t.GWLB, err = StartGWLB(c)
	if err != nil {
		return err
	}
	t.OnClose(t.GWLB.Close)
	for _, dst := range []string{"10.77.1.0/24", "fd77:1::/64", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"} {
		if err := t.VPC.route(netip.MustParsePrefix(dst), netip.Addr{}, consumerDev, inspectTable); err != nil {
			return err
		}
	}
	for _, h := range []*Host{t.Client, t.Attacker, t.Server} {
		if err := t.VPC.divert(h.RouterDev, inspectTable); err != nil {
			return err
		}
	}
	return nil
}

// divert has what arrives on dev look into another routing table first.
func (n *Namespace) divert(dev string, table int) error {
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		rule := netlink.NewRule()
		rule.IifName, rule.Table, rule.Family, rule.Priority = dev, table, family, 1000
		if err := n.nl.RuleAdd(rule); err != nil {
			return fmt.Errorf("lab: rule for %s in %s: %w", dev, n.Host, err)
		}
	}
	return nil
}

// WaitHealthy waits until the load balancer sees all its targets well.
func (t *Topology) WaitHealthy(timeout time.Duration) error {
	for deadline := time.Now().Add(timeout); ; time.Sleep(20 * time.Millisecond) {
		s := t.GWLB.Stats()
		if s.UnHealthyHostCount == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("lab: the appliance is not healthy after %v: %w", timeout, os.ErrDeadlineExceeded)
		}
	}
}

// OnWire has a flood arrive at a host as its wire would deliver it: sent by the router's interface to it, past routing and load balancer, for
// rates that those would not carry; to the appliance within GENEVE. Dst, or Spread, says who it is for.
func (t *Topology) OnWire(h *Host, f Flood) Flood {
	f.From = &Host{Namespace: t.VPC, Addr: h.Router, Addr6: h.Router6, MAC: h.RouterMAC, RouterMAC: h.MAC}
	f.Dev = h.RouterDev
	if h == t.Sensor {
		f.Outer = &Geneve{SrcMAC: h.RouterMAC, DstMAC: h.MAC, Src: h.Router, Dst: h.Addr, SrcPort: 40000, Endpoint: defaultEndpoint}
	}
	return f
}
