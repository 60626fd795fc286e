package discover

import (
	"fmt"
	"net"
)

// MaxMTU is the largest MTU whose frames fit one buffer of the native XDP hook of every driver; ENA's is the smallest
// (ENA_XDP_MAX_MTU: a page less headers, headroom and tail).
const MaxMTU = 3498

// Inline is the error of an interface whose frames could be longer than inline inspection takes.
func Inline(name string) error {
	dev, err := net.InterfaceByName(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	if dev.MTU > MaxMTU {
		return fmt.Errorf("interface %s has MTU %d, and a frame that is inspected inline must fit one buffer: set the MTU to %d or less (ip link set dev %s mtu %d)",
			name, dev.MTU, MaxMTU, name, MaxMTU)
	}
	return nil
}

// Warnings are what will keep an interface from the driver's own XDP hook, or make that slower than it could be.
func Warnings(name string) ([]string, error) {
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
	return warnings(dev.MTU, driver, c), nil
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
