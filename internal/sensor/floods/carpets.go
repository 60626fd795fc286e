package floods

import (
	"net/netip"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/threshold"
)

// level is a size of network over which destinations are added up: an attack may be spread so thin that no address alone shows it, nor
// the smallest network.
type level struct {
	bits4, bits6 int
	hosts        int    // addresses of one network that must get packets at once
	factor       uint32 // of Options.Carpet
}

var levels = [...]level{{24, 64, 32, 1}, {20, 56, 64, 2}, {16, 48, 128, 4}}

// ownHosts is how many addresses of a host's own must get packets at once: it has few, and all of it is there that is to be protected.
const ownHosts = 4

// ownPart is the part of Options.Carpet that is an attack on one host.
const ownPart = 4

func (l *level) network(a netip.Addr) netip.Prefix {
	bits := l.bits6
	if a.Is4() {
		bits = l.bits4
	}
	p, _ := a.Prefix(bits) // an address without zone has all its prefixes
	return p
}

// carpets looks for attacks on networks in the kernel's counters. What is answered is known of SYNs and echo requests alone: UDP is counted by
// inspection where both sides are seen, and here where they are not.
type carpets struct {
	levels []*threshold.Floods // as many of levels as are looked at
	hosts  int                 // of the first level
	least  uint32              // Options.Carpet
	udp    bool
}

// carpetSum is what came to a network since the last look.
type carpetSum struct {
	packets [threshold.NumFloodClasses]uint64 // FloodSYN: SYNs, echo requests and fragments; FloodUDP
	hosts   int
}

func newCarpets(o *Options) carpets {
	k := carpets{hosts: levels[0].hosts, least: o.Carpet}
	for i := range levels {
		var f threshold.FloodConfig
		f.Floors[threshold.FloodSYN] = o.Carpet * levels[i].factor
		if o.OneSide {
			f.Floors[threshold.FloodSYN] = o.Carpet / ownPart
			f.Floors[threshold.FloodUDP] = 2 * o.Floods.Floors[threshold.FloodUDP]
			k.hosts, k.udp = ownHosts, f.Floors[threshold.FloodUDP] > 0
		}
		k.levels = append(k.levels, threshold.NewFloods(f))
		if o.OneSide {
			break // a host's addresses lie in one network
		}
	}
	return k
}

// carpetClasses are the classes under which sums are compared.
var carpetClasses = [...]threshold.FloodClass{threshold.FloodSYN, threshold.FloodUDP}

// lookAtNetworks adds destinations up by network, the smallest first.
func (c *Control) lookAtNetworks(now time.Time) {
	if c.o.Carpet == 0 {
		return
	}
	for i, detector := range c.carpets.levels {
		hosts := levels[i].hosts
		sums := c.carpets.add(&levels[i], c.counters.grown)
		if i == 0 {
			hosts = c.carpets.hosts
		}
		for network, s := range sums {
			if s.hosts < hosts || c.attackBeside(network) {
				continue
			}
			for _, class := range carpetClasses {
				if e, starts := detector.Add(decode.AddrFrom(network.Addr()), class, s.packets[class], now.UnixNano()); starts {
					c.carpetTells(&e, network.Bits(), uint64(s.hosts))
				}
			}
		}
		for _, e := range detector.Tick(now.UnixNano()) {
			network := levels[i].network(e.Dst.IP())
			if !c.carpets.on(&e, now) {
				c.carpetTells(&e, network.Bits(), 0)
			}
		}
	}
}

func (k *carpets) add(l *level, grown map[netip.Addr]growth) map[netip.Prefix]carpetSum {
	sums := map[netip.Prefix]carpetSum{}
	for dst, g := range grown {
		n, udp := g[bpf.ClassSYN]+g[bpf.ClassICMP]+g[bpf.ClassFragment], uint64(0)
		if k.udp {
			udp = g[bpf.ClassUDP]
		}
		if n+udp == 0 {
			continue
		}
		network := l.network(dst)
		s := sums[network]
		s.hosts++
		s.packets[threshold.FloodSYN] += n
		s.packets[threshold.FloodUDP] += udp
		sums[network] = s
	}
	return sums
}

// on reports whether what has ended for one class goes on for the other.
func (k *carpets) on(e *threshold.FloodEvent, now time.Time) bool {
	for _, class := range carpetClasses {
		if _, ok := k.levels[0].State(e.Dst, class, now.UnixNano()); ok && class != e.Class && k.udp {
			return true
		}
	}
	return false
}

// spare takes completed handshakes with a server out of the sums.
func (k *carpets) spare(server decode.Addr, n uint64, now time.Time) {
	if k.least == 0 {
		return
	}
	for i, detector := range k.levels {
		detector.Spare(decode.AddrFrom(levels[i].network(server.IP()).Addr()), threshold.FloodSYN, n, now.UnixNano())
	}
}

// refresh takes over how an attack on a network stands.
func (k *carpets) refresh(a *attack, now time.Time) {
	for i, detector := range k.levels {
		if levels[i].network(a.Dst.IP()) != a.Network() {
			continue
		}
		for _, class := range carpetClasses {
			if e, ok := detector.State(a.Dst, class, now.UnixNano()); ok {
				d := detectionOf(&e, a.Vector)
				a.merge(&d)
				return
			}
		}
	}
}

// carpetTells takes what the counters say of a network.
func (c *Control) carpetTells(e *threshold.FloodEvent, bits int, hosts uint64) {
	d := detectionOf(e, threshold.Carpet)
	d.Bits, d.Sources = uint8(bits), hosts
	if d.Proto = decode.ProtoTCP; e.Class == threshold.FloodUDP {
		d.Proto = decode.ProtoUDP
	}
	c.counted(&d)
}

// attackBeside reports whether an address of the network is attacked, or a network that overlaps it: this is then no attack of its own.
func (c *Control) attackBeside(network netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.attacks {
		if a.Dst != (decode.Addr{}) && a.Network() != network && a.Network().Overlaps(network) {
			return true
		}
	}
	return false
}
