package daemon

import (
	"github.com/weir-ips/weir/internal/sensor/config"
	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/threshold"
)

// detect makes a worker's path look for attacks that are a matter of how often. Plain floods are counted in the kernel, which sees
// also what it drops.
func (d *Daemon) detect(c *path.Config) {
	limits := threshold.DefaultLimits()
	limits.SYN, limits.UDP, limits.ICMP, limits.Carpet = 0, 0, 0, 0
	c.Detect = &limits
	c.Hooks.Detected = d.onDetected
	if d.cfg.Mode != config.Host { // there one side is seen, and handshakes could be forged: the host itself is asked
		c.Hooks.Handshake = d.onHandshake
	}
}

func (d *Daemon) onDetected(e *threshold.Detection) {
	d.log.Warn("attack", "vector", e.Vector.String(), "phase", e.Phase.String(), "src", e.Src.IP(), "dst", e.Dst.IP(), "why", e.Explain())
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
