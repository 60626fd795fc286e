package daemon

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/sensor/config"
	"github.com/weir-ips/weir/internal/sensor/discover"
	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/pkg/capture"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/verdict/enforce"
	"github.com/weir-ips/weir/pkg/wire"
)

// openWorkers opens the sources and builds a Path for each.
func (d *Daemon) openWorkers(context.Context) error {
	sources, err := d.sources()
	if err != nil {
		return err
	}
	if err := capture.Forsake(d.left); err != nil {
		return err
	}
	if err := d.prove(sources); err != nil {
		return err
	}
	shared := signatures.NewShared()
	for _, source := range sources {
		w := newWorker(path.New(d.pathConfig(shared)), source)
		if d.cfg.Enforcing() {
			if w.refuse, err = newRefuser(d.cfg, source); err != nil {
				return err
			}
		}
		d.workers = append(d.workers, w)
	}
	return nil
}

// sources opens what packets come from, one for each worker. The kernel spreads copies over rings by a symmetric hash of the
// inner packet, so each ring has a worker of its own. Receive queues are spread by the outer header, which differs between a
// flow's directions: they share one worker.
func (d *Daemon) sources() ([]capture.Source, error) {
	if d.cfg.Mode == config.GWLB {
		queues, err := d.queues(d.cfg.Interfaces[0])
		if err != nil {
			return nil, err
		}
		return []capture.Source{capture.NewGroup(queues...)}, nil
	}
	if d.cfg.Mode == config.Bridge {
		bridge, err := d.bridge()
		if err != nil {
			return nil, err
		}
		return []capture.Source{bridge}, nil
	}
	var rings []capture.Source
	for _, m := range d.kernel.Rings() {
		ring, err := capture.OpenRing(m, nil)
		if err != nil {
			return nil, err
		}
		rings = append(rings, ring)
	}
	return rings, nil
}

