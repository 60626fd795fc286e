package api

import (
	"context"
	"net/http"
	"time"
)

// Policies is what turns alerts into verdicts.
type Policies interface {
	Policy() Policy
	// SetPolicy checks p and puts it into force; *Invalid carries one field error a fault. It writes the audit log itself.
	SetPolicy(ctx context.Context, p Policy, by string) (Policy, error)
}

// Policy is the section policy of collector.yaml, or what a person has put in its place.
type Policy struct {
	Block     []PolicyRule `json:"block"`
	Limits    PolicyLimits `json:"limits"`
	Canary    *int64       `json:"canary_seconds"` // how long one sensor alone carries out a verdict that is for many
	AtMost    AtMost       `json:"at_most"`
	Changed   bool         `json:"changed"` // by the API; the file does not count any more
	ChangedBy string       `json:"changed_by,omitempty"`
	ChangedAt time.Time    `json:"changed_at,omitzero"`
}

// PolicyRule turns an alert that meets every given condition into a verdict on its source.
type PolicyRule struct {
	Severity        uint8    `json:"severity,omitempty"`
	Signatures      []uint32 `json:"signatures,omitempty"`
	Categories      []string `json:"categories,omitempty"`
	Require         string   `json:"require,omitempty"`
	Action          string   `json:"action,omitempty"`
	Rate            uint32   `json:"rate,omitempty"`
	TTLSeconds      int64    `json:"ttl_seconds,omitempty"`
	Scope           string   `json:"scope,omitempty"`
	EscalateSeconds []int64  `json:"escalate_seconds,omitempty"`
	Quorum          *Quorum  `json:"quorum,omitempty"`
}

// Quorum is how many must agree before a rule decides.
type Quorum struct {
	Sensors       int   `json:"sensors,omitempty"`
	Signatures    int   `json:"signatures,omitempty"`
	WithinSeconds int64 `json:"within_seconds,omitempty"`
}

// PolicyLimits bound what automation may decide, in verdicts a minute and in addresses at once.
type PolicyLimits struct {
	PerMinute          int `json:"per_minute"`
	PerSensorMinute    int `json:"per_sensor_minute"`
	PerSignatureMinute int `json:"per_signature_minute"`

	HoldSeconds   int64  `json:"hold_seconds"`   // nothing is decided after a limit was met
	Addresses     uint64 `json:"addresses"`      // that verdicts from alerts may stop at once
	FeedAddresses uint64 `json:"feed_addresses"` // that all feeds together may
}

// AtMost is the highest rung of the ladder for what alerts and feeds ask for; empty is drop.
type AtMost struct {
	Alerts string `json:"alerts,omitempty"`
	Feeds  string `json:"feeds,omitempty"`
}

func (s *Server) getPolicy(w http.ResponseWriter, r *http.Request) error {
	if err := query(r).err(); err != nil {
		return err
	}
	p := s.opt.Policies.Policy()
	p.Block = orEmpty(p.Block)
	return writeJSON(w, http.StatusOK, p)
}

func (s *Server) putPolicy(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Block  []PolicyRule `json:"block"`
		Limits PolicyLimits `json:"limits"`
		Canary *int64       `json:"canary_seconds"`
		AtMost AtMost       `json:"at_most"`
	}
	now := s.opt.Policies.Policy() // what is left out stays as it is
	q.Limits, q.Canary, q.AtMost = now.Limits, now.Canary, now.AtMost
	if err := readJSON(r, &q); err != nil {
		return err
	}
	p, err := s.opt.Policies.SetPolicy(r.Context(), Policy{Block: q.Block, Limits: q.Limits, Canary: q.Canary, AtMost: q.AtMost}, s.actor(r))
	if err != nil {
		return err
	}
	p.Block = orEmpty(p.Block)
	return writeJSON(w, http.StatusOK, p)
}
