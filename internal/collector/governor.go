package collector

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/bus"
	vlog "github.com/weir-ips/weir/internal/collector/log"
	"github.com/weir-ips/weir/internal/collector/policy"
	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// governor is where every verdict passes, whoever asks for it: the API on behalf of a person, or the policy. It is api.Verdicts
// and policy.Decider.
type governor struct {
	log     *vlog.Log
	sensors *bus.Sensors
	alerts  api.Alerts
	audit   api.Audit
	guard   policy.Guard
	follows func() error // not nil where another collector makes the changes

	settings *settings
	surveyor *surveyor
	trials   *trials   // nil: what automation wants is carried out by all at once
	renewals *renewals // nil: nothing is prolonged
	decides  func() policy.Config
	tally    tally
}

// Decide puts an automatic verdict into force, unless a person has decided about the source already. What is for many sensors is tried
// by one first.
func (g *governor) Decide(ctx context.Context, v verdict.Verdict) error {
	decides := g.decides()
	decides.AtMost.Rung(&v)
	if err := g.mayDecide(&v, &decides); err != nil {
		return err
	}
	if have, ok := g.log.Get(v.ID); ok && have.Action == v.Action {
		return nil // from before this collector led: renewals look after it
	}
	wanted, canary := v, g.trials.choose(&v)
	if canary != "" {
		v.Scope = canary
	}
	added, err := g.log.Add(ctx, v)
	if errors.Is(err, vlog.ErrRevoked) {
		return &policy.Refused{Reason: err.Error()}
	}
	if err != nil {
		return err
	}
	detail := map[string]any{"after": added}
	if canary != "" {
		g.trials.begin(wanted, canary)
		detail["canary"], detail["scope"] = canary, wanted.Scope
	}
	g.renewals.add(&added)
	return g.note(ctx, "policy", "verdict.add", added.ID, detail)
}

// mayDecide is why automation may not decide v.
func (g *governor) mayDecide(v *verdict.Verdict, c *policy.Config) error {
	if err := g.guard.Check(v); err != nil {
		return err
	}
	if err := verdict.CheckSpace(v, g.log.Space()[v.Origin], c.Limits.Addresses); err != nil {
		return &policy.Refused{Reason: err.Error()}
	}
	if until, ok := g.log.RevokedAnywhere(v); ok {
		return &policy.Refused{Reason: fmt.Sprintf("a verdict on %s was taken back: automation may decide again at %s", source(v), until.Format(time.RFC3339))}
	}
	for _, have := range g.log.Covering(v.Match.Src) {
		if have.Origin == verdict.OriginAnalyst && sameScope(have.Scope, v.Scope) {
			return &policy.Refused{Reason: fmt.Sprintf("%s has decided about %s already, in verdict %s", have.CreatedBy, have.Match.Src, have.ID)}
		}
	}
	return nil
}

func sameScope(a, b string) bool {
	return a == b || a == "" || a == wire.ScopeAll
}

// Add puts a person's verdict into force.
func (g *governor) Add(ctx context.Context, v verdict.Verdict) (api.VerdictStatus, error) {
	if err := g.follows(); err != nil {
		return api.VerdictStatus{}, err
	}
	v.ID = "v-" + strings.ToLower(rand.Text()[:16])
	if v.Scope == "" {
		v.Scope = wire.ScopeAll
	}
	if err := wire.CheckName(v.Scope); err != nil {
		return api.VerdictStatus{}, &api.Invalid{Fields: []api.FieldError{{Field: "scope", Detail: err.Error()}}}
	}
	if err := g.guard.Check(&v); err != nil {
		return api.VerdictStatus{}, &api.Refused{Reason: err.Error()}
	}
	if err := wire.CheckVerdict(&v); err != nil {
		return api.VerdictStatus{}, &api.Invalid{Fields: []api.FieldError{{Field: "match", Detail: err.Error()}}}
	}
	added, err := g.log.Add(ctx, v)
	if errors.Is(err, vlog.ErrFull) {
		return api.VerdictStatus{}, &api.Refused{Reason: err.Error()}
	}
	if err != nil {
		return api.VerdictStatus{}, err
	}
	return g.view().status(added, stateActive), nil
}

