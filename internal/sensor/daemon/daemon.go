// Package daemon is `sensor run`: it puts the XDP program on its interfaces, inspects what comes, keeps the verdicts, and
// talks to the collector.
//
// Everything that can be refused is refused before anything is attached. What is attached stays when the process ends:
// verdicts go on dropping until they expire, and the next process takes over.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/sdnotify"
	"github.com/weir-ips/weir/internal/sensor/config"
	"github.com/weir-ips/weir/internal/sensor/control"
	"github.com/weir-ips/weir/internal/sensor/discover"
	"github.com/weir-ips/weir/internal/sensor/floods"
	"github.com/weir-ips/weir/internal/sensor/flowlog"
	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/internal/sensor/ship"
	"github.com/weir-ips/weir/internal/sensor/uplink"
	"github.com/weir-ips/weir/internal/telemetry"
	"github.com/weir-ips/weir/pkg/capture"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/verdict/enforce"
)

// Daemon is one running sensor.
type Daemon struct {
	cfg     *config.Config
	log     *slog.Logger
	version string
	started time.Time

	kernel   *bpf.Sensor
	enforcer *enforce.Enforcer
	attached atomic.Value // string: native or generic, once attached
	workers  []*worker
	never    *verdict.Spared
	spared   atomic.Uint64  // packets that inspection would have dropped
	served   map[string]int // receive queues with a socket, by interface; in host and mirror mode the kernel serves all
	zeroCopy []*capture.XSK // sockets that were bound in that mode
	shared   shared

	zeroCopyLeft atomic.Uint64 // sockets that left it

	uplink  *uplink.Uplink  // nil without a collector
	eve     *event.File     // nil without an output file
	flows   *flowlog.Writer // nil without a flow log
	shipper *ship.Shipper   // of finished flow logs; nil without a bucket
	floods  *floods.Control
	socket  net.Listener

	refusalLog telemetry.Throttle
	troubleLog telemetry.Throttle
	panicLog   telemetry.Throttle
	kills      kills
	held       atomic.Pointer[enforce.Hold] // what the collector switched off in part; nil: nothing
	reloading  sync.Mutex                   // one Reload at a time: signal, socket, and collector may all ask

	allowances allowances

	remembered *signatures.Shared // by rules, beyond single flows
	resumed    *path.Left         // flows of the program before; nil without
	upgrading  atomic.Bool        // the next program takes over: what it needs stays open
	left       *Legacy            // by the program before; nil without
	refusal    string             // why this program does not start and gives that back
	asked      chan os.Signal     // for an upgrade
	failures   chan error         // the first ends the sensor
}

