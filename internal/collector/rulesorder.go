package collector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/weir-ips/weir/internal/collector/rollout"
	"github.com/weir-ips/weir/pkg/wire"
)

// RulesOrder is an order about rule bundles; exactly one of its first fields is set.
type RulesOrder struct {
	Upload   string           `json:"upload,omitempty"`  // text
	Compare  string           `json:"compare,omitempty"` // version, or the beginning of one
	Stage    *rollout.Request `json:"stage,omitempty"`
	Promote  string           `json:"promote,omitempty"` // rollout
	Rollback string           `json:"rollback,omitempty"`
	List     bool             `json:"list,omitempty"`

	Scope string `json:"scope,omitempty"` // for Upload and Compare: against what runs there
}

// RulesOutcome is the answer to it.
type RulesOutcome struct {
	Bundles  []rollout.Bundle  `json:"bundles,omitempty"`
	Rollouts []rollout.Rollout `json:"rollouts,omitempty"`
	Changes  *rollout.Changes  `json:"changes,omitempty"`
}

// obeyRules carries an order about rules out, and notes it.
func (c *collector) obeyRules(ctx context.Context, o *RulesOrder, by string) (out *RulesOutcome, err error) {
	out = &RulesOutcome{}
	switch {
	case o.List:
		out.Bundles, out.Rollouts = c.rules.Bundles(), c.rules.Rollouts()
	case o.Upload != "":
		err = c.uploadRules(ctx, o, by, out)
	case o.Compare != "":
		err = c.compareRules(o, out)
	case o.Stage != nil:
		err = c.stageRules(ctx, *o.Stage, by, out)
	case o.Promote != "":
		err = c.endRollout(ctx, "rules.promote", o.Promote, by, c.rules.Promote, out)
	case o.Rollback != "":
		err = c.endRollout(ctx, "rules.rollback", o.Rollback, by, c.rules.Rollback, out)
	default:
		err = errors.New("an order about rules without anything to do")
	}
	return out, err
}

func (c *collector) uploadRules(ctx context.Context, o *RulesOrder, by string, out *RulesOutcome) error {
	b, err := c.rules.Add(o.Upload, by)
	if err != nil {
		return err
	}
	out.Bundles = []rollout.Bundle{b}
	changes, err := c.rules.Compare(c.rules.Running(cmp.Or(o.Scope, wire.ScopeAll)).Version, b.Version)
	if err != nil {
		return err
	}
	out.Changes = &changes
	return c.govern.note(ctx, by, "rules.upload", b.Version, map[string]any{"count": b.Count, "bytes": b.Bytes})
}

func (c *collector) compareRules(o *RulesOrder, out *RulesOutcome) error {
	version, err := c.version(o.Compare)
	if err != nil {
		return err
	}
	changes, err := c.rules.Compare(c.rules.Running(cmp.Or(o.Scope, wire.ScopeAll)).Version, version)
	out.Changes = &changes
	return err
}

func (c *collector) stageRules(ctx context.Context, q rollout.Request, by string, out *RulesOutcome) (err error) {
	if q.Version, err = c.version(q.Version); err != nil {
		return err
	}
	r, err := c.rules.Stage(q, by)
	if err != nil {
		return err
	}
	out.Rollouts = []rollout.Rollout{r}
	return c.govern.note(ctx, by, "rules.stage", r.ID, map[string]any{
		"version": r.Version, "scope": r.Scope, "canary": r.Canary, "counts": r.Changes.Counts, "auto": r.Auto})
}

func (c *collector) endRollout(ctx context.Context, action, id, by string, do func(id, by string) (rollout.Rollout, error), out *RulesOutcome) error {
	r, err := do(id, by)
	if err != nil {
		return err
	}
	out.Rollouts = []rollout.Rollout{r}
	return c.govern.note(ctx, by, action, r.ID, map[string]any{"scope": r.Scope, "version": r.Version, "before": r.Before})
}

// version finds the bundle whose version begins so.
func (c *collector) version(begin string) (found string, err error) {
	for _, b := range c.rules.Bundles() {
		switch {
		case begin == "" || !strings.HasPrefix(b.Version, begin):
		case found != "":
			return "", fmt.Errorf("bundles %.12s and %.12s both begin with %s", found, b.Version, begin)
		default:
			found = b.Version
		}
	}
	if found == "" {
		return "", fmt.Errorf("no bundle %q: `collector rules list` has them", begin)
	}
	return found, nil
}
