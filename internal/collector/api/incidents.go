package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/incident"
	"github.com/weir-ips/weir/internal/collector/store"
)

// Incidents is where alerts are joined into incidents; *incident.Tracker is one.
type Incidents interface {
	List(ctx context.Context, f incident.Filter, cursor string, limit int) (incident.Page, error)
	Get(ctx context.Context, id string) (incident.Detail, error)
	Change(ctx context.Context, id string, c incident.Change) (incident.Detail, error)
	Changed(ctx context.Context, rev uint64, limit int) ([]incident.Incident, uint64, error)
}

func (s *Server) listIncidents(w http.ResponseWriter, r *http.Request) error {
	now := time.Now().UTC()
	p := query(r, "state", "severity", "kind", "assignee", "address", "sensor", "sid", "since", "until", "q", "active", "brief", "limit", "cursor")
	f := incident.Filter{
		States: p.among("state", incident.States()), Severities: p.among("severity", incident.Severities()),
		Assignee: p.text("assignee"), Sensor: p.text("sensor"), SID: uint32(p.number("sid", 1, 1<<32-1, 0)),
		Since: p.moment("since", now), Until: p.moment("until", now), Text: p.text("q"), Active: p.flag("active"),
	}
	if kinds := p.among("kind", incident.Kinds()); len(kinds) == 1 {
		f.Kind = kinds[0]
	} else if len(kinds) > 1 {
		p.bad("kind", "one kind")
	}
	if address := p.prefix("address"); address.IsValid() {
		if !address.IsSingleIP() {
			p.bad("address", "one address: incidents are not found by prefix")
		}
		f.Address = address.Addr().String()
	}
	brief := p.flag("brief")
	limit := p.number("limit", 1, incident.MaxLimit, 50)
	if err := p.err(); err != nil {
		return err
	}
	page, err := s.opt.Incidents.List(r.Context(), f, p.values.Get("cursor"), int(limit))
	if errors.Is(err, store.ErrCursor) {
		return invalid("cursor", err.Error())
	}
	if err != nil {
		return err
	}
	if brief {
		for i := range page.Incidents {
			abridge(&page.Incidents[i])
		}
	}
	return writeJSON(w, http.StatusOK, page)
}

// named is how many of each list an abridged incident names.
const named = 3

// abridge leaves of an incident's lists what a line about it has room for.
func abridge(i *incident.Incident) {
	i.Sources.List = i.Sources.List[:min(len(i.Sources.List), named)]
	i.Targets.List = i.Targets.List[:min(len(i.Targets.List), named)]
	i.Signatures = i.Signatures[:min(len(i.Signatures), named)]
	i.Sensors = i.Sensors[:min(len(i.Sensors), named)]
	i.Vectors = i.Vectors[:min(len(i.Vectors), named)]
}

// among reads a parameter that is a list of known names, separated by commas.
func (p *params) among(name string, known []string) []string {
	text := p.values.Get(name)
	if text == "" {
		return nil
	}
	names := strings.Split(text, ",")
	for _, n := range names {
		if !slices.Contains(known, n) {
			p.bad(name, fmt.Sprintf("%q is not one of %s", n, strings.Join(known, ", ")))
		}
	}
	return names
}

// incidentAnswer is an incident with what was done about it.
type incidentAnswer struct {
	incident.Detail
	Verdicts   []VerdictStatus `json:"verdicts"`   // about its sources or targets, or made of its alerts
	Mitigation mitigation      `json:"mitigation"` // their effect
}

// mitigation sums up what the verdicts stopped, or would have.
type mitigation struct {
	Active         int    `json:"active"`          // verdicts that drop or limit now
	PacketsDropped uint64 `json:"packets_dropped"` // by drop and ratelimit
	BytesDropped   uint64 `json:"bytes_dropped"`
	WouldPackets   uint64 `json:"would_packets"` // counted by observing verdicts

	SensorDropped   uint64 `json:"sensor_dropped"` // packets, by sensors' own measures against floods
	SensorWouldDrop uint64 `json:"sensor_would_drop"`
}

const maxRelated = 100

