package doctor

import "fmt"

func (i Interface) judge(mode string) []Finding {
	if i.Error != "" {
		return []Finding{{Check: "interface", Subject: i.Name, Level: Failure, Found: i.Error, Advice: "name an interface that `ip link` shows"}}
	}
	return []Finding{i.link(mode), i.mtu(mode), i.driver(), i.queues()}
}

func (i Interface) link(mode string) Finding {
	g := Finding{Check: "link", Subject: i.Name, Level: OK, Found: fmt.Sprintf("up, %d addresses", i.Addresses)}
	switch {
	case !i.Up:
		g.Level, g.Found, g.Advice = Failure, "down", "ip link set "+i.Name+" up"
	case i.Addresses == 0 && mode != "bridge":
		g.Level, g.Found, g.Advice = Warning, "up, without an address", "no tunnel can end here and nobody can probe it"
	}
	return g
}

func (i Interface) mtu(mode string) Finding {
	g := Finding{Check: "mtu", Subject: i.Name, Level: OK, Found: fmt.Sprint(i.MTU)}
	switch {
	case (mode == "gwlb" || mode == "bridge") && i.MTU > inlineMTU && i.OneBuffer != "":
		g.Level = Failure
		g.Advice = fmt.Sprintf("ip link set %s mtu %d: a frame that is inspected inline must here fit one buffer (%s), and the sensor refuses to start",
			i.Name, inlineMTU, i.OneBuffer)
	case mode == "gwlb" && i.MTU < 1500+tunnel:
		g.Level = Failure
		g.Advice = fmt.Sprintf("ip link set %s mtu %d: the load balancer adds %d bytes and never says that a packet was too big", i.Name, i.best(), tunnel)
	case mode == "gwlb" && i.MTU < largestInner+tunnel:
		g.Level = Hint
		g.Advice = fmt.Sprintf("packets above %d bytes are lost, and the load balancer sends up to %d: ", i.MTU-tunnel, largestInner)
		if i.OneBuffer == "" {
			g.Advice += fmt.Sprintf("ip link set %s mtu %d", i.Name, i.best())
		} else {
			g.Advice += "let no path that is inspected have a larger MTU (instances: ip link set IFACE mtu 1500)"
		}
	case mode == "mirror" && i.MTU < mirrorMTU:
		g.Level = Warning
		g.Advice = fmt.Sprintf("at least %d: AWS cuts off what does not fit behind VXLAN's 54 bytes", mirrorMTU)
	}
	return g
}

// best is the MTU for the load balancer's packets.
func (i Interface) best() int {
	if i.OneBuffer == "" {
		return largestInner + tunnel
	}
	return inlineMTU
}

// driver knows what ENA can do by version (amzn-drivers, release notes of 2.13.1, 2.14.0, 2.17.0).
func (i Interface) driver() Finding {
	g := Finding{Check: "driver", Subject: i.Name, Level: OK, Found: i.Driver}
	if i.Driver == "" {
		g.Found = "none (a virtual interface)"
	}
	if i.DriverVersion != "" {
		g.Found += " " + i.DriverVersion
	}
	var major, minor, patch int
	n, _ := fmt.Sscanf(i.DriverVersion, "%d.%d.%d", &major, &minor, &patch)
	switch {
	case i.Driver == "ixgbevf" && i.MTU > 1500:
		g.Level, g.Advice = Warning, "this driver refuses XDP with jumbo frames: use an instance of the Nitro generations"
	case i.Driver != "ena":
	case n >= 2 && before(major, minor, 2, 14) && i.MTU > enaSingleMTU:
		g.Level = Warning
		g.Advice = fmt.Sprintf("ENA 2.14 is the first with XDP for an MTU above %d: update the driver, or XDP falls back to the slow generic path", enaSingleMTU)
	case n == 3 && major == 2 && minor == 13 && patch == 0:
		g.Level, g.Advice = Warning, "ENA 2.13.0 can panic under XDP_TX: update to 2.13.1 or later"
	case i.DriverVersion == "" && i.MTU > enaSingleMTU:
		g.Level = Warning
		g.Advice = fmt.Sprintf("the kernel's own ENA driver may refuse XDP at an MTU above %d: see with `sensor status` whether XDP is native or generic; ENA 2.14 or later does it", enaSingleMTU)
	}
	return g
}

func (i Interface) queues() Finding {
	g := Finding{Check: "queues", Subject: i.Name, Level: OK, Found: fmt.Sprint(i.Queues)}
	if i.Queues == 1 {
		g.Level, g.Advice = Hint, "one queue is one CPU's worth of packets: ethtool -L "+i.Name+" combined N raises it where the device has more"
	}
	return g
}
