package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// manage links the sensors' namespaces with the one this process was started in, where a collector listens on ManagementGateway.
// The links lie in a link-local /24 that the machine does not use; they go with the namespaces.
func (t *Topology) manage() error {
	root, err := t.root()
	if err != nil {
		return err
	}
	subnet, err := t.claimSubnet(root)
	if err != nil {
		return err
	}
	for i, h := range []*Host{t.Sensor, t.Proxy} {
		if h == nil {
			continue
		}
		h.ManagementGateway = host(subnet, 1)
		h.Management = host(subnet, byte(10+i))
		if err := t.link(root, h); err != nil {
			return err
		}
	}
	return nil
}

// root is the namespace of this process. The lab makes links to it and leaves it in place.
func (l *Lab) root() (*Namespace, error) {
	ns, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("lab: this process's namespace: %w", err)
	}
	nl, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		ns.Close()
		return nil, fmt.Errorf("lab: this process's namespace: %w", err)
	}
	l.OnClose(func() error {
		nl.Close()
		return ns.Close()
	})
	return &Namespace{Host: "this machine", Name: "", ns: ns, nl: nl}, nil
}

// link is a point-to-point cable: the gateway's address is the same on all of them.
func (t *Topology) link(root *Namespace, h *Host) error {
	a := h.Management.As4()
	dev := fmt.Sprintf("weir-%d-%d", a[2], a[3]) // as unique as the address
	_, _, err := t.Cable(
		End{NS: root, Name: dev, Addrs: []netip.Prefix{netip.PrefixFrom(h.ManagementGateway, 32)}},
		End{NS: h.Namespace, Name: "mgmt0", Addrs: []netip.Prefix{netip.PrefixFrom(h.Management, 32)}})
	if err != nil {
		return err
	}
	// Removed by name rather than with the namespace, whose end the kernel may put off.
	t.OnClose(func() error {
		link, err := root.nl.LinkByName(dev)
		if errors.As(err, new(netlink.LinkNotFoundError)) {
			return nil
		}
		if err != nil {
			return err
		}
		return root.nl.LinkDel(link)
	})
	return errors.Join(
		root.Route(netip.PrefixFrom(h.Management, 32), netip.Addr{}, dev),
		h.Route(netip.PrefixFrom(h.ManagementGateway, 32), netip.Addr{}, "mgmt0"))
}

// claimSubnet finds a link-local /24 of which the machine has no address and no other lab: 169.254.77.0 if it can be had.
func (l *Lab) claimSubnet(root *Namespace) (netip.Prefix, error) {
	addrs, err := root.nl.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("lab: the machine's addresses: %w", err)
	}
	for third := byte(77); third < 169; third++ { // 169.254.169.0 is the instance metadata service's
		subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{169, 254, third, 0}), 24)
		if anyWithin(subnet, addrs) {
			continue
		}
		// An abstract socket is a claim that ends with the process, and each network namespace has its own.
		claim, err := net.Listen("unix", "@weir-lab-"+subnet.Addr().String())
		if err != nil {
			continue
		}
		l.OnClose(claim.Close)
		return subnet, nil
	}
	return netip.Prefix{}, errors.New("lab: every link-local subnet from 169.254.77.0/24 to 169.254.168.0/24 is in use")
}

func anyWithin(subnet netip.Prefix, addrs []netlink.Addr) bool {
	for _, a := range addrs {
		if ip, ok := netip.AddrFromSlice(a.IP.To4()); ok && subnet.Contains(ip) {
			return true
		}
	}
	return false
}

func host(subnet netip.Prefix, n byte) netip.Addr {
	a := subnet.Addr().As4()
	a[3] = n
	return netip.AddrFrom4(a)
}
