package lab

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// GWLBConfig describes a Gateway Load Balancer with one endpoint.
type GWLBConfig struct {
	NS         *Namespace       // a router: what it routes into Consumer is inspected
	Consumer   string           // name of the endpoint's interface, made by StartGWLB
	Appliance  string           // interface towards the targets
	Addr       netip.Addr       // IPv4 address of the load balancer on Appliance
	Targets    []Target         // the appliances
	Endpoint   uint64           // GWLB endpoint id, sent in option 1; 0: 0x0123456789abcdef
	Attachment uint64           // sent in option 2; AWS sends 0 with one appliance
	Health     HealthCheck      // of every target
	TCPIdle    time.Duration    // 0: AWS's 350 s
	OtherIdle  time.Duration    // 0: AWS's 120 s
	MaxFlows   int              // 0: 262144
	Rebalance  bool             // move flows of an unhealthy target to another (target_failover.on_unhealthy=rebalance)
	Clock      func() time.Time // nil: time.Now
}

// defaultEndpoint is the endpoint's id if nobody says otherwise.
const defaultEndpoint = 0x0123456789abcdef

// Target is one appliance.
type Target struct {
	Addr netip.Addr // IPv4
	MAC  [6]byte
	Dev  string     // interface towards it; "": Appliance
	Node netip.Addr // address of the load balancer on Dev: its node in the target's zone; zero: Addr of the configuration
}

// GWLB emulates an AWS Gateway Load Balancer. It wraps each IP packet in GENEVE exactly as AWS does, sends the packets of a flow to
// one target, and holds what comes back against AWS's four documented rules
// (docs.aws.amazon.com/elasticloadbalancing/latest/gateway, cloudwatch-metrics and gateway-load-balancers).
type GWLB struct {
	cfg      GWLBConfig
	flows    *flowTable
	health   *healthChecker
	consumer *frameSocket
	links    []*applianceLink
	to       []*applianceLink // by target
	home     sync.Mutex       // of consumer's sending half
	inward   [14]byte
	ipID     uint16
	stats    gwlbCounters
	wg       sync.WaitGroup
	fault    atomic.Pointer[error]
	closing  sync.Once
}

// StartGWLB makes the endpoint's interface and starts the load balancer. Route packets into Consumer to have them inspected; what
// the appliance lets through comes out of Consumer and is routed on by the namespace.
func StartGWLB(cfg GWLBConfig) (*GWLB, error) {
	g := &GWLB{cfg: withDefaults(cfg)}
	g.flows = newFlowTable(g.cfg)
	if err := g.open(); err != nil {
		g.release()
		return nil, err
	}
	g.health = startHealth(g.cfg)
	g.wg.Add(1 + len(g.links))
	go g.loop(g.outward)
	for _, l := range g.links {
		go g.loop(func() error { return g.homeward(l) })
	}
	return g, nil
}

