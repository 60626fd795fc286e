package uplink

import (
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/weir-ips/weir/pkg/wire"
)

// The switch reaches the sensors of its scope, holds over a restart without the collector, and no old beacon turns it back.
func TestKillSwitch(t *testing.T) {
	w := newWorld(t)
	var now atomic.Pointer[wire.KillSwitch]
	now.Store(&wire.KillSwitch{})
	w.vlog.Kill = func() wire.KillSwitch { return *now.Load() }
	w.start()
	var edge, core atomic.Bool
	on := func(to *atomic.Bool, group string) func(*Options) {
		return func(o *Options) { o.Group, o.KillSwitch = group, func(v bool) { to.Store(v) } }
	}
	s := w.sensor("edge-1", on(&edge, "edge"))
	other := w.sensor("core-1", on(&core, "core"))
	eventually(t, "both are in sync", func() bool { return w.inSync(s) && w.inSync(other) })
	now.Store(&wire.KillSwitch{Revision: 5, Scopes: []string{"edge"}, By: "ann"})
	if err := w.log.Announce(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the group's sensor stops dropping", edge.Load)
	if core.Load() {
		t.Error("another group's sensor stopped dropping")
	}
	s.stop()
	w.stop()
	edge.Store(false)
	s = w.sensor("edge-1", on(&edge, "edge"))
	if !edge.Load() {
		t.Error("forgotten over a restart while the collector is away")
	}
	s.stop()

	k, err := openKillSwitch(&Options{Sensor: "edge-1", Group: "edge", Dir: s.o.Dir, KillSwitch: func(v bool) { edge.Store(v) }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	k.offer(&wire.KillSwitch{Revision: 4})
	if !edge.Load() {
		t.Error("an older beacon turned it off")
	}
	k.offer(&wire.KillSwitch{Revision: 6})
	if edge.Load() {
		t.Error("a newer beacon does not turn it off")
	}
}

// A part of what stops traffic is switched off on every sensor, and stays off over a restart without the collector.
func TestKillSwitchForAPart(t *testing.T) {
	w := newWorld(t)
	var now atomic.Pointer[wire.KillSwitch]
	now.Store(&wire.KillSwitch{})
	w.vlog.Kill = func() wire.KillSwitch { return *now.Load() }
	w.start()
	var held atomic.Pointer[wire.KillSwitch]
	with := func(o *Options) {
		o.KillSwitch = func(bool) { t.Error("all dropping switched for a part") }
		o.Hold = func(k wire.KillSwitch) { held.Store(&k) }
	}
	s := w.sensor("edge-1", with)
	eventually(t, "in sync", func() bool { return w.inSync(s) })
	now.Store(&wire.KillSwitch{Revision: 5, Origins: []string{"feed"}, Rules: []uint32{7}, By: "ann"})
	if err := w.log.Announce(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the sensor holds the part", func() bool { k := held.Load(); return k != nil && k.SamePart(now.Load()) })
	s.stop()
	w.stop()
	held.Store(nil)
	s = w.sensor("edge-1", with)
	if k := held.Load(); k == nil || len(k.Origins) != 1 || len(k.Rules) != 1 {
		t.Errorf("after a restart it holds %+v", k)
	}
	s.stop()
}