// Run runs the sensor until ctx ends. reload carries requests to read the rules again (SIGHUP); left is what Inherit has returned. A
// *Succession says that another program is to go on.
func Run(ctx context.Context, cfg *config.Config, version string, log *slog.Logger, reload <-chan os.Signal, left *Legacy) (err error) {
	d := &Daemon{cfg: cfg, log: log, version: version, started: time.Now(), served: map[string]int{}, failures: make(chan error, 8), asked: make(chan os.Signal, 1),
		troubleLog: telemetry.Throttle{Every: time.Minute}, panicLog: telemetry.Throttle{Every: 10 * time.Second}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer func() { err = errors.Join(err, d.close()) }()
	signal.Notify(d.asked, syscall.SIGUSR2)
	defer signal.Stop(d.asked)
	d.left = left
	if err := d.prepare(ctx); err != nil {
		if left != nil && left.Refused == "" {
			return d.giveBack(err)
		}
		return errors.Join(err, d.takeBack())
	}
	if err := d.forgetPredecessor(); err != nil {
		return err
	}
	return d.serve(ctx, reload)
}

// takeBack removes the maps of a start that was refused, unless they are an earlier process's, which are at work.
func (d *Daemon) takeBack() error {
	if d.kernel == nil || d.kernel.Adopted() {
		return nil
	}
	return Detach(d.cfg)
}

// prepare does all that can fail because of what somebody configured, in an order that attaches last.
func (d *Daemon) prepare(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		d.loadFirstRules, d.checkInterfaces, d.openOutputs, d.openControl, d.openKernel, d.openUplink, d.openWorkers, d.listen, d.attach,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *Daemon) loadFirstRules(context.Context) error {
	rs, err := loadRules(d.cfg, nil)
	if err != nil {
		return err
	}
	d.shared.set(rs)
	return nil
}

func (d *Daemon) openOutputs(ctx context.Context) (err error) {
	if d.cfg.Output.EVE != "" {
		if d.eve, err = event.Create(d.cfg.Output.EVE, true); err != nil {
			return err
		}
	}
	return d.openFlowLog(ctx)
}

func (d *Daemon) openFlowLog(ctx context.Context) (err error) {
	o := d.cfg.Output.FlowLog
	if o.Dir == "" {
		return nil
	}
	d.flows, err = flowlog.New(flowlog.Options{
		Identity: flowlog.Identity{Account: o.Account, Interface: o.Interface, Local: d.local()},
		Dir:      o.Dir, Region: o.Region, Sensor: d.cfg.ID,
	})
	if err != nil || o.S3.Bucket == "" {
		return err
	}
	d.shipper, err = ship.New(ctx, ship.Options{
		Dir: o.Dir, Suffix: flowlog.Suffix, Bucket: o.S3.Bucket, Prefix: o.S3.Prefix, Region: o.S3.Region, Endpoint: o.S3.Endpoint,
		MaxBytes: o.S3.MaxBytes, Log: d.log,
	})
	return err
}

// local tells the host's own addresses from others: which way a conversation went.
func (d *Daemon) local() func(netip.Addr) bool {
	own := map[netip.Addr]bool{}
	if list, err := discover.Host(); err == nil {
		for _, p := range list {
			own[p.Prefix.Addr()] = p.Prefix.IsSingleIP() && p.Why == "own address"
		}
	}
	return func(a netip.Addr) bool { return own[a] }
}

func (d *Daemon) openControl(context.Context) (err error) {
	if d.cfg.Control != "" {
		d.socket, err = control.Listen(d.cfg.Control)
	}
	return err
}

// openKernel loads the program and its maps, or adopts those of an earlier process.
func (d *Daemon) openKernel(context.Context) (err error) {
	found, named, err := d.protected()
	if err != nil {
		return err
	}
	d.never = verdict.NewSpared(found, named)
	if d.kernel, err = bpf.Load(kernelOptions(d.cfg)); err != nil {
		return err
	}
	if d.enforcer, err = enforce.New(d.kernel, enforce.Options{}); err != nil {
		return err
	}
	d.enforcer.SetObserve(!d.cfg.Enforcing())
	d.enforcer.SetFailure(enforce.Failure{Policy: failures[d.cfg.OnFailure], Lease: lease, Hold: hold})
	d.enforcer.SetCapture(!inTheWay(d.cfg))
	d.floods = d.newFloods()
	return d.enforcer.Protect(append(found, named...))
}

func kernelOptions(c *config.Config) bpf.Options {
	o := bpf.Options{Mode: modes[c.Mode], Name: c.ID, BPFFS: c.BPFFS, Destinations: destinations, Coexist: c.Attach.Share, Priority: c.Attach.Priority,
		Frags: jumbo(c.Interfaces) && bpf.HaveFrags()}
	if !inTheWay(c) {
		o.Rings = workers(c)
	}
	return o
}

// jumbo reports whether frames of an interface can be longer than the drivers' single buffers.
func jumbo(interfaces []string) bool {
	return slices.ContainsFunc(interfaces, func(name string) bool {
		dev, err := net.InterfaceByName(name)
		return err == nil && dev.MTU > discover.MaxMTU
	})
}

// destinations are counted at once: what floods looks at ten times a second in about a millisecond.
const destinations = 1 << 16

var modes = map[config.Mode]bpf.Mode{config.Host: bpf.ModeHost, config.GWLB: bpf.ModeGWLB, config.Bridge: bpf.ModeBridge, config.Mirror: bpf.ModeMirror}

var failures = map[string]bpf.OnFailure{"open": bpf.FailOpen, "static": bpf.FailStatic, "closed": bpf.FailClosed}

// Without a heartbeat for a lease nobody inspects, and on-failure decides. Verdicts are held much longer, so that a restart or an
// upgrade, however slow, lets nobody in.
const (
	lease = 2 * time.Second
	hold  = 5 * time.Minute
)

// protected gathers what must never be blocked: found on the host, and named: the collector, and the operator's list.
func (d *Daemon) protected() (found, named []verdict.Protected, err error) {
	if found, err = discover.Host(); err != nil {
		return nil, nil, err
	}
	if named, err = discover.Collector(d.cfg.Collector.URL); err != nil {
		return nil, nil, err
	}
	for _, s := range d.cfg.NeverBlock {
		p, err := config.ParsePrefix(s)
		if err != nil {
			return nil, nil, fmt.Errorf("never-block: %w", err)
		}
		named = append(named, verdict.Protected{Prefix: p, Why: "never-block in the configuration"})
	}
	return found, named, nil
}

// spare reports whether a packet that inspection would drop must be let through, and counts it.
func (d *Daemon) spare(src, dst decode.Addr) bool {
	spared := d.never.Spares(src.IP(), dst.IP())
	if spared {
		d.spared.Add(1)
	}
	return spared
}

func (d *Daemon) openUplink(context.Context) (err error) {
	defer func() { d.kills.inherit(d.enforcer) }()
	if d.cfg.Collector.URL == "" {
		return nil
	}
	dir := uplinkDir(d.cfg)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	d.uplink, err = uplink.New(uplink.Options{
		Sensor: d.cfg.ID, Group: d.cfg.Group, URL: d.cfg.Collector.URL, Credentials: d.cfg.Collector.Credentials, Dir: dir,
		Applier: (*applier)(d), Health: d.reportHealth, Reload: d.Reload, KillSwitch: d.killByFleet, Hold: d.holdByFleet, Arm: d.armByFleet,
		Survey: d.surveyed, Log: d.log,
	})
	return err
}

// uplinkDir is where the spool and what the collector sent are kept.
func uplinkDir(c *config.Config) string { return filepath.Join(c.State, "uplink") }

// listen opens what others connect to.
func (d *Daemon) listen(ctx context.Context) error {
	failed := func(err error) { d.fail(err) }
	if err := serve(ctx, "metrics", d.cfg.Metrics.Listen, metricsHandler(d.registry()), failed); err != nil {
		return err
	}
	return serve(ctx, "health", d.cfg.Health.Listen, healthHandler(d.unhealthy), failed)
}

// attach puts the program on the interfaces: from here on packets are judged.
func (d *Daemon) attach(context.Context) error {
	for _, name := range d.cfg.Interfaces {
		mode, err := d.kernel.Attach(name)
		if err != nil {
			return err
		}
		d.attached.Store(mode)
	}
	if !inTheWay(d.cfg) {
		return nil
	}
	return d.inlineLimits() // again: some drivers say only now what they can send
}

// missing are the features that the XDP program has to do without, each with the reason.
func (d *Daemon) missing() []string {
	var out []string
	for name, why := range d.kernel.Missing() {
		out = append(out, fmt.Sprintf("%s: %v", name, why))
	}
	slices.Sort(out)
	return out
}

// mode is how the program is attached; "" while it is not.
func (d *Daemon) mode() string {
	mode, _ := d.attached.Load().(string)
	return mode
}

// serve runs all parts until ctx ends or one of them fails.
func (d *Daemon) serve(ctx context.Context, reload <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	start := func(part func(context.Context) error) {
		wg.Go(func() {
			if err := part(ctx); err != nil && ctx.Err() == nil {
				d.fail(err)
			}
		})
	}
	for _, w := range d.workers {
		start(w.run)
	}
	start(d.watch)
	start(d.watchSights)
	if len(d.zeroCopy) > 0 {
		start(d.watchZeroCopy)
	}
	start(func(ctx context.Context) error { return sdnotify.Watchdog(ctx, d.alive) })
	start(d.awaitUpgrade)
	start(d.watchAllowances)
	if d.cfg.Mode == config.Host {
		start(func(ctx context.Context) error { floods.WatchPeers(ctx, d.enforcer.MarkGood); return nil })
	}
	if d.uplink != nil {
		start(d.uplink.Run)
	}
	if d.shipper != nil {
		start(d.shipper.Run)
	}
	if d.socket != nil {
		start(func(ctx context.Context) error { return control.Serve(ctx, d.socket, (*service)(d)) })
	}
	d.log.Info("sensor is up", "id", d.cfg.ID, "mode", d.cfg.Mode, "policy", d.cfg.Policy, "interfaces", d.cfg.Interfaces,
		"xdp", d.mode(), "adopted", d.kernel.Adopted(), "rules", d.shared.get().Counts().Loaded)
	for _, m := range d.missing() {
		d.log.Warn("the XDP program does without a feature that the kernel refuses", "feature", m)
	}
	d.tell(sdnotify.Ready)
	defer func() {
		if !d.upgrading.Load() { // the next program goes on under the same name: a unit that stops would be killed
			d.tell(sdnotify.Stopping)
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-d.failures:
			var next *Succession
			d.upgrading.Store(errors.As(err, &next))
			return err
		case <-reload:
			if err := d.Reload(); err != nil {
				d.log.Error("rules not reloaded; the old ones stay", "error", err)
			}
		}
	}
}

// tell says something to the service manager; one that does not listen is no reason to stop.
func (d *Daemon) tell(state string) {
	if err := sdnotify.Send(state); err != nil {
		d.log.Warn("the service manager was not told", "state", state, "error", err)
	}
}

// alive reports whether every worker turns: what a watchdog's restart could mend. The kill switch is not.
func (d *Daemon) alive() bool { return len(d.stuck()) == 0 }

func (d *Daemon) fail(err error) {
	select {
	case d.failures <- err:
	default: // one failure ends the sensor; more of them tell nothing
	}
}

// Reload reads the rules again and swaps them in; on error the old ones stay. Flows keep their state, no packet is lost.
func (d *Daemon) Reload() error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	rs, err := loadRules(d.cfg, d.shared.get().Ruleset)
	if err != nil {
		return err
	}
	d.shared.set(rs)
	for _, w := range d.workers {
		w.path.Load().Swap(rs.Ruleset)
	}
	if d.eve != nil {
		err = d.eve.Reopen()
	}
	d.forget(rs.Ruleset)
	d.log.Info("rules reloaded", "rules", rs.Counts().Loaded, "id", rs.id[:12])
	return err
}

