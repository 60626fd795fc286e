// Package policy decides which alerts become verdicts, and which verdicts nobody may order.
//
// The product default is to observe: without a rule in collector.yaml, alerts never turn into verdicts.
package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// Config is the section "policy" of collector.yaml.
type Config struct {
	Block  []Rule        `yaml:"block"`
	Limits Limits        `yaml:"limits"`
	Canary time.Duration `yaml:"canary"`  // how long one sensor alone carries out a verdict that is for many; 0: all at once
	AtMost AtMost        `yaml:"at-most"` // the highest rung of each origin, whatever its rules or feeds ask for
}

// AtMost bounds what is done about what alerts and feeds say: observe, ratelimit (alerts alone) or drop.
type AtMost struct {
	Alerts string `yaml:"alerts"`
	Feeds  string `yaml:"feeds"`
}

// Rule turns an alert that meets every given condition into a verdict on its source. The first rule that matches decides.
type Rule struct {
	Severity   uint8         `yaml:"severity"`   // this severity and more severe (1 is the most severe); 0 is any
	Signatures []uint32      `yaml:"signatures"` // sids; empty is any
	Categories []string      `yaml:"categories"` // EVE alert.category; empty is any
	Require    string        `yaml:"require"`    // handshake | none
	Action     string        `yaml:"action"`     // observe, the default, | ratelimit | drop
	Rate       uint32        `yaml:"rate"`       // packets per second, for ratelimit
	TTL        time.Duration `yaml:"ttl"`
	Scope      string        `yaml:"scope"` // all, a sensor, or a group

	Escalate []time.Duration `yaml:"escalate"` // instead of ttl: lives of a source's first, second, … verdict
	Quorum   Quorum          `yaml:"quorum"`
}

// Limits bound what automation may decide; beyond them alerts are only counted.
type Limits struct {
	PerMinute          int `yaml:"per-minute"`           // verdicts in all
	PerSensorMinute    int `yaml:"per-sensor-minute"`    // from one sensor's alerts
	PerSignatureMinute int `yaml:"per-signature-minute"` // from one signature

	Hold          time.Duration `yaml:"hold"`           // how long nothing is decided after a limit was met
	Addresses     uint64        `yaml:"addresses"`      // that verdicts from alerts may stop at once; networks of 48 bits of IPv6
	FeedAddresses uint64        `yaml:"feed-addresses"` // that feeds may stop at once, all of them together
}

// What a rule's keys may say.
const (
	RequireHandshake = "handshake"
	RequireNone      = "none"
)

// MaxTTL is the longest that automation may decide for; DefaultTTL is what a rule without ttl does.
const (
	MaxTTL     = 24 * time.Hour
	DefaultTTL = 10 * time.Minute
)

// DefaultCanary is long enough for a report of the sensor that tries, and for its breaker.
const DefaultCanary = 5 * time.Second

// DefaultLimits allow for a busy day and stop a runaway rule within a minute. Feeds may stop 1/128 of IPv4: twice what the largest list of
// hijacked networks covers.
func DefaultLimits() Limits {
	return Limits{PerMinute: 600, PerSensorMinute: 120, PerSignatureMinute: 120, Hold: 5 * time.Minute, Addresses: 1 << 16, FeedAddresses: 1 << 25}
}

// limitedRate is what a source may send, in packets per second, whose drop at-most turned into a rate limit.
const limitedRate = 10

// Rung makes v what its origin may ask for.
func (a *AtMost) Rung(v *verdict.Verdict) {
	most := a.Alerts
	if v.Origin == verdict.OriginFeed {
		most = a.Feeds
	}
	switch {
	case !v.Stops() || most == "" || most == "drop":
	case most == "observe":
		v.Action, v.Rate = verdict.Observe, 0
	case v.Action == verdict.Drop:
		v.Action, v.Rate = verdict.RateLimit, limitedRate
	}
}

var actions = map[string]verdict.Action{"drop": verdict.Drop, "ratelimit": verdict.RateLimit, "observe": verdict.Observe}

// Fault is what is wrong with one key of the section.
type Fault struct {
	Key    string // relative to the section: block[0].ttl
	Reason string
}

// Check fills in defaults and reports everything that is wrong.
func (c *Config) Check() []Fault {
	var faults []Fault
	for i := range c.Block {
		for _, f := range c.Block[i].check() {
			faults = append(faults, Fault{fmt.Sprintf("block[%d]%s", i, f.Key), f.Reason})
		}
	}
	for _, l := range []struct {
		key string
		n   int
	}{
		{"limits.per-minute", c.Limits.PerMinute},
		{"limits.per-sensor-minute", c.Limits.PerSensorMinute},
		{"limits.per-signature-minute", c.Limits.PerSignatureMinute},
	} {
		if l.n < 1 || l.n > 100_000 {
			faults = append(faults, Fault{l.key, fmt.Sprintf("%d is not in 1-100000", l.n)})
		}
	}
	return append(faults, c.checkHarm()...)
}

