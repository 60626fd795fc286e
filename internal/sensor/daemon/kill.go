package daemon

import (
	"log/slog"
	"sync"

	"github.com/weir-ips/weir/pkg/verdict/enforce"
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
