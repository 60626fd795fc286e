package incident

import (
	"cmp"
	"context"
	"errors"
	"fmt"
)

// ErrFollows says that another collector keeps the incidents.
var ErrFollows = errors.New("another collector keeps the incidents")

// Change carries out what a person decides, on disk before it returns.
func (t *Tracker) Change(ctx context.Context, id string, c Change) (Detail, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.follows {
		return Detail{}, ErrFollows
	}
	in, cold := t.active[id], false
	if in == nil {
		var err error
		if in, err = t.load(ctx, id); err != nil {
			return Detail{}, err
		}
		cold = true
	}
	before, err := in.encode()
	if err != nil {
		return Detail{}, fmt.Errorf("incident %s: %w", id, err)
	}
	in.change(c, t)
	t.touch(in)
	w, err := in.write()
	if err == nil {
		err = t.put(ctx, []written{w})
	}
	if err != nil {
		if was, e := revive(before); e == nil && !cold {
			in.Detail, in.judged = was.Detail, was.judged
			in.sources, in.targets = tally{Parties: &in.Sources}, tally{Parties: &in.Targets}
		}
		return Detail{}, fmt.Errorf("incident %s: %w", id, err)
	}
	in.dirty = false
	if cold {
		t.adopt(in) // until the next sweep: followers hear of it
	}
	return in.copied(), nil
}

func (in *live) change(c Change, t *Tracker) {
	now := t.opt.Now().UTC()
	if c.State != "" && (c.State != in.State || c.Resolution != "" && c.Resolution != in.Resolution) {
		in.State, in.Resolution = c.State, ""
		text := c.State
		if c.State == StateResolved {
			in.Resolution = cmp.Or(c.Resolution, TruePositive)
			text += ": " + in.Resolution
		}
		in.say(now, "state", c.Actor, "%s", text)
	}
	if c.Severity != "" && c.Severity != in.Severity {
		in.say(now, "severity", c.Actor, "from %s to %s", in.Severity, c.Severity)
		in.Severity, in.judged = c.Severity, true
	}
	if c.Assignee != nil && *c.Assignee != in.Assignee {
		in.Assignee = *c.Assignee
		in.say(now, "assignee", c.Actor, "%s", cmp.Or(in.Assignee, "nobody"))
	}
	if c.Comment != "" {
		in.say(now, "comment", c.Actor, "%s", c.Comment)
	}
	in.Updated = now
}