// forget gives back the memory of the rules before, once all workers have taken up the new ones: the next collection would otherwise come
// only when as much again has been used.
func (d *Daemon) forget(rs *signatures.Ruleset) {
	for start := time.Now(); time.Since(start) < stuckAfter; time.Sleep(tick / 4) {
		if !slices.ContainsFunc(d.workers, func(w *worker) bool { return w.using.Load() != rs }) {
			break
		}
	}
	debug.FreeOSMemory()
}

func (d *Daemon) close() error {
	var errs []error
	if d.upgrading.Load() {
		errs = append(errs, d.bequeath())
	} else {
		for _, w := range d.workers {
			errs = append(errs, w.source.Close())
		}
	}
	if d.eve != nil {
		errs = append(errs, d.eve.Close())
	}
	if d.flows != nil {
		errs = append(errs, d.flows.Close())
	}
	if d.socket != nil {
		d.socket.Close()
	}
	if d.enforcer != nil {
		errs = append(errs, d.enforcer.Close())
	}
	if d.kernel != nil {
		errs = append(errs, d.kernel.Close())
	}
	return errors.Join(errs...)
}

// Detach removes what sensors of this configuration left in the kernel.
func Detach(cfg *config.Config) error {
	err := bpf.Unpin(cfg.BPFFS, cfg.ID)
	if cfg.Mode == config.Bridge {
		for _, name := range cfg.Interfaces {
			err = errors.Join(err, bpf.Unbridge(name))
		}
	}
	return err
}

// shared is the ruleset in force.
type shared struct {
	mu sync.Mutex
	rs *rules
}

func (s *shared) get() *rules {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rs
}

func (s *shared) set(rs *rules) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rs = rs
}
