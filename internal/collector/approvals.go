package collector

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// ApprovalConfig is the section "approvals" of collector.yaml.
type ApprovalConfig struct {
	Classes []string      `yaml:"classes"` // of orders for which one person is not enough
	Expire  time.Duration `yaml:"expire"`  // how long an order waits
}

// Classes of orders.
const (
	classWide       = "wide"        // stops a prefix wider than one person may
	classPrivate    = "private"     // stops private addresses
	classLong       = "long"        // stops for more than a day
	classFleet      = "fleet"       // stops on all sensors
	classAllow      = "allow"       // lets a source through
	classNeverBlock = "never-block" // changes the list of what is never blocked
	classKillSwitch = "kill-switch" // stops dropping on all sensors
)

func classes() []string {
	return []string{classWide, classPrivate, classLong, classFleet, classAllow, classNeverBlock, classKillSwitch}
}

func (a *ApprovalConfig) check() (key, reason string) {
	for i, c := range a.Classes {
		if !slices.Contains(classes(), c) {
			return fmt.Sprintf("classes[%d]", i), fmt.Sprintf("%q is not one of %s", c, strings.Join(classes(), ", "))
		}
	}
	if a.Expire < time.Minute || a.Expire > 7*24*time.Hour {
		return "expire", fmt.Sprintf("%s is not from 1m to 168h", a.Expire)
	}
	return "", ""
}

// maxWaiting bounds what waits for a second person.
const maxWaiting = 100

// approvals is api.Approvals; what waits is in the settings.
type approvals struct {
	*governor
	ApprovalConfig
}

func (a *approvals) needs(class string) bool { return slices.Contains(a.Classes, class) }

// class is why one person is not enough for v; empty if one is.
func (a *approvals) class(v *verdict.Verdict) string {
	src := source(v)
	switch limits := verdict.DefaultLimits(1); {
	case v.Allows() && a.needs(classAllow):
		return classAllow
	case !v.Stops():
		return ""
	case a.needs(classWide) && src.IsValid() && (src.Addr().Is4() && src.Bits() < limits.Bits4[v.Origin] || src.Addr().Is6() && src.Bits() < limits.Bits6[v.Origin]):
		return classWide
	case a.needs(classPrivate) && src.Addr().IsPrivate():
		return classPrivate
	case a.needs(classLong) && v.ExpiresAt.Sub(v.CreatedAt) > api.ResponderTTL:
		return classLong
	case a.needs(classFleet) && v.Action == verdict.Drop && (v.Scope == "" || v.Scope == wire.ScopeAll):
		return classFleet
	}
	return ""
}

// Add puts a person's verdict into force, or keeps it until another agrees. What nobody could approve is refused at once.
func (a *approvals) Add(ctx context.Context, v verdict.Verdict) (api.VerdictStatus, error) {
	class := a.class(&v)
	if class == "" || v.ApprovedBy != "" {
		return a.governor.Add(ctx, v)
	}
	asIf := v
	asIf.ApprovedBy = "a second person"
	if err := a.guard.Check(&asIf); err != nil {
		return api.VerdictStatus{}, &api.Refused{Reason: err.Error()}
	}
	status := api.VerdictStatus{Verdict: v, State: stateProposed}
	return api.VerdictStatus{}, a.ask(api.Approval{
		Kind: "verdict", Class: class, By: v.CreatedBy, Verdict: &status, Reason: v.Reason, TTL: int64(v.ExpiresAt.Sub(v.CreatedAt) / time.Second),
		Summary: fmt.Sprintf("%s of %s", actionOf(&v), source(&v)),
	})
}

// Preview also says whether v would wait for a second person, and what nobody could approve.
func (a *approvals) Preview(ctx context.Context, v verdict.Verdict) (api.Preview, error) {
	class := a.class(&v)
	if class != "" {
		v.ApprovedBy = "a second person"
	}
	p, err := a.governor.Preview(ctx, v)
	p.Approval = class
	return p, err
}

// stateProposed is a verdict that waits for a second person.
const stateProposed = "proposed"

func actionOf(v *verdict.Verdict) string {
	return map[verdict.Action]string{verdict.Drop: "drop", verdict.RateLimit: "rate limit", verdict.Pass: "pass", verdict.Bypass: "bypass"}[v.Action]
}

