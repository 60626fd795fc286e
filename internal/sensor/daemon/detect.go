package daemon

import (
	"iter"
	"net/netip"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/sensor/config"
	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/threshold"
)

// detect makes a worker's path look for attacks that are a matter of how often. SYNs and ICMP are counted in the kernel, which sees
// also what it drops; so is UDP in host mode. Where both directions are seen, only inspection knows which datagrams nobody answers.
func (d *Daemon) detect(c *path.Config) {
	limits := threshold.DefaultLimits()
	limits.SYN, limits.UDP, limits.ICMP = 0, d.cfg.Floods.UDP, 0
	c.Detect = &limits
	c.Hooks.Detected = d.onDetected
	if d.cfg.Mode == config.Host {
		// One side is seen: what is answered looks unanswered, and handshakes could be forged. The host itself is asked for them.
		limits.Carpet, limits.UDP = 0, 0
		return
	}
	c.Hooks.Handshake = d.onHandshake
	c.Hooks.Asked = func(server decode.Addr) { d.enforcer.MarkGood(server.IP()) }
}

// onDetected notes an attack that goes on, or forgets it, so that the control loop arms what it is directed at.
func (d *Daemon) onDetected(e *threshold.Detection) {
	d.log.Warn("attack", "vector", e.Vector.String(), "phase", e.Phase.String(), "src", e.Src.IP(), "dst", e.Dst.IP(), "why", e.Explain())
	k := attackKey{e.Vector, e.Src, e.Dst, e.Port, e.Name}
	f := d.floods
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.Phase == threshold.End {
		delete(f.attacks, k)
		return
	}
	f.attacks[k] = *e
}

// attackKey tells attacks that are on apart.
type attackKey struct {
	vector   threshold.Vector
	src, dst decode.Addr
	port     uint16
	name     string
}

// armed are the classes that a vector's packets belong to. Vectors without any are reported and not limited here.
func (k *attackKey) armed() []bpf.Class {
	switch k.vector {
	case threshold.Amplification, threshold.UDPFlood:
		return []bpf.Class{bpf.ClassUDP}
	case threshold.Reflection:
		return []bpf.Class{bpf.ClassSYNACK}
	case threshold.Carpet:
		return []bpf.Class{bpf.ClassSYN, bpf.ClassUDP, bpf.ClassICMP}
	}
	return nil
}

// carpetRate is what each address of a network under carpet bombing still gets a second of each class, known sources aside.
const carpetRate = 300

// armKey is what a limit is set for.
type armKey struct {
	dst   netip.Addr
	class bpf.Class
}

// limits returns what is to be armed now, with the packets a second that each is allowed; of several reasons the strictest holds.
// In host mode nothing is armed for attacks that inspection found: the sensor there cannot tell answers that were asked for.
func (f *floods) limits(host bool) map[armKey]uint32 {
	out := map[armKey]uint32{}
	add := func(k armKey, rate uint32) {
		if old, ok := out[k]; !ok || rate < old {
			out[k] = rate
		}
	}
	for k, e := range f.active {
		add(armKey{k.dst.IP(), classes[k.class]}, uint32(e.Floor))
	}
	if host {
		return out
	}
	for k, e := range f.attacks {
		rate := uint32(e.Threshold)
		switch {
		case k.vector == threshold.Carpet:
			rate = carpetRate
		case e.Unit != "": // the threshold is one of bytes
			rate = threshold.DefaultLimits().Amplification
		}
		for _, class := range k.armed() {
			for dst := range f.directed(&k) {
				add(armKey{dst, class}, rate)
			}
		}
	}
	return out
}

// directed iterates over the addresses that an attack is directed at: for a network, those that get packets now.
func (f *floods) directed(k *attackKey) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		if k.vector != threshold.Carpet {
			yield(k.dst.IP())
			return
		}
		bits := 24
		if !k.dst.Is4() {
			bits = 64
		}
		network := netip.PrefixFrom(k.dst.IP(), bits)
		for a := range f.seen {
			if network.Contains(a) && !yield(a) {
				return
			}
		}
	}
}

// onHandshake notes a client that is real, and that a SYN to the server was no attack.
func (d *Daemon) onHandshake(client, server decode.Addr) {
	d.enforcer.MarkGood(client.IP())
	d.floods.handshakes.add(server)
}

// vectors are the names under which floods that the kernel counts are reported.
var vectors = [threshold.NumFloodClasses]threshold.Vector{
	threshold.FloodSYN: threshold.SYNFlood, threshold.FloodUDP: threshold.UDPFlood, threshold.FloodICMP: threshold.ICMPFlood,
}

var floodProtos = [threshold.NumFloodClasses]uint8{
	threshold.FloodSYN: decode.ProtoTCP, threshold.FloodUDP: decode.ProtoUDP, threshold.FloodICMP: decode.ProtoICMP,
}

// publishFlood writes the alert of a flood. Its sources are many and forged.
func (d *Daemon) publishFlood(e threshold.FloodEvent, phase threshold.Phase) {
	found := threshold.Detection{Vector: vectors[e.Class], Phase: phase, Time: e.Time, Since: e.Since, Dst: e.Dst, Proto: floodProtos[e.Class],
		Value: e.Rate, Threshold: e.Floor, Window: e.Window, Peak: e.Peak, Packets: e.Packets}
	l := event.Logger{Outputs: d.outputs(), Iface: d.cfg.Interfaces[0], Sensor: d.cfg.ID, OnAlert: d.onAlert}
	path.RecordDetection(&l, &found)
}
