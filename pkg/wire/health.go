package wire

import (
	"encoding/json"
	"fmt"
	"time"
)

// Health is what a sensor reports every HealthEvery. Encoded: zstd of JSON.
type Health struct {
	Sensor  string    `json:"sensor"`
	Group   string    `json:"group,omitempty"`
	Version string    `json:"version"`
	Mode    string    `json:"mode"`   // host, gwlb, bridge, mirror
	Policy  string    `json:"policy"` // observe, enforce
	Boot    string    `json:"boot"`
	Started time.Time `json:"started"`
	Time    time.Time `json:"time"`  // the sensor's clock
	State   string    `json:"state"` // ok, or why traffic is not inspected

	Epoch uint64 `json:"epoch"` // of the verdict log
	Seq   uint64 `json:"seq"`   // applied
	Hash  uint64 `json:"hash"`  // of the applied set: see Set.Hash

	Verdicts uint64 `json:"verdicts"` // in force on the sensor, its own included

	Ruleset     string             `json:"ruleset"` // SHA-256 of the loaded rules, hex
	Rules       int                `json:"rules"`
	Bundle      string             `json:"bundle,omitempty"`       // version of the collector's rules that are loaded
	BundleError string             `json:"bundle_error,omitempty"` // why the version that the collector has is not
	Packets     uint64             `json:"packets"`
	Bytes       uint64             `json:"bytes"`
	Counters    map[string]uint64  `json:"counters,omitempty"` // any other totals, by metric name; at most MaxCounters
	Drops       map[string]uint64  `json:"drops,omitempty"`    // packets by reason; at most MaxCounters
	Maps        map[string]MapFill `json:"maps,omitempty"`     // by map name; at most MaxCounters

	Applied []Applied `json:"applied,omitempty"` // verdicts that came into force lately, oldest first; at most MaxApplied

	Hits       []Hit     `json:"hits,omitempty"`       // verdicts with hits, most recent first; at most MaxHits
	Refusals   []Refusal `json:"refusals,omitempty"`   // verdicts the guard refused; at most MaxRefusals
	Refused    uint64    `json:"refused"`              // all refusals since the start
	Suspended  []string  `json:"suspended,omitempty"`  // verdicts that the drop-share breaker has suspended; at most MaxRefusals
	Allowances []string  `json:"allowances,omitempty"` // prefixes that are never blocked; at most MaxAllowances

	Uplink UplinkStats `json:"uplink"`
}

// MapFill is how full a kernel map is, in entries.
type MapFill struct {
	Used int `json:"used"`
	Max  int `json:"max"`
}

// Applied is when a verdict came into force on the sensor: a kernel's maps, where the sensor has them, were written before.
type Applied struct {
	ID  string    `json:"id"`
	Seq uint64    `json:"seq"` // of the entry that brought it, in Health.Epoch
	At  time.Time `json:"at"`  // by the sensor's clock
}

// Hit counts what one verdict stopped on this sensor since it was applied, or would have when it observes.
type Hit struct {
	ID      string `json:"id"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Refusal is a verdict that the sensor would not carry out, and why.
type Refusal struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// UplinkStats counts the sensor's side of the bus since the start; spool sizes are current.
type UplinkStats struct {
	Events        uint64            `json:"events"`         // handed to the uplink
	Sent          uint64            `json:"sent"`           // events the collector's stream has acknowledged
	Shed          map[string]uint64 `json:"shed,omitempty"` // events given up, by severity "1" to "4" (4: and less severe)
	Invalid       uint64            `json:"invalid"`        // events that could not be encoded
	SpoolErrors   uint64            `json:"spool_errors"`   // writes or reads of the spool that failed
	SpoolBytes    int64             `json:"spool_bytes"`
	SpoolEvents   int64             `json:"spool_events"`
	Reconnects    uint64            `json:"reconnects"`
	Syncs         uint64            `json:"syncs"`          // times the verdict set was asked for
	Gaps          uint64            `json:"gaps"`           // times a delta or beacon showed that one was missed
	BadMessages   uint64            `json:"bad_messages"`   // malformed
	BadSignatures uint64            `json:"bad_signatures"` // not the collector's
}

// Limits of a health report; longer lists and maps are refused whole.
const (
	MaxHits       = 1000
	MaxApplied    = 64
	MaxRefusals   = 100
	MaxAllowances = 1000
	MaxCounters   = 512
	maxHealthRaw  = 512 << 10
)

// Encode compresses h.
func (h *Health) Encode() ([]byte, error) {
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("encode health: %w", err)
	}
	raw, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode health: %w", err)
	}
	return deflate(nil, raw), nil
}

// DecodeHealth undoes Encode.
func DecodeHealth(msg []byte) (*Health, error) {
	raw, err := inflate(msg, maxHealthRaw)
	if err != nil {
		return nil, fmt.Errorf("decode health: %w", err)
	}
	h := new(Health)
	if err := json.Unmarshal(raw, h); err != nil {
		return nil, fmt.Errorf("decode health: %w: %w", ErrMalformed, err)
	}
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("decode health: %w", err)
	}
	return h, nil
}

func (h *Health) check() error {
	if err := CheckName(h.Sensor); err != nil {
		return fmt.Errorf("%w: sensor: %w", ErrMalformed, err)
	}
	for _, l := range []struct {
		what     string
		n, limit int
	}{
		{"counters", len(h.Counters), MaxCounters},
		{"drops", len(h.Drops), MaxCounters},
		{"maps", len(h.Maps), MaxCounters},
		{"applied", len(h.Applied), MaxApplied},
		{"hits", len(h.Hits), MaxHits},
		{"refusals", len(h.Refusals), MaxRefusals},
		{"suspended", len(h.Suspended), MaxRefusals},
		{"allowances", len(h.Allowances), MaxAllowances},
		{"shed", len(h.Uplink.Shed), MaxCounters},
	} {
		if l.n > l.limit {
			return fmt.Errorf("%w: %d %s, at most %d", ErrMalformed, l.n, l.what, l.limit)
		}
	}
	return nil
}

// Truncate cuts lists to their limits; the sender calls it before Encode.
func (h *Health) Truncate() {
	h.Hits = h.Hits[:min(len(h.Hits), MaxHits)]
	h.Refusals = h.Refusals[:min(len(h.Refusals), MaxRefusals)]
	h.Suspended = h.Suspended[:min(len(h.Suspended), MaxRefusals)]
	h.Allowances = h.Allowances[:min(len(h.Allowances), MaxAllowances)]
}

// Names in Health.Counters by which the collector compares sensors: totals since the start.
const (
	CounterLost        = "lost_packets"        // for want of room between kernel and inspection
	CounterUninspected = "uninspected_packets" // let through because nobody could inspect them
	CounterAlerts      = "alerts"
	CounterPanics      = "panics"           // of inspection
	CounterCPU         = "cpu_milliseconds" // of the sensor's process
)