// ask keeps something until a second person agrees: the error is *api.Awaiting.
func (a *approvals) ask(p api.Approval) error {
	if err := a.follows(); err != nil {
		return err
	}
	now := time.Now().UTC()
	p.ID, p.At, p.ExpiresAt = "p-"+strings.ToLower(rand.Text()[:10]), now, now.Add(a.Expire)
	err := a.settings.change(func(s *settingsData) error {
		s.Waiting = slices.DeleteFunc(s.Waiting, func(w api.Approval) bool { return !w.ExpiresAt.After(now) })
		if len(s.Waiting) >= maxWaiting {
			return &api.Refused{Reason: fmt.Sprintf("%d orders wait for a second person already", maxWaiting)}
		}
		s.Waiting = append(s.Waiting, p)
		return nil
	})
	if err != nil {
		return err
	}
	return &api.Awaiting{Approval: p}
}

// Waiting lists what waits, the oldest first.
func (a *approvals) Waiting() []api.Approval {
	now := time.Now()
	return slices.DeleteFunc(a.settings.waiting(), func(w api.Approval) bool { return !w.ExpiresAt.After(now) })
}

// take removes what waits under id, if check agrees, and returns it.
func (a *approvals) take(id string, check func(*api.Approval) error) (taken api.Approval, err error) {
	if err := a.follows(); err != nil {
		return taken, err
	}
	err = a.settings.change(func(s *settingsData) error {
		i := slices.IndexFunc(s.Waiting, func(w api.Approval) bool { return w.ID == id && w.ExpiresAt.After(time.Now()) })
		if i < 0 {
			return fmt.Errorf("approval %s: %w", id, api.ErrNotFound)
		}
		taken = s.Waiting[i]
		if err := check(&taken); err != nil {
			return err
		}
		s.Waiting = slices.Delete(s.Waiting, i, i+1)
		return nil
	})
	return taken, err
}

// Decline drops what waits.
func (a *approvals) Decline(_ context.Context, id, _ string) (api.Approval, error) {
	return a.take(id, func(*api.Approval) error { return nil })
}

// Approve carries out what waits.
func (a *approvals) Approve(ctx context.Context, id, by string) (api.Approval, error) {
	p, err := a.take(id, func(p *api.Approval) error {
		if p.By == by {
			return &api.Refused{Reason: fmt.Sprintf("%s has asked for it: somebody else must agree", by)}
		}
		return nil
	})
	if err != nil {
		return p, err
	}
	switch p.Kind {
	case "verdict":
		v := p.Verdict.Verdict
		v.ApprovedBy, v.CreatedAt = by, time.Now().UTC()
		v.ExpiresAt = v.CreatedAt.Add(time.Duration(p.TTL) * time.Second)
		var added api.VerdictStatus
		if added, err = a.governor.Add(ctx, v); err == nil {
			p.Verdict = &added
		}
	case "never-block.add":
		_, err = a.protect(ctx, Protected{Prefix: p.Prefix, Reason: p.Reason, By: p.By + ", " + by, At: time.Now().UTC()})
	case "never-block.remove":
		err = a.governor.Unprotect(ctx, p.Prefix, p.By+", "+by)
	case "kill-switch":
		err = a.governor.Kill(ctx, api.KillSwitch{Scopes: p.Scopes, Origins: p.Origins, Rules: p.Rules, Reason: p.Reason}, p.By+", "+by)
	default:
		err = fmt.Errorf("approval of kind %q", p.Kind)
	}
	return p, err
}

// changeList keeps a change of the never-block list until a second person agrees; nil if one is enough.
func (a *approvals) changeList(kind string, prefix netip.Prefix, reason, by string) error {
	if !a.needs(classNeverBlock) {
		return nil
	}
	return a.ask(api.Approval{Kind: kind, Class: classNeverBlock, By: by, Prefix: prefix, Reason: reason, Summary: kind + " " + prefix.String()})
}

// kill keeps a fleet-wide kill switch until a second person agrees; nil if one is enough. To resume needs nobody else.
func (a *approvals) kill(k api.KillSwitch, by string) error {
	if !a.needs(classKillSwitch) || !slices.Contains(k.Scopes, wire.ScopeAll) {
		return nil
	}
	return a.ask(api.Approval{Kind: "kill-switch", Class: classKillSwitch, By: by, Reason: k.Reason, Scopes: k.Scopes, Origins: k.Origins, Rules: k.Rules, Summary: "no dropping on any sensor"})
}
