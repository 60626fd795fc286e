package floods

import (
	"net/netip"

	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/internal/lab/fleet"
)

// Where forged sources lie.
var (
	anybody  = netip.MustParsePrefix("192.0.0.0/5")
	anybody6 = netip.MustParsePrefix("2001:db8:bad:1::/64")
)

// victim is who is flooded: by one IP version, behind a sensor of one mode.
type victim struct {
	name   string
	fleet  *fleet.Fleet
	host   *lab.Host // that serves
	wire   *lab.Host // at whose interface floods arrive
	sensor *fleet.Sensor
	other  *fleet.Sensor // that sees nothing of it
	six    bool
}

// victims are the server behind the load balancer and the proxy, by both IP versions.
func victims(f *fleet.Fleet) (out []victim) {
	for _, six := range []bool{false, true} {
		version := map[bool]string{false: "IPv4", true: "IPv6"}[six]
		out = append(out,
			victim{"gwlb, " + version, f, f.Server, f.Sensor, f.Inline, f.Host, six},
			victim{"host, " + version, f, f.Proxy, f.Proxy, f.Host, f.Inline, six})
	}
	return out
}

// addr is the host's own address.
func (v *victim) addr() netip.Addr {
	if v.six {
		return v.host.Addr6
	}
	return v.host.Addr
}

// beside is another address of the host's network.
func (v *victim) beside(n byte) netip.Addr {
	if v.six {
		a := v.host.Addr6.As16()
		a[15] = n
		return netip.AddrFrom16(a)
	}
	a := v.host.Addr.As4()
	a[3] = n
	return netip.AddrFrom4(a)
}

// network is the 256 addresses around the host's.
func (v *victim) network() netip.Prefix {
	a := v.addr()
	return netip.PrefixFrom(a, a.BitLen()-8).Masked()
}

// flood is one at dst, as the wire delivers it.
func (v *victim) flood(kind lab.FloodKind, dst netip.AddrPort, rate int) lab.Flood {
	f := lab.Flood{Kind: kind, Dst: dst, Src: anybody, Rate: rate, Payload: 64}
	if v.six {
		f.Src = anybody6
	}
	return v.fleet.OnWire(v.wire, f)
}
