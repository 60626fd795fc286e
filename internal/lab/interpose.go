package lab

import (
	"fmt"
	"net/netip"
)

// interpose cuts the cable between router and server and puts a namespace with two interfaces in the middle.
func (t *Topology) interpose(o Options) error {
	ns, err := t.Namespace("bridge")
	if err != nil {
		return err
	}
	if err := ns.Sysctl("net/ipv6/conf/default/disable_ipv6", "1"); err != nil { // the bridge speaks to nobody
		return err
	}
	s := t.Server
	link, err := s.nl.LinkByName("eth0")
	if err != nil {
		return fmt.Errorf("lab: interface eth0 of %s: %w", s.Host, err)
	}
	if err := s.nl.LinkDel(link); err != nil {
		return fmt.Errorf("lab: cut the cable of %s: %w", s.Host, err)
	}
	plan := func(n *Namespace, name string) End {
		return End{NS: n, Name: name, MTU: o.MTU, Queues: o.Queues, Pass: n != ns}
	}
	near, far := plan(s.Namespace, "eth0"), plan(t.VPC, s.RouterDev)
	near.Addrs, far.Addrs = subnets(s.Addr, s.Addr6), subnets(s.Router, s.Router6)
	far, _, err = t.Cable(far, plan(ns, "eth0"))
	if err != nil {
		return err
	}
	near, _, err = t.Cable(near, plan(ns, "eth1"))
	if err != nil {
		return err
	}
	s.MAC, s.RouterMAC = mac6(near.MAC), mac6(far.MAC)
	t.Sensor = &Host{Namespace: ns}
	return s.join(t.VPC, near, far)
}

// subnets are a host's addresses with the sizes that all the lab's networks have.
func subnets(four, six netip.Addr) []netip.Prefix {
	return []netip.Prefix{netip.PrefixFrom(four, 24), netip.PrefixFrom(six, 64)}
}
