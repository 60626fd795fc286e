package daemon

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
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
	if err := capture.Forsake(d.sockets()); err != nil {
		return err
	}
	shared := signatures.NewShared()
	d.remembered, d.resumed = shared, d.resume(shared)
	build := func() *path.Path { return path.New(d.pathConfig(shared)) }
	if first := d.pathConfig(shared); len(sources) > 1 && first.Detect != nil {
		together := path.NewDetector(*first.Detect)
		build = func() *path.Path {
			c := d.pathConfig(shared)
			c.Detector = together
			return path.New(c)
		}
	}
	for _, source := range sources {
		w := newWorker(build, source)
		w.rules = func() *signatures.Ruleset { return d.shared.get().Ruleset }
		w.failed, w.lost = d.panicked, onTrouble(d.cfg)
		w.keeps = d.upgrading.Load
		if d.cfg.BusyPoll {
			w.wait = 0
		}
		if d.cfg.Enforcing() {
			if w.refuse, err = newRefuser(d.cfg, source); err != nil {
				return err
			}
		}
		d.workers = append(d.workers, w)
	}
	return nil
}

// sockets are those that the program before left.
func (d *Daemon) sockets() []capture.Inherited {
	if d.left == nil {
		return nil
	}
	return d.left.Sockets
}

// onTrouble is what becomes of a frame that cannot be inspected.
func onTrouble(c *config.Config) capture.Fate {
	if c.OnFailure == "closed" && c.Enforcing() {
		return capture.Discard
	}
	return capture.Forward
}

// panicked logs a fault of inspection. A packet that brings one about may be repeated, and must not fill the log.
func (d *Daemon) panicked(t trouble) {
	if ok, skipped := d.panicLog.Allow(time.Now()); ok {
		d.log.Error("inspection panicked: this worker's conversations are taken up anew in the middle", "error", t.what, "similar", skipped,
			"frame", fmt.Sprintf("%x", t.frame[:min(len(t.frame), 256)]), "stack", string(t.stack))
	}
}

// sources opens what packets come from, one for each worker. The kernel spreads copies over rings by a symmetric hash of the
// inner packet, so each ring has a worker of its own. Receive queues are spread by the outer header, which differs between a
// flow's directions: their frames are dealt out by that hash here.
func (d *Daemon) sources() ([]capture.Source, error) {
	if inTheWay(d.cfg) {
		return d.dealt()
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

// dealt opens the sockets of all receive queues, proves them, and deals their frames out to the workers.
func (d *Daemon) dealt() ([]capture.Source, error) {
	open := d.queues
	if d.cfg.Mode == config.Bridge {
		open = d.bridge
	}
	bundles, err := open()
	if err != nil {
		return nil, err
	}
	if err := d.prove(bundles); err != nil {
		return nil, err
	}
	d.zeroCopy = d.zeroCopied(bundles)
	return capture.Deal(bundles, capture.DealOptions{Workers: workers(d.cfg), Seed: d.kernel.Control().Seed, Behind: onTrouble(d.cfg)})
}

// workers is how many goroutines inspect: as many as there are processors, less one for everything else if they never rest.
func workers(c *config.Config) int {
	n := c.Workers
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
		if c.BusyPoll {
			n = max(n-1, 1)
		}
	}
	return min(n, capture.MaxWorkers)
}

// queues opens an AF_XDP socket on each receive queue of the interface.
func (d *Daemon) queues() ([]capture.Bundle, error) {
	name := d.cfg.Interfaces[0]
	dev, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	n, err := discover.Queues(name)
	if err != nil {
		return nil, err
	}
	d.served[name] = n
	var out []capture.Bundle
	for q := range n {
		x, err := capture.OpenXSK(capture.XSKConfig{Ifindex: dev.Index, Queue: q, Sockets: d.kernel.Sockets(), Credit: d.kernel.Credit(q), Chains: d.kernel.Options().Frags, ZeroCopy: d.cfg.ZeroCopy, Inherited: d.sockets()})
		if err != nil {
			return nil, err
		}
		out = append(out, capture.Bundle{x})
	}
	return out, nil
}

// bridge joins the two ports and opens the sockets of both.
func (d *Daemon) bridge() ([]capture.Bundle, error) {
	if err := d.kernel.Bridge(d.cfg.Interfaces[0], d.cfg.Interfaces[1]); err != nil {
		return nil, err
	}
	cfg := capture.BridgeConfig{Sockets: d.kernel.Sockets(), Credits: d.kernel.Tables().Credits, Chains: d.kernel.Options().Frags, ZeroCopy: d.cfg.ZeroCopy, Inherited: d.sockets()}
	for i, name := range d.cfg.Interfaces {
		dev, err := net.InterfaceByName(name)
		if err != nil {
			return nil, fmt.Errorf("interface %s: %w", name, err)
		}
		n, err := discover.Queues(name)
		if err != nil {
			return nil, err
		}
		d.served[name] = n
		cfg.Ports[i] = capture.Port{Ifindex: dev.Index, Queues: n}
	}
	return capture.OpenBridge(cfg)
}

func (d *Daemon) pathConfig(shared *signatures.Shared) path.Config {
	rs := d.shared.get()
	parsers := path.DefaultParsers()
	c := path.Config{
		Flow: d.flowConfig(parsers), Hashes: parsers.Files.Rules, Decoder: d.decoder(), Rules: rs.Ruleset, Shared: shared, Outputs: d.outputs(),
		IPS: inline(d.cfg), InnerOnly: d.cfg.Mode == config.GWLB || d.cfg.Mode == config.Mirror, Iface: d.cfg.Interfaces[0], Sensor: d.cfg.ID,
		Block: d.unless(blocks(d.cfg)), Spare: d.spare, Remember: remembered / workers(d.cfg), Left: d.resumed,
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
func (d *Daemon) flowConfig(parsers path.Parsers) *flow.Config {
	c := flow.NewConfig()
	c.Protocols = parsers.Protocols()
	c.IPS = inline(d.cfg)
	c.Inline = d.cfg.Mode != config.Mirror
	c.Checksums = false
	c.Midstream = true // a sensor that starts in the middle of a conversation still inspects it
	c.AsyncOneside = d.cfg.Mode == config.Host
	shareOut(c, workers(d.cfg))
	return c
}

// shareOut gives a worker its part of what all workers together may keep.
func shareOut(c *flow.Config, workers int) {
	for _, limit := range []*int{&c.MaxFlows, &c.MaxSessions, &c.Defrag.MaxDatagrams, &c.Defrag.MaxFragments, &c.Defrag.Memcap} {
		*limit = max(*limit/workers, 1)
	}
	c.ReassemblyMemcap = max(c.ReassemblyMemcap/uint64(workers), 1)
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
	if action == verdict.Drop && d.never.SparesFlow(f.Src.IP(), f.Dst.IP()) {
		return
	}
	key, swapped := bpf.NewTuple(f.Tenant, f.Src, f.Dst, f.SrcPort, f.DstPort, f.Proto)
	decision := enforce.FlowDecision{Action: action, Idle: flowIdle, Life: flowLife}
	if by != nil {
		decision.Rule = by.SID
	}
	if err := d.enforcer.DecideFlow(key, swapped, decision); err != nil {
		d.refused(err)
	}
}
