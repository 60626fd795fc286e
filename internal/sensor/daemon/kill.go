package daemon

import (
	"log/slog"
	"slices"
	"sync"

	"github.com/weir-ips/weir/pkg/signatures/keyword"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/verdict/enforce"
	"github.com/weir-ips/weir/pkg/wire"
)

// kills is the kill switch's two hands: this host's operator and the collector. Nothing is dropped while either is on it.
type kills struct {
	mu           sync.Mutex
	local, fleet bool
}

// inherit takes over the switch as an earlier process left it. What the collector has not ordered was somebody's on this host.
func (k *kills) inherit(e *enforce.Enforcer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.local = e.Killed() && !k.fleet
}

func (k *kills) set(hand *bool, on bool, e *enforce.Enforcer, log *slog.Logger, who string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if *hand == on {
		return
	}
	*hand = on
	e.KillSwitch(k.local || k.fleet)
	log.Warn("kill switch", "by", who, "on", on, "in_force", k.local || k.fleet)
}

func (d *Daemon) killByFleet(on bool) {
	d.kills.set(&d.kills.fleet, on, d.enforcer, d.log, "collector")
}

func (d *Daemon) killHere(on bool) { d.kills.set(&d.kills.local, on, d.enforcer, d.log, "operator") }

// holdByFleet has what the collector switched off in part count and stop nothing.
func (d *Daemon) holdByFleet(k wire.KillSwitch) {
	h := enforce.Hold{Rules: k.Rules}
	for _, name := range k.Origins {
		var o verdict.Origin
		if err := o.UnmarshalText([]byte(name)); err == nil {
			h.Origins = append(h.Origins, o)
		}
	}
	d.held.Store(&h)
	if err := d.enforcer.Hold(h); err != nil {
		d.log.Error("verdicts that the kill switch is on for may still stop traffic", "error", err)
	}
}

// unless has a policy of blocking pass over what the kill switch is on for.
func (d *Daemon) unless(block func(*keyword.Signature) bool) func(*keyword.Signature) bool {
	if block == nil {
		return nil
	}
	return func(s *keyword.Signature) bool {
		if h := d.held.Load(); h != nil && (slices.Contains(h.Origins, verdict.OriginRule) || slices.Contains(h.Rules, s.SID)) {
			return false
		}
		return block(s)
	}
}
