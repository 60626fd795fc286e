package collector

import (
	"context"
	"errors"
	"net/netip"

	"github.com/weir-ips/weir/internal/collector/api"
	vlog "github.com/weir-ips/weir/internal/collector/log"
)

// steering is api.Steering: what the command line orders over the control socket, for the API.
type steering struct {
	*governor
	configured []netip.Prefix // never-block of collector.yaml
	approvals  *approvals
}

func (s *steering) KillSwitch() api.KillSwitch {
	k := s.settings.killSwitch()
	return api.KillSwitch{Scopes: k.Scopes, Origins: k.Origins, Rules: k.Rules, Reason: s.settings.killReason(), By: k.By, At: k.At}
}

// NeverBlock is the configuration's list, what people have added, and what sensors have found.
func (s *steering) NeverBlock() []api.Protected {
	var all []api.Protected
	for _, p := range s.configured {
		all = append(all, api.Protected{Prefix: p, Source: "configured", Reason: "never-block in collector.yaml", By: "collector.yaml"})
	}
	for _, p := range s.settings.neverBlock() {
		all = append(all, api.Protected{Prefix: p.Prefix, Source: "added", Reason: p.Reason, By: p.By, At: p.At})
	}
	for _, r := range s.sensors.All() {
		for _, text := range r.Allowances {
			if p, ok := allowance(text); ok {
				all = append(all, api.Protected{Prefix: p, Source: "sensor:" + r.Sensor, Reason: "found by the sensor", By: "sensor:" + r.Sensor})
			}
		}
	}
	return all
}

func (s *steering) Protect(ctx context.Context, p api.Protected) (lifted int, err error) {
	if err := s.approvals.changeList("never-block.add", p.Prefix, p.Reason, p.By); err != nil {
		return 0, err
	}
	return s.protect(ctx, Protected{Prefix: p.Prefix, Reason: p.Reason, By: p.By, At: p.At})
}

func (s *steering) Rollback(ctx context.Context, to uint64, by string) (api.RolledBack, error) {
	done, err := s.rollback(ctx, to, by)
	_, seq := s.log.Position()
	if errors.Is(err, vlog.ErrTooOld) {
		return api.RolledBack{}, &api.Refused{Reason: err.Error()}
	}
	return api.RolledBack{Removed: done.Removed, Restored: done.Restored, Skipped: done.Skipped, Seq: seq}, err
}

func (s *steering) Position() (epoch, seq uint64) { return s.log.Position() }

// Unprotect asks for a second person where the configuration wants one.
func (s *steering) Unprotect(ctx context.Context, prefix netip.Prefix, by string) error {
	if err := s.approvals.changeList("never-block.remove", prefix, "", by); err != nil {
		return err
	}
	return s.governor.Unprotect(ctx, prefix, by)
}

// Kill asks for a second person where the configuration wants one.
func (s *steering) Kill(ctx context.Context, k api.KillSwitch, by string) error {
	if err := s.approvals.kill(k, by); err != nil {
		return err
	}
	return s.governor.Kill(ctx, k, by)
}
