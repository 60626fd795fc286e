package export

import (
	"encoding/json"
	"fmt"
	"time"
)

// Format is how an event is written.
type Format string

// Formats of events.
const (
	FormatEVE  Format = "eve"
	FormatOCSF Format = "ocsf"
	FormatCEF  Format = "cef"
)

var formats = []Format{FormatEVE, FormatOCSF, FormatCEF}

// encoder writes events as single lines.
type encoder struct {
	format  Format
	version string // of the product
}

// encode returns one line without its end for each record that e makes: OCSF makes two of an alert whose flow is known.
func (c encoder) encode(e *Event) ([][]byte, error) {
	switch c.format {
	case FormatCEF:
		return [][]byte{c.cef(e)}, nil
	case FormatOCSF:
		var lines [][]byte
		for _, record := range c.ocsf(e) {
			line, err := json.Marshal(record)
			if err != nil {
				return nil, fmt.Errorf("OCSF: %w", err)
			}
			lines = append(lines, line)
		}
		return lines, nil
	}
	line, err := eve(e)
	if err != nil {
		return nil, fmt.Errorf("EVE: %w", err)
	}
	return [][]byte{line}, nil
}

const eveTime = "2006-01-02T15:04:05.000000-0700"

// eveRecord is what a verdict and an incident are beside EVE's own records: its common fields and an object of our own.
type eveRecord struct {
	Timestamp string       `json:"timestamp"`
	EventType string       `json:"event_type"`
	Verdict   *eveVerdict  `json:"weir_verdict,omitempty"`
	Incident  *eveIncident `json:"weir_incident,omitempty"`
}

type eveVerdict struct {
	ID        string    `json:"id"`
	Op        string    `json:"op"`
	Action    string    `json:"action"`
	Target    string    `json:"target"`
	Scope     string    `json:"scope"`
	Rule      uint32    `json:"rule,omitempty"`
	Reason    string    `json:"reason"`
	By        string    `json:"by"`
	ExpiresAt time.Time `json:"expires_at"`
}

type eveIncident struct {
	ID         string    `json:"id"`
	State      string    `json:"state"`
	Title      string    `json:"title"`
	Severity   uint8     `json:"severity"`
	Alerts     uint64    `json:"alerts"`
	First      time.Time `json:"first"`
	Last       time.Time `json:"last"`
	Sources    any       `json:"sources"`
	Targets    any       `json:"targets"`
	Signatures []uint32  `json:"signatures"`
	Sensors    []string  `json:"sensors"`
	Tactics    []string  `json:"tactics,omitempty"`
}

// eve is an alert's own record, untouched; other events are records beside EVE's.
func eve(e *Event) ([]byte, error) {
	if e.Kind == KindAlert && len(e.Alert.EVE) > 0 {
		return e.Alert.EVE, nil
	}
	r := eveRecord{Timestamp: e.Time().UTC().Format(eveTime), EventType: "weir_" + string(e.Kind)}
	switch e.Kind {
	case KindAlert:
		return json.Marshal(e.Alert)
	case KindVerdict:
		r.Verdict = verdictRecord(e.Verdict)
	case KindIncident:
		r.Incident = incidentRecord(e.Incident)
	}
	return json.Marshal(&r)
}

func verdictRecord(v *VerdictChange) *eveVerdict {
	return &eveVerdict{
		ID: v.ID, Op: v.Op, Action: v.Action.String(), Target: v.target(), Scope: v.Scope, Rule: v.Rule, Reason: v.Reason,
		By: v.By, ExpiresAt: v.ExpiresAt,
	}
}

func incidentRecord(i *Incident) *eveIncident {
	return &eveIncident{
		ID: i.ID, State: i.State, Title: i.Title, Severity: i.Severity, Alerts: i.Alerts, First: i.First, Last: i.Last,
		Sources: i.Sources, Targets: i.Targets, Signatures: i.Signatures, Sensors: i.Sensors, Tactics: i.Tactics,
	}
}