func (s *Server) incident(ctx context.Context, d incident.Detail) (incidentAnswer, error) {
	a := incidentAnswer{Detail: d, Verdicts: []VerdictStatus{}}
	all, err := s.opt.Verdicts.List(ctx)
	if err != nil {
		return a, err
	}
	for _, v := range d.Vectors {
		a.Mitigation.SensorDropped += v.Dropped
		a.Mitigation.SensorWouldDrop += v.WouldDrop
	}
	concerned := concernOf(&d)
	for _, v := range all {
		if !concerned(&v) {
			continue
		}
		a.Mitigation.count(&v)
		if len(a.Verdicts) < maxRelated {
			a.Verdicts = append(a.Verdicts, v)
		}
	}
	return a, nil
}

func (m *mitigation) count(v *VerdictStatus) {
	if !v.Stops() {
		m.WouldPackets += v.Hits.Packets
		return
	}
	if v.State == "active" {
		m.Active++
	}
	m.PacketsDropped += v.Hits.Packets
	m.BytesDropped += v.Hits.Bytes
}

func (s *Server) getIncident(w http.ResponseWriter, r *http.Request) error {
	a, err := s.asked(r)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, a)
}

// asked is the incident that a request's path names.
func (s *Server) asked(r *http.Request) (incidentAnswer, error) {
	if err := query(r).err(); err != nil {
		return incidentAnswer{}, err
	}
	d, err := s.opt.Incidents.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return incidentAnswer{}, err
	}
	return s.incident(r.Context(), d)
}

type incidentRequest struct {
	State      string  `json:"state"`
	Resolution string  `json:"resolution"`
	Severity   string  `json:"severity"`
	Assignee   *string `json:"assignee"` // "" takes it away
	Comment    string  `json:"comment"`
}

func (q *incidentRequest) change() (incident.Change, error) {
	var p params
	for _, f := range []struct {
		name, value string
		known       []string
	}{
		{"state", q.State, incident.States()}, {"resolution", q.Resolution, incident.Resolutions()}, {"severity", q.Severity, incident.Severities()},
	} {
		if f.value != "" && !slices.Contains(f.known, f.value) {
			p.bad(f.name, fmt.Sprintf("%q is not one of %s", f.value, strings.Join(f.known, ", ")))
		}
	}
	if (q.State == incident.StateResolved) != (q.Resolution != "") {
		p.bad("resolution", "goes with state resolved: say what it was")
	}
	if q.Comment = strings.TrimSpace(q.Comment); len(q.Comment) > maxComment {
		p.bad("comment", fmt.Sprintf("longer than %d bytes", maxComment))
	}
	if q.Assignee != nil && len(*q.Assignee) > maxParam {
		p.bad("assignee", fmt.Sprintf("longer than %d bytes", maxParam))
	}
	c := incident.Change{State: q.State, Resolution: q.Resolution, Severity: q.Severity, Assignee: q.Assignee, Comment: q.Comment}
	if c == (incident.Change{}) {
		p.bad("state", "nothing is decided: give state, severity, assignee or comment")
	}
	return c, p.err()
}

func (s *Server) changeIncident(w http.ResponseWriter, r *http.Request) error {
	var q incidentRequest
	if err := readJSON(r, &q); err != nil {
		return err
	}
	c, err := q.change()
	if err != nil {
		return err
	}
	c.Actor = s.actor(r)
	d, err := s.opt.Incidents.Change(r.Context(), r.PathValue("id"), c)
	if err != nil {
		return err
	}
	if err := s.record(r, "incident.change", d.ID, map[string]any{"decision": q}); err != nil {
		return err
	}
	a, err := s.incident(r.Context(), d)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, a)
}

// incidentAlerts lists the alerts that an incident names, as far as they are still kept, the latest first.
func (s *Server) incidentAlerts(w http.ResponseWriter, r *http.Request) error {
	p := query(r, "limit")
	limit := int(p.number("limit", 1, 500, 100))
	if err := p.err(); err != nil {
		return err
	}
	d, err := s.opt.Incidents.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	alerts := []store.Alert{}
	for _, id := range slices.Backward(d.Members) {
		if len(alerts) == limit {
			break
		}
		a, err := s.opt.Alerts.Get(r.Context(), id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		a.EVE, a.Comments = nil, nil
		alerts = append(alerts, a)
	}
	slices.SortStableFunc(alerts, func(a, b store.Alert) int { return b.Time.Compare(a.Time) })
	return writeJSON(w, http.StatusOK, map[string]any{"alerts": alerts})
}
