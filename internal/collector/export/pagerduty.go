package export

import (
	"context"
	"fmt"
	"time"
)

// pagerDutyURL is the Events API v2.
const pagerDutyURL = "https://events.pagerduty.com/v2/enqueue"

// pagerDuty triggers an alert for each group, which later events of the group join by its key, and resolves closed incidents and
// verdicts that ended.
type pagerDuty struct {
	poster
	secret Secret

	done map[string]time.Time // groups delivered of the batch being tried, by their last event
}

func openPagerDuty(c *Config, version string) (Sink, error) {
	p, err := newPoster(c, version)
	if err != nil {
		return nil, err
	}
	_, err = c.Secret.Value()
	return &pagerDuty{poster: p, secret: c.Secret, done: map[string]time.Time{}}, err
}

type pagerDutyEvent struct {
	RoutingKey string            `json:"routing_key"`
	Action     string            `json:"event_action"` // trigger, resolve
	DedupKey   string            `json:"dedup_key"`
	Payload    *pagerDutyPayload `json:"payload,omitempty"`
}

type pagerDutyPayload struct {
	Summary   string         `json:"summary"`
	Source    string         `json:"source"`
	Severity  string         `json:"severity"` // critical, error, warning, info
	Timestamp string         `json:"timestamp"`
	Component string         `json:"component"`
	Class     string         `json:"class"`
	Details   map[string]any `json:"custom_details"`
}

// The API's limits, in characters.
const (
	pagerDutySummary = 1024
	pagerDutyKey     = 255
)

// Send implements Sink. Groups that a failed try has delivered are not delivered again.
func (s *pagerDuty) Send(ctx context.Context, events []Event) error {
	key, err := s.secret.Value()
	if err != nil {
		return err
	}
	groups := digest(events)
	for i := range groups {
		d := &groups[i]
		if at, ok := s.done[d.Group()]; ok && at.Equal(d.Last) {
			continue
		}
		if _, err := s.postJSON(ctx, pagerDutyOf(d, key)); err != nil {
			return err
		}
		s.done[d.Group()] = d.Last
	}
	clear(s.done)
	return nil
}

func pagerDutyOf(d *Digest, key string) *pagerDutyEvent {
	p := &pagerDutyEvent{RoutingKey: key, Action: "trigger", DedupKey: shorten("weir/"+d.Group(), pagerDutyKey)}
	if d.Kind == KindIncident && d.Incident.Closed() || d.Kind == KindVerdict && d.Verdict.Op != "add" {
		p.Action = "resolve"
		return p
	}
	p.Payload = &pagerDutyPayload{
		Summary: shorten(d.Text(), pagerDutySummary), Source: d.Sensor(), Severity: pagerDutySeverity(d.Severity()),
		Timestamp: d.Last.UTC().Format(time.RFC3339Nano), Component: "weir", Class: string(d.Kind),
		Details: map[string]any{"count": d.Count, "first": d.First.UTC(), "last": d.Last.UTC(), "id": d.ID(), "source": addrText(d)},
	}
	return p
}

func addrText(d *Digest) string {
	if a := d.Source(); a.IsValid() {
		return a.String()
	}
	return fmt.Sprintf("see %s", d.ID())
}

func pagerDutySeverity(s uint8) string {
	switch s {
	case 1:
		return "critical"
	case 2:
		return "error"
	case 3:
		return "warning"
	}
	return "info"
}
