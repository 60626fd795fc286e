package lab

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"

	"golang.org/x/sys/unix"
)

// applianceLink is the load balancer's node towards the appliances on one interface.
type applianceLink struct {
	*frameSocket
	sink io.Closer
	dev  string
	mac  [6]byte
	node netip.Addr
}

// link opens the way over an interface, or finds it open.
func (g *GWLB) link(dev string, node netip.Addr) (*applianceLink, error) {
	dev = cmp.Or(dev, g.cfg.Appliance)
	if !node.IsValid() {
		node = g.cfg.Addr
	}
	for _, l := range g.links {
		if l.dev == dev {
			return l, nil
		}
	}
	wrap := func(err error) error { return fmt.Errorf("lab: gwlb: interface %s: %w", dev, err) }
	towards, err := g.cfg.NS.nl.LinkByName(dev)
	if err != nil {
		return nil, wrap(err)
	}
	s, err := openFrames(g.cfg.NS, dev, unix.ETH_P_IP)
	if err != nil {
		return nil, err
	}
	l := &applianceLink{frameSocket: s, dev: dev, mac: mac6(towards.Attrs().HardwareAddr), node: node}
	g.links = append(g.links, l)
	if err := s.incomingOnly(); err != nil {
		return nil, wrap(err)
	}
	l.sink, err = g.cfg.NS.swallow(netip.AddrPortFrom(node, genevePort))
	return l, err
}
