package collector

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/weir-ips/weir/internal/collector/api"
	vlog "github.com/weir-ips/weir/internal/collector/log"
	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// maxProtected bounds the run-time never-block list.
const maxProtected = 10_000

// Protect puts a prefix on the never-block list and lifts every verdict that stops any of it, from all sensors at once.
func (g *governor) protect(ctx context.Context, p Protected) (lifted int, err error) {
	if p.Reason == "" || p.By == "" {
		return 0, &api.Invalid{Fields: []api.FieldError{{Field: "reason", Detail: "say who and why: the list outlives memories"}}}
	}
	if err := g.follows(); err != nil {
		return 0, err
	}
	err = g.settings.change(func(s *settingsData) error {
		s.NeverBlock = slices.DeleteFunc(s.NeverBlock, func(q Protected) bool { return q.Prefix == p.Prefix })
		if len(s.NeverBlock) >= maxProtected {
			return &api.Refused{Reason: fmt.Sprintf("the list has %d prefixes already", maxProtected)}
		}
		s.NeverBlock = append(s.NeverBlock, p)
		return nil
	})
	if err != nil {
		return 0, err
	}
	var ids []string
	for _, v := range g.log.List() {
		if v.Stops() && source(&v).IsValid() && source(&v).Overlaps(p.Prefix) {
			ids = append(ids, v.ID)
		}
	}
	if lifted, err = g.log.RemoveAll(ctx, ids, p.By); err != nil {
		return lifted, fmt.Errorf("%s is on the list, but its verdicts are not lifted: %w", p.Prefix, err)
	}
	return lifted, g.note(ctx, p.By, "never-block.add", p.Prefix.String(), map[string]any{"after": p, "lifted": lifted})
}

// Unprotect takes a prefix off the list again. What was lifted does not come back.
func (g *governor) Unprotect(ctx context.Context, prefix netip.Prefix, by string) error {
	if err := g.follows(); err != nil {
		return err
	}
	err := g.settings.change(func(s *settingsData) error {
		n := len(s.NeverBlock)
		if s.NeverBlock = slices.DeleteFunc(s.NeverBlock, func(q Protected) bool { return q.Prefix == prefix }); len(s.NeverBlock) == n {
			return fmt.Errorf("never-block %s: %w", prefix, api.ErrNotFound)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return g.note(ctx, by, "never-block.remove", prefix.String(), nil)
}

// Kill puts k in the place of the switch: nothing is dropped in its scopes, and verdicts of its origins and rules stop nothing anywhere.
// With nothing in its lists dropping resumes. Sensors hear it at once and remember it.
func (g *governor) Kill(ctx context.Context, k api.KillSwitch, by string) error {
	for _, s := range k.Scopes {
		if err := wire.CheckName(s); err != nil {
			return &api.Invalid{Fields: []api.FieldError{{Field: "scopes", Detail: err.Error()}}}
		}
	}
	now := time.Now().UTC()
	next := wire.KillSwitch{Scopes: k.Scopes, Origins: k.Origins, Rules: k.Rules, By: by, At: now}
	if err := next.Check(); err != nil {
		return &api.Refused{Reason: err.Error()}
	}
	if err := g.follows(); err != nil {
		return err
	}
	var was wire.KillSwitch
	err := g.settings.change(func(s *settingsData) error {
		was = s.Kill
		next.Revision = max(was.Revision+1, uint64(now.UnixMilli()))
		s.Kill, s.KillReason = next, k.Reason
		return nil
	})
	if err != nil {
		return err
	}
	if err := g.log.Announce(); err != nil {
		return fmt.Errorf("the kill switch is set, and sensors hear of it with the next beacon: %w", err)
	}
	return g.note(ctx, by, "kill-switch", "fleet", map[string]any{
		"before": was.Scopes, "after": k.Scopes, "origins": k.Origins, "rules": k.Rules, "reason": k.Reason,
	})
}

// Rollback makes the verdicts in force those of an earlier position. What the guard would refuse now does not come back.
func (g *governor) rollback(ctx context.Context, to uint64, by string) (vlog.RolledBack, error) {
	if err := g.follows(); err != nil {
		return vlog.RolledBack{}, err
	}
	done, err := g.log.Rollback(ctx, to, by, func(v *verdict.Verdict) bool { return g.guard.Check(v) == nil })
	if err != nil {
		return done, err
	}
	return done, g.note(ctx, by, "rollback", fmt.Sprint(to), map[string]any{"after": done})
}

func (g *governor) note(ctx context.Context, actor, action, object string, detail map[string]any) error {
	text, err := json.Marshal(detail)
	if err == nil {
		_, err = g.audit.Append(ctx, store.Entry{Actor: actor, Action: action, Object: object, Remote: api.OriginOf(ctx), Detail: text})
	}
	if err != nil {
		return fmt.Errorf("audit %s of %s: %w", action, object, err)
	}
	return nil
}
