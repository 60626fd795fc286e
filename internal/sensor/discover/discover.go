// Package discover finds the addresses that a sensor must never block: those without which the host, its cloud or its
// collector would be cut off.
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
)

// Protected is a prefix and why it is never blocked.
type Protected struct {
	Prefix netip.Prefix
	Why    string
}

// fixed are the same everywhere: AWS's link-local services (VPC user guide, "IPv4 and IPv6 link-local addresses"), and
// what every network stack needs.
var fixed = []struct{ prefix, why string }{
	{"127.0.0.0/8", "loopback"},
	{"::1/128", "loopback"},
	{"224.0.0.0/4", "multicast"},
	{"255.255.255.255/32", "broadcast"},
	{"0.0.0.0/32", "unspecified (DHCP)"},
	{"ff00::/8", "multicast"},
	{"fe80::/10", "link-local: neighbour discovery"},
	{"169.254.169.254/32", "instance metadata"},
	{"fd00:ec2::254/128", "instance metadata"},
	{"169.254.169.253/32", "VPC resolver"},
	{"fd00:ec2::253/128", "VPC resolver"},
	{"169.254.169.123/32", "Amazon time sync"},
	{"fd00:ec2::123/128", "Amazon time sync"},
}

// Fixed returns the prefixes that need no looking up.
func Fixed() []Protected {
	out := make([]Protected, 0, len(fixed))
	for _, f := range fixed {
		out = append(out, Protected{netip.MustParsePrefix(f.prefix), f.why})
	}
	return out
}

// Host returns the addresses of this network namespace: its own, its gateways, its resolvers.
func Host() ([]Protected, error) {
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list own addresses: %w", err)
	}
	var out []Protected
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

func add(out []Protected, ip net.IP, why string) []Protected {
	a, ok := netip.AddrFromSlice(ip)
	if !ok || a.IsUnspecified() {
		return out
	}
	a = a.Unmap()
	return append(out, Protected{netip.PrefixFrom(a, a.BitLen()), why})
}

// resolvers reads the nameserver lines of resolv.conf(5).
func resolvers(r io.Reader) []Protected {
	var out []Protected
	for lines := bufio.NewScanner(r); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil {
			a = a.WithZone("").Unmap()
			out = append(out, Protected{netip.PrefixFrom(a, a.BitLen()), "resolver"})
		}
	}
	return out
}

// Collector returns the addresses that a bus URL such as nats://10.0.0.5:4222 leads to. A name is resolved once, at
// start: nothing that enforces may wait for DNS.
func Collector(busURL string) ([]Protected, error) {
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
	var out []Protected
	for _, ip := range ips {
		out = add(out, ip, "collector")
	}
	return out, nil
}