func withDefaults(cfg GWLBConfig) GWLBConfig {
	if cfg.Endpoint == 0 {
		cfg.Endpoint = defaultEndpoint
	}
	if cfg.TCPIdle == 0 {
		cfg.TCPIdle = 350 * time.Second
	}
	if cfg.OtherIdle == 0 {
		cfg.OtherIdle = 120 * time.Second
	}
	if cfg.MaxFlows == 0 {
		cfg.MaxFlows = 1 << 18
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	return cfg
}

// open makes the endpoint, a cable within the namespace: the kernel routes at one end, the emulator reads and writes at the other.
func (g *GWLB) open() error {
	ns := g.cfg.NS
	inner := g.cfg.Consumer + "-in"
	link, err := ns.pipe(g.cfg.Consumer, inner)
	if err != nil {
		return err
	}
	mac := mac6(link.Attrs().HardwareAddr)
	putEthernet(g.inward[:], mac, mac, 0)
	if g.consumer, err = openFrames(ns, inner, unix.ETH_P_ALL); err != nil {
		return err
	}
	if err := g.consumer.incomingOnly(); err != nil {
		return fmt.Errorf("lab: gwlb: %w", err)
	}
	for _, t := range g.cfg.Targets {
		l, err := g.link(t.Dev, t.Node)
		if err != nil {
			return err
		}
		g.to = append(g.to, l)
	}
	return nil
}

// pipe makes a cable whose both ends are in n. What n routes into outer, whatever its next hop, comes out of inner.
func (n *Namespace) pipe(outer, inner string) (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.TxQLen = outer, maxInner, 10000
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerMTU = inner, maxInner
	wrap := func(err error) error { return fmt.Errorf("lab: gwlb: interface %s of %s: %w", outer, n.Host, err) }
	if err := n.nl.LinkAdd(veth); err != nil {
		return nil, wrap(err)
	}
	for _, name := range []string{outer, inner} {
		link, err := n.nl.LinkByName(name)
		if err != nil {
			return nil, wrap(err)
		}
		err = errors.Join(
			n.Run(func() error { return offloadsOff(name) }),
			n.Sysctl("net/ipv6/conf/"+name+"/addr_gen_mode", "1"), // no address: it would only make it speak of its own accord
			n.nl.LinkSetARPOff(link),                              // with ARP off the kernel sends to its own MAC, whatever the next hop
			n.nl.LinkSetUp(link))
		if err != nil {
			return nil, wrap(err)
		}
	}
	return n.nl.LinkByName(outer)
}

// swallow occupies a UDP port and reads nothing from it, so that the kernel does not answer that nobody is there.
func (n *Namespace) swallow(at netip.AddrPort) (io.Closer, error) {
	conn, err := n.ListenPacket("udp4", at.String())
	if err != nil {
		return nil, fmt.Errorf("lab: gwlb: %w", err)
	}
	if err := dropAll(conn); err != nil {
		conn.Close()
		return nil, fmt.Errorf("lab: gwlb: udp %s: %w", at, err)
	}
	return conn, nil
}

// loop runs one direction until the sockets close.
func (g *GWLB) loop(step func() error) {
	defer g.wg.Done()
	for {
		if err := step(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			g.fault.CompareAndSwap(nil, &err)
			return
		}
	}
}

// outward takes a batch of packets from the consumer's side to the appliances.
func (g *GWLB) outward() error {
	n, err := g.consumer.recv()
	if err != nil {
		return err
	}
	now := g.cfg.Clock()
	for i := range n {
		frame := g.consumer.frame(i)
		if len(frame) <= ethLen {
			continue
		}
		if err := g.wrap(frame[ethLen:], now); err != nil {
			return err
		}
	}
	for _, l := range g.links {
		if err := g.sent(l.flush()); err != nil {
			return err
		}
	}
	return nil
}

// wrap queues one packet for its flow's target.
func (g *GWLB) wrap(inner []byte, now time.Time) error {
	t, first, ok := parseIP(inner)
	if !ok || t.private() {
		return nil
	}
	if len(inner) > maxInner {
		g.stats.tooLong.Add(1)
		return nil
	}
	flow, ok := g.flows.outward(t, first, now, g.health)
	if !ok {
		return nil
	}
	target, to := g.cfg.Targets[flow.target], g.to[flow.target]
	g.ipID++
	o := Geneve{SrcMAC: to.mac, DstMAC: target.MAC, Src: to.node, Dst: target.Addr, SrcPort: g.flows.entropy(t),
		Endpoint: g.cfg.Endpoint, Attachment: g.cfg.Attachment, Cookie: flow.cookie, ID: g.ipID}
	g.stats.packets.Add(1)
	g.stats.bytes.Add(uint64(len(inner)))
	return g.sent(to.add(o.Wrap(to.next(), inner)))
}

func (g *GWLB) sent(n int, err error) error {
	g.stats.sent.Add(uint64(n))
	return err
}

// homeward takes a batch of frames from the appliances on one link, and the packets that break no rule to the consumer's side.
func (g *GWLB) homeward(l *applianceLink) error {
	n, err := l.recv()
	if err != nil {
		return err
	}
	now := g.cfg.Clock()
	g.home.Lock()
	defer g.home.Unlock()
	for i := range n {
		inner := g.accept(l.frame(i), l, now)
		if inner == nil {
			continue
		}
		b := g.consumer.next()
		copy(b, g.inward[:])
		b[12], b[13] = 0x08, 0x00
		if inner[0]>>4 == 6 {
			b[12], b[13] = 0x86, 0xdd
		}
		if _, err := g.consumer.add(ethLen + copy(b[ethLen:], inner)); err != nil {
			return err
		}
	}
	_, err = g.consumer.flush()
	return err
}

// accept holds a frame against AWS's rules and returns the packet within, nil when it is dropped or none of the load balancer's.
func (g *GWLB) accept(frame []byte, l *applianceLink, now time.Time) []byte {
	r, err := parseReturned(frame)
	if errors.Is(err, errNotUDP) {
		return nil
	}
	g.stats.returned.Add(1)
	switch {
	case err != nil || r.dport != genevePort || r.dst != l.node || !g.isTarget(r.src, l):
		g.stats.invalidTunnel.Add(1)
		return nil
	case !r.hasEndpoint || r.endpoint != g.cfg.Endpoint:
		g.stats.invalidEndpoint.Add(1)
		return nil
	}
	t, _, ok := parseIP(r.inner)
	if !ok {
		g.stats.invalidTunnel.Add(1)
		return nil
	}
	if quoted := quotedBy(r.inner); quoted != nil {
		if about, _, ok := parseIP(quoted); ok {
			t = about // an ICMP error comes with the cookie of the flow that it is about
		}
	}
	flow, ok := g.flows.homeward(t, now)
	switch {
	case !ok:
		g.stats.missingFlow.Add(1)
		return nil
	case !r.hasCookie || r.cookie != flow.cookie:
		g.stats.invalidCookie.Add(1)
		return nil
	}
	if r.sport != g.flows.entropy(t) {
		g.stats.sportChanged.Add(1)
	}
	g.stats.packets.Add(1)
	g.stats.bytes.Add(uint64(len(r.inner)))
	g.stats.accepted.Add(1)
	return r.inner
}

func (g *GWLB) isTarget(a netip.Addr, l *applianceLink) bool {
	for i, t := range g.cfg.Targets {
		if t.Addr == a && g.to[i] == l {
			return true
		}
	}
	return false
}

// Close stops the load balancer. It returns what stopped it earlier, if anything did.
func (g *GWLB) Close() (err error) {
	g.closing.Do(func() {
		g.consumer.stop()
		for _, l := range g.links {
			l.stop()
		}
		g.wg.Wait()
		g.health.stop()
		err = g.release()
	})
	if fault := g.fault.Load(); fault != nil {
		return errors.Join(*fault, err)
	}
	return err
}

func (g *GWLB) release() error {
	var errs []error
	if g.consumer != nil {
		errs = append(errs, g.consumer.close())
	}
	for _, l := range g.links {
		errs = append(errs, l.close())
		if l.sink != nil {
			errs = append(errs, l.sink.Close())
		}
	}
	return errors.Join(errs...)
}