// Remove ends a verdict.
func (g *governor) Remove(ctx context.Context, id, actor string) (api.VerdictStatus, error) {
	if err := g.follows(); err != nil {
		return api.VerdictStatus{}, err
	}
	view := g.view()
	v, err := g.log.Remove(ctx, id, actor)
	if errors.Is(err, vlog.ErrUnknown) {
		return api.VerdictStatus{}, fmt.Errorf("verdict %q: %w", id, api.ErrNotFound)
	}
	if err != nil {
		return api.VerdictStatus{}, err
	}
	return view.status(v, stateRevoked), nil
}

// States of api.VerdictStatus.
const (
	stateActive  = "active"
	stateCanary  = "canary" // one sensor tries it
	stateExpired = "expired"
	stateRevoked = "revoked"
)

// List returns what is in force and what ended lately, newest first.
func (g *governor) List(context.Context) ([]api.VerdictStatus, error) {
	view, live, ended := g.view(), g.log.List(), g.log.Ended()
	known := make(map[string]bool, len(live)+len(ended))
	for i := range live {
		known[live[i].ID] = true
	}
	for i := range ended {
		known[ended[i].ID] = true
	}
	g.tally.note(view.hits, func(id string) bool { return known[id] })
	var out []api.VerdictStatus
	for _, v := range live {
		s := view.status(v, stateActive)
		if g.trials.tries(v.ID) {
			s.State = stateCanary
		}
		out = append(out, s)
	}
	for _, e := range ended {
		state := stateRevoked
		if e.Expired() {
			state = stateExpired
		}
		out = append(out, view.status(e.Verdict, state))
	}
	slices.SortStableFunc(out, func(a, b api.VerdictStatus) int { return cmp.Compare(b.Seq, a.Seq) })
	return out, nil
}

// view is what the sensors report, arranged for many verdicts.
type view struct {
	epoch   uint64
	sensors []*bus.Report // alive, in the collector's epoch first, furthest in the log first
	hits    map[string]api.Hits
	refused map[string]map[string]bool // sensors by verdict id
	spread  func(id string) bus.Spread
}

func (g *governor) view() *view {
	epoch, _ := g.log.Position()
	v := &view{epoch: epoch, hits: map[string]api.Hits{}, refused: map[string]map[string]bool{}, spread: g.sensors.Spread}
	now := time.Now()
	for _, r := range g.sensors.All() {
		for _, h := range r.Hits {
			sum := v.hits[h.ID]
			v.hits[h.ID] = api.Hits{Packets: sum.Packets + h.Packets, Bytes: sum.Bytes + h.Bytes}
		}
		for _, f := range r.Refusals {
			if v.refused[f.ID] == nil {
				v.refused[f.ID] = map[string]bool{}
			}
			v.refused[f.ID][r.Sensor] = true
		}
		if now.Sub(r.Seen) < gone {
			v.sensors = append(v.sensors, r)
		}
	}
	return v
}

// maxMissing bounds the list of sensors that a verdict has not reached.
const maxMissing = 20

func (w *view) status(v verdict.Verdict, state string) api.VerdictStatus {
	s := api.VerdictStatus{Verdict: v, State: state, Hits: w.hits[v.ID], Applied: api.Applied{Missing: []string{}}}
	if p := w.spread(v.ID); p.Sensors > 0 {
		first, last := api.Reached(p.First), api.Reached(p.Last)
		s.Applied.First, s.Applied.Last = &first, &last
	}
	if state != stateActive {
		return s
	}
	for _, r := range w.sensors {
		if !wire.InScope(v.Scope, r.Sensor, r.Group) {
			continue
		}
		s.Applied.Of++
		if r.Epoch == w.epoch && r.Seq >= v.Seq && !w.refused[v.ID][r.Sensor] {
			s.Applied.Sensors++
		} else if len(s.Applied.Missing) < maxMissing {
			s.Applied.Missing = append(s.Applied.Missing, r.Sensor)
		}
	}
	return s
}

