package lab

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// Take moves a network card of the machine into a namespace, from where it returns when the lab is closed, gives it addresses and has it up.
func (n *Namespace) Take(card string, addrs ...netip.Prefix) (End, error) {
	wrap := func(err error) error { return fmt.Errorf("lab: network card %s for %s: %w", card, n.Host, err) }
	link, err := netlink.LinkByName(card)
	if err != nil {
		return End{}, wrap(err)
	}
	if err := netlink.LinkSetNsFd(link, int(n.ns)); err != nil {
		return End{}, wrap(err)
	}
	end := End{NS: n, Name: card, Addrs: addrs, MTU: link.Attrs().MTU}
	if err := end.setUp(); err != nil {
		return end, wrap(err)
	}
	return end, nil
}
