package collector

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/weir-ips/weir/internal/collector/export"
	"github.com/weir-ips/weir/internal/collector/incident"
)

// An incident is exported when it appears, when its state or severity changes, at most once a minute while it grows, and when it
// is over.
const (
	incidentLook     = time.Second
	incidentAgain    = time.Minute
	maxIncidentsTold = 10_000 // remembered; beyond it the end of some is not exported
)

// told is what destinations know of an incident.
type told struct {
	state, severity string
	at              time.Time
}

// exportIncidents works until ctx ends.
func (c *collector) exportIncidents(ctx context.Context) error {
	known := map[string]told{}
	_, rev, err := c.incidents.Changed(ctx, 0, 0)
	if err == nil {
		err = c.tellRecent(ctx, known)
	}
	tick := time.NewTicker(incidentLook)
	defer tick.Stop()
	for n := 1; err == nil; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		var changed []incident.Incident
		if changed, rev, err = c.incidents.Changed(ctx, rev, maxIncidentsTold); err != nil {
			break
		}
		c.tellIncidents(known, changed, time.Now())
		if n%int(incidentAgain/incidentLook) == 0 {
			c.tellEnded(ctx, known)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// tellRecent tells what an earlier run may have died before it told: destinations have seen some of it already.
func (c *collector) tellRecent(ctx context.Context, known map[string]told) error {
	const recent = 200
	page, err := c.incidents.List(ctx, incident.Filter{}, "", recent)
	if err != nil {
		return err
	}
	now := time.Now()
	page.Incidents = slices.DeleteFunc(page.Incidents, func(in incident.Incident) bool { return now.Sub(in.Updated) > incidentAgain })
	c.tellIncidents(known, page.Incidents, now)
	return nil
}

func (c *collector) tellIncidents(known map[string]told, changed []incident.Incident, now time.Time) {
	var out []export.Event
	for i := range changed {
		in := &changed[i]
		was, ok := known[in.ID]
		if ok && was.state == in.State && was.severity == in.Severity && now.Sub(was.at) < incidentAgain {
			continue
		}
		if in.State == incident.StateResolved {
			delete(known, in.ID)
		} else if ok || len(known) < maxIncidentsTold {
			known[in.ID] = told{in.State, in.Severity, now}
		}
		out = append(out, incidentEvent(in))
	}
	c.exports.offer(out, nil, false)
}

// tellEnded finds those that were resolved without a further alert.
func (c *collector) tellEnded(ctx context.Context, known map[string]told) {
	var out []export.Event
	for id := range known {
		d, err := c.incidents.Get(ctx, id)
		if err != nil || d.State == incident.StateResolved {
			delete(known, id)
		}
		if err == nil && d.State == incident.StateResolved {
			out = append(out, incidentEvent(&d.Incident))
		}
	}
	c.exports.offer(out, nil, false)
}

func incidentEvent(in *incident.Incident) export.Event {
	e := export.Incident{ID: in.ID, State: "open", Title: in.Title, Severity: 4, Alerts: in.Alerts, First: in.First, Last: in.Last}
	if in.State == incident.StateResolved {
		e.State = "closed"
	}
	switch in.Severity {
	case incident.Critical, incident.High:
		e.Severity = 1
	case incident.Medium:
		e.Severity = 2
	case incident.Low:
		e.Severity = 3
	}
	e.Sources, e.Targets = addressesOf(in.Sources.List), addressesOf(in.Targets.List)
	for _, s := range in.Signatures {
		e.Signatures = append(e.Signatures, s.SID)
	}
	for _, s := range in.Sensors {
		e.Sensors = append(e.Sensors, s.Name)
	}
	for _, s := range in.Stages {
		if s.Tactic != "" {
			e.Tactics = append(e.Tactics, s.Tactic)
		}
	}
	return export.Event{Kind: export.KindIncident, Incident: &e}
}

func addressesOf(list []incident.Party) (out []netip.Addr) {
	for _, p := range list {
		if a, err := netip.ParseAddr(p.Name); err == nil {
			out = append(out, a)
		}
	}
	return out
}
