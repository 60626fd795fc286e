package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/feeds"
	"github.com/weir-ips/weir/internal/collector/policy"
	"github.com/weir-ips/weir/pkg/verdict"
)

// addedFeed is a feed that a person has added while the collector runs, or whose list that person has given.
type addedFeed struct {
	feeds.Config
	By string
	At time.Time
}

// pause is who has paused a feed, and why.
type pause struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// lists is api.Feeds: the feeds of collector.yaml and those that people have added.
type lists struct {
	configured []feeds.Config
	govern     *governor
	dir        string
	log        *slog.Logger
	works      *works

	mu    sync.Mutex
	feeds map[string]*feeds.Feed
}

func (c *collector) openFeeds() error {
	dir := c.path("feeds")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("feeds: %w", err)
	}
	c.feeds = &lists{configured: c.cfg.Feeds, govern: c.govern, dir: dir, log: c.o.Log.With("part", "feeds"), works: newWorks(), feeds: map[string]*feeds.Feed{}}
	return nil
}

// run keeps the feeds up to date until ctx ends.
func (l *lists) run(ctx context.Context) error {
	return l.works.run(ctx, func() map[string]func(context.Context) {
		want := map[string]func(context.Context){}
		paused := l.govern.settings.pausedFeeds()
		for _, f := range l.all() {
			if _, still := paused[f.Name]; !still {
				want[f.Name] = l.feed(f.Config).Run
			}
		}
		return want
	})
}

// all are the feeds' configurations; those of collector.yaml are nobody's.
func (l *lists) all() []addedFeed {
	var all []addedFeed
	for _, c := range l.configured {
		all = append(all, addedFeed{Config: c})
	}
	return append(all, l.govern.settings.addedFeeds()...)
}

func (l *lists) find(name string) (addedFeed, error) {
	for _, f := range l.all() {
		if f.Name == name {
			return f, nil
		}
	}
	return addedFeed{}, fmt.Errorf("feed %q: %w", name, api.ErrNotFound)
}

// feed is the one of a name, made when it is first asked for, and anew when another of its name was added.
func (l *lists) feed(c feeds.Config) *feeds.Feed {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.feeds[c.Name]
	if f == nil || f.Config != c {
		f = &feeds.Feed{
			Config: c, Dir: l.dir, Protected: l.govern.guard.Protected, Apply: l.govern.SetFeed, Log: l.log,
			Report: func(name, what string, detail map[string]any) {
				if err := l.govern.note(context.Background(), "feed:"+name, what, name, detail); err != nil {
					l.log.Error("not in the audit log", "error", err)
				}
			},
		}
		l.feeds[c.Name] = f
	}
	return f
}

func (l *lists) List() []api.Feed {
	var all []api.Feed
	paused := l.govern.settings.pausedFeeds()
	for _, a := range l.all() {
		s := l.feed(a.Config).Status()
		f := api.Feed{
			Name: a.Name, URL: a.URL, Format: string(a.Format), Action: a.Action, Scope: a.Scope, EverySeconds: int64(a.Every / time.Second),
			State: s.State, Entries: s.Entries, LeftOut: s.LeftOut, Error: s.Error, TriedAt: s.Tried, RenewedAt: s.Renewed, AddedBy: a.By, Own: a.List != "",
		}
		if p, ok := paused[a.Name]; ok {
			f.State, f.PausedBy, f.PausedAt, f.PausedWhy = api.FeedPaused, p.By, p.At, p.Reason
		}
		all = append(all, f)
	}
	return all
}

func (l *lists) Accept(ctx context.Context, name, by string) error {
	f, err := l.find(name)
	if err != nil {
		return err
	}
	if _, paused := l.govern.settings.pausedFeeds()[name]; paused {
		return &api.Refused{Reason: "the feed is paused: resume it first"}
	}
	if err := l.feed(f.Config).Refresh(ctx, true); err != nil {
		return err
	}
	return l.govern.note(ctx, by, "feed.accept", name, nil)
}

// maxAddedFeeds bounds how many feeds people add.
const maxAddedFeeds = 50

// Add begins a feed.
func (l *lists) Add(ctx context.Context, q api.NewFeed, by string) error {
	c := feeds.Config{Name: q.Name, URL: q.URL, Format: feeds.Format(q.Format), Every: time.Duration(q.EverySeconds) * time.Second, Action: q.Action, Scope: q.Scope, List: q.List}
	if key, reason := c.Check(); key != "" {
		if key == "every" {
			key = "every_seconds"
		}
		return &api.Invalid{Fields: []api.FieldError{{Field: key, Detail: reason}}}
	}
	if _, err := l.find(c.Name); err == nil {
		return &api.Invalid{Fields: []api.FieldError{{Field: "name", Detail: fmt.Sprintf("%q is the name of another feed", c.Name)}}}
	}
	if err := l.govern.follows(); err != nil {
		return err
	}
	err := l.govern.settings.change(func(s *settingsData) error {
		if len(s.Feeds) >= maxAddedFeeds {
			return &api.Refused{Reason: fmt.Sprintf("%d feeds were added already: configure more in collector.yaml", maxAddedFeeds)}
		}
		s.Feeds = append(s.Feeds, addedFeed{c, by, time.Now().UTC()})
		return nil
	})
	if err != nil {
		return err
	}
	l.works.look()
	return l.govern.note(ctx, by, "feed.add", c.Name, map[string]any{"after": q})
}

// Pause takes what the feed has listed out of force and leaves it alone until it is resumed.
func (l *lists) Pause(ctx context.Context, name, reason, by string) error {
	f, err := l.find(name)
	if err == nil {
		err = l.govern.follows()
	}
	if err == nil {
		err = l.govern.settings.change(func(s *settingsData) error {
			if s.Paused == nil {
				s.Paused = map[string]pause{}
			}
			s.Paused[name] = pause{by, time.Now().UTC(), reason}
			return nil
		})
	}
	if err != nil {
		return err
	}
	l.works.end(name)
	if err := l.feed(f.Config).Withdraw(ctx); err != nil {
		return err
	}
	return l.govern.note(ctx, by, "feed.pause", name, map[string]any{"reason": reason})
}

// Resume fetches the feed again, at once and from then on.
func (l *lists) Resume(ctx context.Context, name, by string) error {
	if _, err := l.find(name); err != nil {
		return err
	}
	if err := l.govern.follows(); err != nil {
		return err
	}
	if err := l.govern.settings.change(func(s *settingsData) error { delete(s.Paused, name); return nil }); err != nil {
		return err
	}
	l.works.look()
	return l.govern.note(ctx, by, "feed.resume", name, nil)
}

// Remove ends a feed that a person has added, and what it has listed.
func (l *lists) Remove(ctx context.Context, name, by string) error {
	f, err := l.find(name)
	if err == nil && f.By == "" {
		err = &api.Refused{Reason: "it is configured in collector.yaml: take it out there, or pause it"}
	}
	if err == nil {
		err = l.govern.follows()
	}
	if err == nil {
		err = l.govern.settings.change(func(s *settingsData) error {
			s.Feeds = slices.DeleteFunc(s.Feeds, func(f addedFeed) bool { return f.Name == name })
			delete(s.Paused, name)
			return nil
		})
	}
	if err != nil {
		return err
	}
	l.works.end(name)
	gone := l.feed(f.Config)
	if err := errors.Join(gone.Withdraw(ctx), gone.Forget()); err != nil {
		return err
	}
	return l.govern.note(ctx, by, "feed.remove", name, nil)
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
