package discover

import (
	"fmt"
	"net"

	"github.com/weir-ips/weir/bpf"
)

// MaxMTU is the largest MTU whose frames fit one buffer with every driver.
const MaxMTU = bpf.SingleMTU

// maxInlineMTU is the largest whose frames AF_XDP can send: 16 buffers of 3,840 bytes, less Ethernet and two VLAN tags.
const maxInlineMTU = 16*3840 - 22

// Inline is the error of an interface whose frames could be longer than inline inspection takes: one buffer, or several where kernel
// and driver have that.
func Inline(name string, mode bpf.Mode) error {
	dev, err := net.InterfaceByName(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	if dev.MTU <= MaxMTU {
		return nil
	}
	if dev.MTU > maxInlineMTU {
		return fmt.Errorf("interface %s has MTU %d: set it to %d or less (ip link set dev %s mtu %d)", name, dev.MTU, maxInlineMTU, name, maxInlineMTU)
	}
	if err := bpf.Jumbo(dev, mode); err != nil {
		return fmt.Errorf("interface %s has MTU %d, and a frame that is inspected inline must here fit one buffer (%w): set the MTU to %d or less (ip link set dev %s mtu %d)",
			name, dev.MTU, err, MaxMTU, name, MaxMTU)
	}
	return nil
}

// Warnings are what will keep an interface from the driver's own XDP hook, or make that slower than it could be. What Inline has let pass
// needs no warning about its MTU.
func Warnings(name string, inline bool) ([]string, error) {
	dev, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	driver, err := Driver(name)
	if err != nil {
		return nil, err
	}
	c, err := channelsOf(name)
	if err != nil {
		return nil, err
	}
	mtu := dev.MTU
	if inline {
		mtu = min(mtu, MaxMTU)
	}
	return warnings(mtu, driver, c), nil
}

func warnings(mtu int, driver string, c channels) (list []string) {
	if mtu > MaxMTU {
		list = append(list, fmt.Sprintf("MTU %d is more than one buffer holds: a driver without XDP for several (ENA before 2.14) gets the generic hook, at several times the cost; an MTU of %d or less avoids that", mtu, MaxMTU))
	}
	if driver == "ena" && c.maxCombined > 1 && c.combined > c.maxCombined/2 {
		list = append(list, fmt.Sprintf("%d of %d queues are in use: before version 2.17 the ENA driver takes no XDP program beyond half of them (ethtool -L combined %d)",
			c.combined, c.maxCombined, c.maxCombined/2))
	}
	return list
}
