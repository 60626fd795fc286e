package api

import (
	"context"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/pkg/verdict"
)

// Alerts is where alerts are searched; *store.Store is one.
type Alerts interface {
	Search(ctx context.Context, f store.Filter, cursor string, limit int) (store.Page, error)
	Get(ctx context.Context, id string) (store.Alert, error)
	After(ctx context.Context, f store.Filter, seq uint64, limit int) (store.Arrivals, error)
	Timeline(ctx context.Context, f store.Filter, step time.Duration) ([]store.Bucket, error)
	Top(ctx context.Context, f store.Filter, by store.Dimension, n int) ([]store.Count, error)
	GroupBy(ctx context.Context, f store.Filter, by store.Dimension, n int) ([]store.Summary, error)
	Triage(ctx context.Context, f store.Filter, t store.Triage) (int, error)
	TriageOne(ctx context.Context, id string, t store.Triage) error
	Suppressions() []store.Suppression
	Suppress(x store.Suppression) (store.Suppression, error)
	Unsuppress(id string) (store.Suppression, error)
}

// Audit is the record of who changed what; *store.Audit is one.
type Audit interface {
	Append(ctx context.Context, e store.Entry) (store.Entry, error)
	List(ctx context.Context, f store.AuditFilter) ([]store.Entry, error)
}

// Verdicts decides on verdicts and hands them to the sensors. Errors that are the caller's are *Invalid, ErrNotFound or
// *Refused; anything else is answered as 500.
type Verdicts interface {
	// List returns live verdicts and those that ended lately, newest first.
	List(ctx context.Context) ([]VerdictStatus, error)
	// Add gives v an id and a number and distributes it. Everything else is set: match, action, scope, origin, reason, who, when,
	// until when.
	Add(ctx context.Context, v verdict.Verdict) (VerdictStatus, error)
	// Remove ends the verdict at once on all its sensors and returns what it was.
	Remove(ctx context.Context, id, actor string) (VerdictStatus, error)
	// Preview says what v would hit, without activating it.
	Preview(ctx context.Context, v verdict.Verdict) (Preview, error)
}

// Preview is a verdict's blast radius: what it would have hit in the window before now, and what speaks against it.
type Preview struct {
	WindowSeconds int       `json:"window_seconds"`
	Alerts        uint64    `json:"alerts"`     // alerts from the match in the window
	Sources       uint64    `json:"sources"`    // addresses the match covers; saturates at 2^64-1
	Sensors       int       `json:"sensors"`    // sensors in the scope
	Targets       []string  `json:"targets"`    // distinct destinations seen, at most 20
	Duplicates    []string  `json:"duplicates"` // ids of live verdicts that already cover the match
	Warnings      []string  `json:"warnings"`   // in words
	Refusal       string    `json:"refusal"`    // why Add would refuse, or ""
	Approval      string    `json:"approval"`   // class of orders that a second person must agree to, or "" where one is enough
	ExpiresAt     time.Time `json:"expires_at"`
	Traffic       Traffic   `json:"traffic"` // that the sensors in the scope remember
}

// Traffic is what sensors answered when they were asked what of their traffic a match is about.
type Traffic struct {
	Asked       int      `json:"asked"`    // sensors
	Answered    int      `json:"answered"` // of them, in time
	Missing     []string `json:"missing"`  // some of those that did not answer
	Seconds     int      `json:"seconds"`  // how far back all of those that answered remember
	Flows       uint64   `json:"flows"`
	Packets     uint64   `json:"packets"` // that the verdict would have decided about
	Bytes       uint64   `json:"bytes"`
	Established uint64   `json:"established"` // flows that are alive and whose handshake was finished
	LongLived   uint64   `json:"long_lived"`  // of those, flows of more than five minutes
	Peers       uint64   `json:"peers"`       // distinct addresses at the other end
	AtLeast     bool     `json:"at_least"`    // there may be more: not everything was counted
}

// Sensors is the registry of sensors, as they last reported.
type Sensors interface {
	List(ctx context.Context) ([]Sensor, error)
}

// Sensor is one sensor's last report.
type Sensor struct {
	ID         string            `json:"id"`
	Mode       string            `json:"mode"`
	State      string            `json:"state"` // ok, late (no report for 10 s), blind (sees or inspects nothing), gone
	LastSeen   time.Time         `json:"last_seen"`
	Version    string            `json:"version"`
	Epoch      uint64            `json:"epoch"`
	AppliedSeq uint64            `json:"applied_seq"`
	Lag        uint64            `json:"lag"` // verdict log entries it has yet to apply
	Packets    uint64            `json:"packets"`
	Bytes      uint64            `json:"bytes"`
	Drops      map[string]uint64 `json:"drops"` // packets by reason
	Ruleset    string            `json:"ruleset"`
	Verdicts   uint64            `json:"verdicts"`
	Refusals   uint64            `json:"refusals"` // verdicts it would not carry out

	Reason      string             `json:"reason"`              // why it is blind
	Policy      string             `json:"policy"`              // observe, enforce
	Group       string             `json:"group"`               // of scopes
	StartedAt   time.Time          `json:"started_at,omitzero"` // the sensor
	Rules       int                `json:"rules"`               // loaded
	Bundle      string             `json:"bundle"`              // version of the collector's rules that are loaded
	BundleError string             `json:"bundle_error"`        // why the version that the collector has is not
	Killed      bool               `json:"killed"`              // the kill switch covers it: it drops nothing
	Maps        map[string]MapFill `json:"maps"`                // how full its tables in the kernel are
	Counters    map[string]uint64  `json:"counters"`            // other totals, by metric name
	Refused     []Refusal          `json:"refused"`             // the latest verdicts it would not carry out, and why
	Spool       Spool              `json:"spool"`               // alerts on their way here
	ClockSkew   float64            `json:"clock_skew_seconds"`  // its clock less the collector's, when it reported
}

// MapFill is how full a table in the kernel is, in entries.
type MapFill struct {
	Used int `json:"used"`
	Max  int `json:"max"`
}

// Refusal is a verdict that a sensor would not carry out.
type Refusal struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// Spool is what waits on a sensor to be sent.
type Spool struct {
	Events int64             `json:"events"`
	Bytes  int64             `json:"bytes"`
	Sent   uint64            `json:"sent"`
	Shed   map[string]uint64 `json:"shed"` // given up for want of room, by severity
}

// Rules is the rule set that the collector hands to its sensors.
type Rules interface {
	Current(ctx context.Context) (RuleSet, error)
	// Replace checks text and makes it current; *Invalid carries one field error a bad line.
	Replace(ctx context.Context, text, actor string) (RuleSet, error)
}

// RuleSet is one version of the rules.
type RuleSet struct {
	Version   string    `json:"version"` // SHA-256 of the text, hex
	Rules     string    `json:"rules"`   // Suricata's language
	Count     int       `json:"count"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
	UpdatedBy string    `json:"updated_by,omitempty"`
}
