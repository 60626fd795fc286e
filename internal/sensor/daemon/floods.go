package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/weir-ips/weir/internal/sensor/config"
	"github.com/weir-ips/weir/internal/sensor/floods"
	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/threshold"
	"github.com/weir-ips/weir/pkg/wire"
)

// newFloods returns the control loop of floods. SYNs, ICMP and fragments are counted in the kernel, which sees also what it drops; so
// is UDP where one side is seen. Where both are, only inspection knows which datagrams nobody answers: the kernel's count is then
// held against what is usual alone.
func (d *Daemon) newFloods() *floods.Control {
	f := d.cfg.Floods
	c := threshold.FloodConfig{}
	c.Floors[threshold.FloodSYN], c.Floors[threshold.FloodICMP], c.Floors[threshold.FloodFragment] = f.SYN, f.ICMP, f.Fragments
	c.Off[threshold.FloodSYN], c.Off[threshold.FloodICMP], c.Off[threshold.FloodFragment] = f.SYN == 0, f.ICMP == 0, f.Fragments == 0
	c.Off[threshold.FloodUDP] = f.UDP == 0
	if d.cfg.Mode == config.Host {
		c.Floors[threshold.FloodUDP] = f.UDP
	}
	return floods.New(floods.Options{
		Kernel: d.enforcer, Floods: c, Limits: d.limits(), Carpet: threshold.DefaultLimits().Carpet, Learn: f.Learn, OneSide: d.cfg.Mode == config.Host, Enforce: d.cfg.Enforcing(),
		Dir: d.cfg.State, Publish: d.publishAttack, Log: d.log,
	}, time.Now())
}

// limits are the thresholds of what inspection counts.
func (d *Daemon) limits() threshold.Limits {
	l := threshold.DefaultLimits()
	l.SYN, l.UDP, l.ICMP, l.Fragments = 0, d.cfg.Floods.UDP, 0, 0
	l.HTTP, l.TLS = d.cfg.Floods.Requests, d.cfg.Floods.Handshakes
	if d.cfg.Mode == config.Host {
		// One side is seen: what is answered looks unanswered, and handshakes could be forged. The host itself is asked for them.
		l.Carpet, l.UDP, l.Stray = 0, 0, 0
	}
	return l
}

// detect makes a worker's path look for attacks that are a matter of how often.
func (d *Daemon) detect(c *path.Config) {
	limits := d.limits()
	c.Detect = &limits
	c.Hooks.Detected = d.floods.Report
	if d.cfg.Mode == config.Host {
		return
	}
	c.Hooks.Handshake = d.floods.Handshake
	c.Hooks.Asked = func(server decode.Addr) { d.enforcer.MarkGood(server.IP()) }
}

// publishAttack writes the alert of an attack's start, update or end.
func (d *Daemon) publishAttack(a *threshold.Detection) {
	l := event.Logger{Outputs: d.outputs(), Iface: d.cfg.Interfaces[0], Sensor: d.cfg.ID, OnAlert: d.onAlert}
	path.RecordDetection(&l, a)
}

// tally tells the collector what is counted of destinations.
func (d *Daemon) tally(now time.Time) {
	if d.uplink == nil {
		return
	}
	t := wire.Tally{Mode: string(d.cfg.Mode)}
	if !d.floods.Tally(&t, now) {
		return
	}
	if err := d.uplink.Tally(&t); err != nil {
		if ok, skipped := d.troubleLog.Allow(now); ok {
			d.log.Warn("the collector was not told of floods", "error", err, "similar", skipped)
		}
	}
}

// armByFleet arms what the collector says is under attack.
func (d *Daemon) armByFleet(a *wire.Arming) { d.floods.Order(a, time.Now()) }

// watchSights follows what the kernel shows of packets to some destinations.
func (d *Daemon) watchSights(ctx context.Context) error {
	s, err := d.enforcer.OpenSightings()
	if err != nil {
		return err
	}
	return d.floods.Watch(ctx, s)
}

// watch is the sensor's control loop: it shows the kernel that the sensor lives, ends what has expired, and looks for floods.
func (d *Daemon) watch(ctx context.Context) error {
	tick := time.NewTicker(config.HeartbeatEvery)
	defer tick.Stop()
	defer func() { d.floods.Close(time.Now()) }()
	var swept time.Time
	for {
		now := time.Now()
		d.enforcer.Heartbeat()
		d.floods.Look(now)
		d.tally(now)
		if now.Sub(swept) >= time.Second {
			swept = now
			d.sweep(now)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sweep ends what has expired, says what the drop-share breaker has suspended, and writes records out. What goes wrong here must not
// end the sensor: a full disk is no reason to stop protecting.
func (d *Daemon) sweep(now time.Time) {
	tripped, err := d.enforcer.Sweep()
	if len(tripped) > 0 {
		d.log.Error("the drop-share breaker has suspended verdicts: they count and drop nothing", "verdicts", tripped)
	}
	if d.eve != nil {
		if flushErr := d.eve.Flush(); flushErr != nil {
			err = errors.Join(err, flushErr, d.eve.Reopen()) // records are lost and counted until the disk takes them again
		}
	}
	if d.flows != nil {
		err = errors.Join(err, d.flows.Tick(now.UnixNano()))
	}
	if err == nil {
		return
	}
	if ok, skipped := d.troubleLog.Allow(now); ok {
		d.log.Error("the sensor goes on without", "error", err, "similar", skipped)
	}
}