// queues opens an AF_XDP socket on each receive queue of an interface.
func (d *Daemon) queues(name string) ([]capture.Source, error) {
	dev, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	n, err := discover.Queues(name)
	if err != nil {
		return nil, err
	}
	var out []capture.Source
	for q := range n {
		x, err := capture.OpenXSK(capture.XSKConfig{Ifindex: dev.Index, Queue: q, Sockets: d.kernel.Sockets(), Credit: d.kernel.Credit(q), Inherited: d.left})
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// bridge joins the two ports and opens the sockets of both.
func (d *Daemon) bridge() (capture.Source, error) {
	if err := d.kernel.Bridge(d.cfg.Interfaces[0], d.cfg.Interfaces[1]); err != nil {
		return nil, err
	}
	cfg := capture.BridgeConfig{Sockets: d.kernel.Sockets(), Credits: d.kernel.Tables().Credits, Inherited: d.left}
	for i, name := range d.cfg.Interfaces {
		dev, err := net.InterfaceByName(name)
		if err != nil {
			return nil, fmt.Errorf("interface %s: %w", name, err)
		}
		n, err := discover.Queues(name)
		if err != nil {
			return nil, err
		}
		cfg.Ports[i] = capture.Port{Ifindex: dev.Index, Queues: n}
	}
	return capture.OpenBridge(cfg)
}

func (d *Daemon) pathConfig(shared *signatures.Shared) path.Config {
	rs := d.shared.get()
	c := path.Config{
		Flow: d.flowConfig(), Decoder: d.decoder(), Rules: rs.Ruleset, Shared: shared, Outputs: d.outputs(),
		IPS: inline(d.cfg), InnerOnly: d.cfg.Mode == config.GWLB || d.cfg.Mode == config.Mirror, Iface: d.cfg.Interfaces[0], Sensor: d.cfg.ID,
		Block: blocks(d.cfg), HASSH: path.WantHASSH(rs.Ruleset),
		Hooks: path.Hooks{Alert: d.onAlert, Decided: d.onDecided},
	}
	if d.flows != nil {
		c.Hooks.Ended = d.flows.Ended
	}
	d.detect(&c)
	if inline(d.cfg) {
		c.Hooks.Uninteresting = d.onUninteresting
	}
	return c
}

// decoder reads frames cut by Traffic Mirroring as far as they go. Checksums are the NIC's affair: on virtual links, and
// where the NIC fills them in on the way out, there is nothing to check yet.
func (d *Daemon) decoder() *decode.Decoder {
	c := decode.Default()
	c.Checksums, c.Cut = false, d.cfg.Mode == config.Mirror
	return c
}

// flowConfig fits flow tracking to what the mode sees. On a host's own interface XDP sees what arrives and not what is sent,
// so sessions are followed from one side and data is inspected when it comes instead of when it is acknowledged.
func (d *Daemon) flowConfig() *flow.Config {
	c := flow.NewConfig()
	parsers := path.DefaultParsers()
	parsers.Want(d.shared.get().Ruleset)
	c.Protocols = parsers.Protocols()
	c.IPS = inline(d.cfg)
	c.Inline = d.cfg.Mode != config.Mirror
	c.Checksums = false
	c.Midstream = true // a sensor that starts in the middle of a conversation still inspects it
	c.AsyncOneside = d.cfg.Mode == config.Host
	return c
}

func (d *Daemon) outputs() []*event.Output {
	if d.eve == nil {
		return nil
	}
	o := event.DefaultOptions()
	o.Alert.Payload, o.Alert.Printable, o.Alert.Packet, o.Alert.Verdict = true, true, true, true
	return []*event.Output{{Options: o, Sink: d.eve}}
}

// onAlert ships the alert, and on a host's interface cuts off the rest of the flow: the packet itself has passed already.
func (d *Daemon) onAlert(a *event.AlertRecord, line []byte) {
	sig := a.Hit.Sig
	if d.uplink != nil {
		d.uplink.Publish(wireEvent(a, line))
	}
	if d.cfg.Mode != config.Host || a.Flow == nil {
		return
	}
	if policy := blocks(d.cfg); sig.Action.Drops() || policy != nil && policy(sig) {
		d.decideFlow(a.Flow, verdict.Drop, sig)
	}
}

func wireEvent(a *event.AlertRecord, line []byte) wire.Event {
	e := wire.Event{
		Time: time.Unix(0, a.Time), SID: a.Hit.Sig.SID, Severity: uint8(min(max(a.Hit.Sig.Priority, 1), 255)),
		Category: a.Hit.Sig.Category, EVE: bytes.Clone(line),
	}
	if p := a.Packet; p != nil && p.IPVersion != 0 {
		e.Proto = p.Proto
		e.Src, e.Dst = netip.AddrPortFrom(p.Src.IP(), p.SrcPort), netip.AddrPortFrom(p.Dst.IP(), p.DstPort)
	}
	if f := a.Flow; f != nil {
		e.Handshake = proved(f)
	}
	if a.Hit.Sig.Target == keyword.TargetSrc { // the rule says that the sender is the victim
		e.Src, e.Dst = e.Dst, e.Src
	}
	return e
}

func endpoints(f *flow.Flow) (src, dst netip.AddrPort) {
	return netip.AddrPortFrom(f.Src.IP(), f.SrcPort), netip.AddrPortFrom(f.Dst.IP(), f.DstPort)
}

// proved reports whether the addresses cannot be forged: both directions of the handshake were seen.
func proved(f *flow.Flow) bool {
	return f.Proto == decode.ProtoTCP && f.TCP != nil && f.State == flow.Established && !f.TCP.Midstream && !f.TCP.Async
}

// onDecided moves a decided flow into XDP, where it costs tens of nanoseconds.
func (d *Daemon) onDecided(f *flow.Flow, v flow.FlowVerdict, by *keyword.Signature) {
	switch v {
	case flow.FlowDrop:
		d.decideFlow(f, verdict.Drop, by)
	case flow.FlowPass, flow.FlowBypass:
		d.decideFlow(f, verdict.Bypass, by)
	}
}

// onUninteresting is the early decision: encrypted, or beyond the depth.
func (d *Daemon) onUninteresting(f *flow.Flow) { d.decideFlow(f, verdict.Bypass, nil) }

// A decision about a flow lapses when the flow is silent for flowIdle, longer than a load balancer remembers it, and is made anew
// after flowLife in any case.
const (
	flowIdle = 6 * time.Minute
	flowLife = time.Hour
)

func (d *Daemon) decideFlow(f *flow.Flow, action verdict.Action, by *keyword.Signature) {
	key, swapped := bpf.NewTuple(f.Tenant, f.Src, f.Dst, f.SrcPort, f.DstPort, f.Proto)
	decision := enforce.FlowDecision{Action: action, Idle: flowIdle, Life: flowLife}
	if by != nil {
		decision.Rule = by.SID
	}
	if err := d.enforcer.DecideFlow(key, swapped, decision); err != nil {
		d.refused(err)
	}
}
