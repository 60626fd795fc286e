package lab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// End is one end of a cable.
type End struct {
	NS     *Namespace
	Name   string         // of the interface, at most 15 bytes
	Addrs  []netip.Prefix // set without duplicate address detection: usable at once
	MTU    int            // 0: 1500
	Queues int            // receive and transmit queues; 0: 1
	Pass   bool           // attach a program that passes all: without one here, what the peer's XDP program sends back (XDP_TX) is lost
	Sink   bool           // drop in XDP all that arrives: the cheapest receiver there is, for benchmarks
	MAC    net.HardwareAddr
}

// Cable joins two hosts by a veth pair, both ends up, all checksum and segmentation offloads off: an XDP program at one end sees
// what a wire would carry, not half-made packets. It returns the ends with MAC filled in.
func (l *Lab) Cable(a, b End) (End, End, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = a.Name, mtu(a)
	attrs.NumTxQueues, attrs.NumRxQueues = max(a.Queues, 1), max(a.Queues, 1)
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerMTU = b.Name, uint32(mtu(b))
	veth.PeerNamespace = netlink.NsFd(int(b.NS.ns))
	veth.PeerNumTxQueues, veth.PeerNumRxQueues = uint32(max(b.Queues, 1)), uint32(max(b.Queues, 1))
	if err := a.NS.nl.LinkAdd(veth); err != nil {
		return a, b, fmt.Errorf("lab: cable %s/%s to %s/%s: %w", a.NS.Host, a.Name, b.NS.Host, b.Name, err)
	}
	for _, end := range []*End{&a, &b} { // before any program is attached: with one at the peer, features are no longer changed
		if err := end.NS.Run(func() error { return offloadsOff(end.Name) }); err != nil {
			return a, b, fmt.Errorf("lab: interface %s/%s: %w", end.NS.Host, end.Name, err)
		}
	}
	for _, end := range []*End{&a, &b} {
		if err := end.setUp(); err != nil {
			return a, b, fmt.Errorf("lab: interface %s/%s: %w", end.NS.Host, end.Name, err)
		}
	}
	return a, b, nil
}

func mtu(e End) int {
	if e.MTU == 0 {
		return 1500
	}
	return e.MTU
}

func (e *End) setUp() error {
	link, err := e.NS.nl.LinkByName(e.Name)
	if err != nil {
		return err
	}
	if e.Pass || e.Sink {
		action := uint64(xdpPass)
		if e.Sink {
			action = xdpDrop
		}
		if err := e.NS.attachReturn(link, action); err != nil {
			return err
		}
	}
	if err := e.NS.nl.LinkSetUp(link); err != nil {
		return err
	}
	for _, p := range e.Addrs {
		if err := e.NS.addAddr(link, p); err != nil {
			return err
		}
	}
	e.MAC = link.Attrs().HardwareAddr
	return nil
}

func (n *Namespace) addAddr(link netlink.Link, p netip.Prefix) error {
	addr := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	if err := n.nl.AddrAdd(link, addr); err != nil {
		return fmt.Errorf("address %s: %w", p, err)
	}
	return nil
}

// Route sends dst to the gateway via, or straight out of dev when via is the zero Addr.
func (n *Namespace) Route(dst netip.Prefix, via netip.Addr, dev string) error {
	return n.route(dst, via, dev, unix.RT_TABLE_MAIN)
}

func (n *Namespace) route(dst netip.Prefix, via netip.Addr, dev string, table int) error {
	link, err := n.nl.LinkByName(dev)
	if err != nil {
		return fmt.Errorf("lab: route %s in %s: interface %s: %w", dst, n.Host, dev, err)
	}
	r := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(dst), Table: table}
	if via.IsValid() {
		r.Gw = via.AsSlice()
	} else {
		r.Scope = netlink.SCOPE_LINK
	}
	if err := n.nl.RouteReplace(r); err != nil {
		return fmt.Errorf("lab: route %s in %s by %s: %w", dst, n.Host, dev, err)
	}
	return nil
}

// Neighbour tells the namespace a MAC for good, so that nothing waits for ARP.
func (n *Namespace) Neighbour(dev string, ip netip.Addr, mac net.HardwareAddr) error {
	link, err := n.nl.LinkByName(dev)
	if err != nil {
		return fmt.Errorf("lab: neighbour %s in %s: interface %s: %w", ip, n.Host, dev, err)
	}
	entry := &netlink.Neigh{LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: ip.AsSlice(), HardwareAddr: mac}
	if err := n.nl.NeighSet(entry); err != nil {
		return fmt.Errorf("lab: neighbour %s in %s: %w", ip, n.Host, err)
	}
	return nil
}

// Router lets the namespace forward packets of both families.
func (n *Namespace) Router() error {
	if err := n.Sysctl("net/ipv4/ip_forward", "1"); err != nil {
		return err
	}
	return n.Sysctl("net/ipv6/conf/all/forwarding", "1")
}

// Index is the number of an interface in its namespace.
func (n *Namespace) Index(dev string) (int, error) {
	link, err := n.nl.LinkByName(dev)
	if err != nil {
		return 0, fmt.Errorf("lab: interface %s of %s: %w", dev, n.Host, err)
	}
	return link.Attrs().Index, nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
