// Package discover finds the addresses that a sensor must never block: those without which the host, its cloud or its
// collector would be cut off. What holds everywhere is in verdict.AlwaysProtected.
package discover

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/weir-ips/weir/pkg/verdict"
)

// Host returns the addresses of this network namespace: its own, its gateways, its resolvers.
func Host() ([]verdict.Protected, error) {
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list own addresses: %w", err)
	}
	var out []verdict.Protected
	for _, a := range addrs {
		out = add(out, a.IP, "own address")
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	for _, r := range routes {
		out = add(out, r.Gw, "gateway")
		for _, hop := range r.MultiPath {
			out = add(out, hop.Gw, "gateway")
		}
	}
	if f, err := os.Open("/etc/resolv.conf"); err == nil {
		defer f.Close()
		out = append(out, resolvers(f)...)
	}
	return out, nil
}

func add(out []verdict.Protected, ip net.IP, why string) []verdict.Protected {
	a, ok := netip.AddrFromSlice(ip)
	if !ok || a.IsUnspecified() {
		return out
	}
	a = a.Unmap()
	return append(out, verdict.Protected{Prefix: netip.PrefixFrom(a, a.BitLen()), Why: why})
}

// resolvers reads the nameserver lines of resolv.conf(5).
func resolvers(r io.Reader) []verdict.Protected {
	var out []verdict.Protected
	for lines := bufio.NewScanner(r); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil {
			a = a.WithZone("").Unmap()
			out = append(out, verdict.Protected{Prefix: netip.PrefixFrom(a, a.BitLen()), Why: "resolver"})
		}
	}
	return out
}

// Collector returns the addresses that a bus URL such as nats://10.0.0.5:4222 leads to. A name is resolved once, at
// start: nothing that enforces may wait for DNS.
func Collector(busURL string) ([]verdict.Protected, error) {
	if busURL == "" {
		return nil, nil
	}
	u, err := url.Parse(busURL)
	if err != nil {
		return nil, fmt.Errorf("collector url: %w", err)
	}
	ips, err := net.LookupIP(u.Hostname())
	if err != nil {
		return nil, fmt.Errorf("collector url %s: %w", busURL, err)
	}
	var out []verdict.Protected
	for _, ip := range ips {
		out = add(out, ip, "collector")
	}
	return out, nil
}
