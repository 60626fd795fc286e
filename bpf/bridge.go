package bpf

import (
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
)

// Bridge makes two interfaces the ports between which mode bridge moves frames, and lets both take in frames for any MAC
// address. To be called before they are attached.
func (s *Sensor) Bridge(first, second string) error {
	var ports [2]*net.Interface
	for i, name := range []string{first, second} {
		dev, err := net.InterfaceByName(name)
		if err != nil {
			return fmt.Errorf("bpf: interface %s: %w", name, err)
		}
		if err := promiscuous(dev, true); err != nil {
			return err
		}
		ports[i] = dev
	}
	if a, b := ports[0], ports[1]; a.MTU != b.MTU {
		return fmt.Errorf("bpf: %s has MTU %d and %s %d: frames that fit one would be lost at the other, set both the same", a.Name, a.MTU, b.Name, b.MTU)
	}
	s.tables.Control.Second = uint32(ports[1].Index)
	for i, dev := range ports {
		if err := s.maps[sensorMapBridge].Put(uint32(dev.Index), uint32(ports[1-i].Index)); err != nil {
			return explain(fmt.Errorf("bpf: bridge %s and %s: %w", first, second, err))
		}
	}
	return nil
}

// Unbridge ends what Bridge did to an interface that exists still.
func Unbridge(name string) error {
	dev, err := net.InterfaceByName(name)
	if err != nil {
		return nil // gone, and its settings with it
	}
	return promiscuous(dev, false)
}

func promiscuous(dev *net.Interface, on bool) error {
	link, err := netlink.LinkByIndex(dev.Index)
	if err != nil {
		return fmt.Errorf("bpf: interface %s: %w", dev.Name, err)
	}
	set := netlink.SetPromiscOff
	if on {
		set = netlink.SetPromiscOn
	}
	if err := set(link); err != nil {
		return fmt.Errorf("bpf: promiscuous mode of %s: %w", dev.Name, err)
	}
	return nil
}