// checkHarm checks what bounds the harm of a rule that errs; what is 0 has its default.
func (c *Config) checkHarm() (faults []Fault) {
	usual, l := DefaultLimits(), &c.Limits
	if l.Hold == 0 {
		l.Hold = usual.Hold
	}
	if l.Addresses == 0 {
		l.Addresses = usual.Addresses
	}
	if l.FeedAddresses == 0 {
		l.FeedAddresses = usual.FeedAddresses
	}
	bad := func(key, format string, args ...any) {
		faults = append(faults, Fault{key, fmt.Sprintf(format, args...)})
	}
	if l.Hold < time.Second || l.Hold > MaxTTL {
		bad("limits.hold", "%s is not from 1s to %s", l.Hold, MaxTTL)
	}
	if l.Addresses > verdict.CeilingAlerts {
		bad("limits.addresses", "%d is more than %d, which sensors would refuse", l.Addresses, verdict.CeilingAlerts)
	}
	if l.FeedAddresses > verdict.CeilingFeeds {
		bad("limits.feed-addresses", "%d is more than %d, which sensors would refuse", l.FeedAddresses, verdict.CeilingFeeds)
	}
	if c.Canary < 0 || c.Canary > time.Hour {
		bad("canary", "%s is not from 0s to 1h", c.Canary)
	}
	if !slices.Contains([]string{"", "observe", "ratelimit", "drop"}, c.AtMost.Alerts) {
		bad("at-most.alerts", "%q is not one of observe, ratelimit, drop", c.AtMost.Alerts)
	}
	if !slices.Contains([]string{"", "observe", "drop"}, c.AtMost.Feeds) {
		bad("at-most.feeds", "%q is not one of observe, drop", c.AtMost.Feeds)
	}
	return faults
}

func (r *Rule) check() []Fault {
	r.setDefaults()
	var faults []Fault
	bad := func(key, format string, args ...any) {
		faults = append(faults, Fault{key, fmt.Sprintf(format, args...)})
	}
	if r.Severity == 0 && len(r.Signatures) == 0 && len(r.Categories) == 0 {
		bad("", "would block the source of every alert: give severity, signatures or categories")
	}
	if _, ok := actions[r.Action]; !ok {
		bad(".action", "%q is not one of drop, ratelimit, observe", r.Action)
	}
	if (r.Action == "ratelimit") != (r.Rate > 0) {
		bad(".rate", "packets per second: wanted with ratelimit, and only with it")
	}
	if r.Require != RequireHandshake && r.Require != RequireNone {
		bad(".require", "%q is not one of handshake, none", r.Require)
	}
	if r.Require == RequireNone && r.Action == "drop" {
		bad(".require", "without a handshake the source may be forged, and a forged packet must not get an innocent address dropped: require handshake, or use ratelimit or observe")
	}
	if r.TTL < time.Second || r.TTL > MaxTTL {
		bad(".ttl", "%s is not from 1s to %s", r.TTL, MaxTTL)
	}
	for i, life := range r.Escalate {
		if life < time.Second || life > MaxTTL || i > 0 && life <= r.Escalate[i-1] {
			bad(fmt.Sprintf(".escalate[%d]", i), "%s is not from 1s to %s, and longer than the one before", life, MaxTTL)
		}
	}
	if q := r.Quorum; q.Sensors < 0 || q.Signatures < 0 || q.Sensors > maxWitnesses || q.Signatures > maxWitnesses || q.Within < 0 || q.Within > 24*time.Hour {
		bad(".quorum", "sensors and signatures go up to %d, within to 24h", maxWitnesses)
	}
	if err := wire.CheckName(r.Scope); err != nil {
		bad(".scope", "%v", err)
	}
	return faults
}

func (r *Rule) setDefaults() {
	if r.Require == "" {
		r.Require = RequireHandshake
	}
	if r.Action == "" {
		r.Action = "observe" // what is new shows what it would have dropped
	}
	if r.Quorum.Within == 0 {
		r.Quorum.Within = 10 * time.Minute
	}
	if r.TTL == 0 {
		r.TTL = DefaultTTL
	}
	if r.Scope == "" {
		r.Scope = wire.ScopeAll
	}
}

// matches reports whether the alert meets every condition but the handshake.
func (r *Rule) matches(e *wire.Event) bool {
	switch {
	case r.Severity != 0 && (e.Severity == 0 || e.Severity > r.Severity):
		return false
	case len(r.Signatures) > 0 && !slices.Contains(r.Signatures, e.SID):
		return false
	case len(r.Categories) > 0 && !slices.Contains(r.Categories, e.Category):
		return false
	}
	return true
}
