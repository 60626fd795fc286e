package collector

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/feeds"
	"github.com/weir-ips/weir/internal/collector/policy"
	"github.com/weir-ips/weir/pkg/verdict"
)

func (c *collector) openFeeds() error {
	dir := c.path("feeds")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("feeds: %w", err)
	}
	for _, cfg := range c.cfg.Feeds {
		c.feeds = append(c.feeds, &feeds.Feed{
			Config: cfg, Dir: dir, Protected: c.govern.guard.Protected, Apply: c.govern.SetFeed, Log: c.o.Log.With("part", "feeds"),
			Report: func(name, what string, detail map[string]any) {
				if err := c.govern.note(context.Background(), "feed:"+name, what, name, detail); err != nil {
					c.o.Log.Error("not in the audit log", "error", err)
				}
			},
		})
	}
	return nil
}

// runFeeds keeps the feeds up to date until ctx ends.
func (c *collector) runFeeds(ctx context.Context) error {
	var all sync.WaitGroup
	for _, f := range c.feeds {
		all.Go(func() { f.Run(ctx) })
	}
	all.Wait()
	return nil
}

// lists is api.Feeds.
type lists struct{ c *collector }

func (l lists) List() []api.Feed {
	var all []api.Feed
	for _, f := range l.c.feeds {
		s := f.Status()
		all = append(all, api.Feed{
			Name: f.Name, URL: f.URL, Format: string(f.Format), Action: f.Action, Scope: f.Scope, EverySeconds: int64(f.Every / time.Second),
			State: s.State, Entries: s.Entries, Error: s.Error, TriedAt: s.Tried, RenewedAt: s.Renewed,
		})
	}
	return all
}

func (l lists) Accept(ctx context.Context, name, by string) error {
	return l.c.acceptFeed(ctx, name, by)
}

func (c *collector) acceptFeed(ctx context.Context, name, by string) error {
	for _, f := range c.feeds {
		if f.Name != name {
			continue
		}
		if err := f.Refresh(ctx, true); err != nil {
			return err
		}
		return c.govern.note(ctx, by, "feed.accept", name, nil)
	}
	return fmt.Errorf("feed %q: %w", name, api.ErrNotFound)
}

// SetFeed makes list, which feeds.Clean has held against the guard's prefixes as a whole, the feed's set of verdicts. What a
// person has revoked stays away.
func (g *governor) SetFeed(ctx context.Context, cfg *feeds.Config, list []netip.Prefix) error {
	now := time.Now()
	have, wanted := map[string]verdict.Verdict{}, make(map[string]bool, len(list))
	for _, v := range g.log.List() {
		if v.CreatedBy == "feed:"+cfg.Name && strings.HasPrefix(v.ID, "feed-") {
			have[v.ID] = v
		}
	}
	var add []verdict.Verdict
	decides := g.decides()
	for _, p := range list {
		v := cfg.Verdict(p, now)
		decides.AtMost.Rung(&v)
		wanted[v.ID] = true
		if old, ok := have[v.ID]; ok && old.Action == v.Action && old.Scope == v.Scope && old.ExpiresAt.Sub(now) > cfg.Life()*2/3 {
			continue
		}
		if !g.log.Revoked(&v) {
			add = append(add, v)
		}
	}
	var gone []string
	for id := range have {
		if !wanted[id] {
			gone = append(gone, id)
		}
	}
	if err := g.checkFeedSpace(add, gone, have, decides.Limits.FeedAddresses); err != nil {
		return fmt.Errorf("feed %s: %w", cfg.Name, err)
	}
	if err := g.log.Change(ctx, add, gone, "feed:"+cfg.Name); err != nil {
		return fmt.Errorf("feed %s: %w", cfg.Name, err)
	}
	if len(add)+len(gone) == 0 {
		return nil
	}
	return g.note(ctx, "feed:"+cfg.Name, "feed.apply", cfg.Name, map[string]any{"added_or_renewed": len(add), "removed": len(gone)})
}

// checkFeedSpace refuses a list with which feeds would stop more addresses than they may, all of them together. What is in force stays.
func (g *governor) checkFeedSpace(add []verdict.Verdict, gone []string, have map[string]verdict.Verdict, most uint64) error {
	space := g.log.Space()
	for _, id := range gone {
		v := have[id]
		space.Remove(&v)
	}
	for i := range add {
		if old, ok := have[add[i].ID]; ok {
			space.Remove(&old)
		}
		space.Add(&add[i])
	}
	if n := space[verdict.OriginFeed]; n > most {
		return &policy.Refused{Reason: fmt.Sprintf("feeds would stop %d addresses, at most %d (policy.limits.feed-addresses): the list is not taken", n, most)}
	}
	return nil
}