// previewWindow is how far back a preview looks.
const (
	previewWindow = 10 * time.Minute
	maxTargets    = 20
	previewAlerts = 1000
)

// Preview says what v would hit.
func (g *governor) Preview(ctx context.Context, v verdict.Verdict) (api.Preview, error) {
	p := api.Preview{WindowSeconds: int(previewWindow / time.Second), Sources: addresses(source(&v)), ExpiresAt: v.ExpiresAt}
	if err := g.guard.Check(&v); err != nil {
		p.Refusal = err.Error()
	}
	for _, r := range g.view().sensors {
		if wire.InScope(v.Scope, r.Sensor, r.Group) {
			p.Sensors++
		}
	}
	if p.Sensors == 0 {
		p.Warnings = append(p.Warnings, "no sensor in this scope reports: nothing would be carried out now")
	}
	if src := source(&v); src.IsValid() {
		for _, have := range g.log.Covering(src) {
			p.Duplicates = append(p.Duplicates, have.ID)
		}
		if src.Addr().IsPrivate() {
			p.Warnings = append(p.Warnings, src.String()+" is a private address: one of yours, or many behind a translator")
		}
	}
	if err := g.previewTraffic(ctx, &v, &p); err != nil {
		return p, err
	}
	return p, g.previewAlerts(ctx, &v, &p)
}

// previewTraffic asks the sensors. One that does not answer is no reason to tell nothing.
func (g *governor) previewTraffic(ctx context.Context, v *verdict.Verdict, p *api.Preview) (err error) {
	p.Traffic, err = g.survey(ctx, v)
	t := &p.Traffic
	switch {
	case errors.Is(err, errSurveysBusy):
		p.Warnings = append(p.Warnings, "sensors were not asked: "+err.Error())
		return nil
	case err != nil:
		return fmt.Errorf("preview: %w", err)
	}
	if t.Answered < t.Asked {
		p.Warnings = append(p.Warnings, fmt.Sprintf("%d of %d sensors answered: there may be more", t.Answered, t.Asked))
	}
	if v.Stops() && t.LongLived > 0 {
		p.Warnings = append(p.Warnings, fmt.Sprintf("%d conversations with it have been going on for more than %d minutes, both ends proved: somebody works through it",
			t.LongLived, int(wire.LongLived/time.Minute)))
	}
	return nil
}

func (g *governor) previewAlerts(ctx context.Context, v *verdict.Verdict, p *api.Preview) error {
	page, err := g.alerts.Search(ctx, store.Filter{Since: time.Now().Add(-previewWindow), Src: source(v), Dst: v.Match.Dst}, "", previewAlerts)
	if err != nil {
		return fmt.Errorf("preview: %w", err)
	}
	p.Alerts = uint64(len(page.Alerts))
	if page.Next != "" {
		p.Warnings = append(p.Warnings, fmt.Sprintf("more than %d alerts; the newest are counted", previewAlerts))
	}
	for _, a := range page.Alerts {
		if target := a.DestIP.String(); len(p.Targets) < maxTargets && !slices.Contains(p.Targets, target) {
			p.Targets = append(p.Targets, target)
		}
	}
	return nil
}

// source is the prefix a verdict stops, a flow's included.
func source(v *verdict.Verdict) netip.Prefix {
	if v.Match.Flow == nil {
		return v.Match.Src
	}
	a := v.Match.Flow.Src.Addr().Unmap()
	return netip.PrefixFrom(a, a.BitLen())
}

// addresses counts what p covers, at most 2^64-1.
func addresses(p netip.Prefix) uint64 {
	free := p.Addr().BitLen() - p.Bits()
	if !p.IsValid() || free >= 64 {
		return 1<<64 - 1
	}
	return 1 << free
}
