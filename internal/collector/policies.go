package collector

import (
	"context"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/policy"
)

// policies is api.Policies: the policy of collector.yaml until somebody changes it by the API.
type policies struct {
	configured policy.Config
	engine     *policy.Engine
	govern     *governor
}

// inForce is the policy to start with: the one set by the API, else the file's.
func inForce(configured policy.Config, s *settings) (policy.Config, error) {
	set := s.policy()
	if set == nil {
		return configured, nil
	}
	return fromAPI(set)
}

func (p *policies) Policy() api.Policy {
	if set := p.govern.settings.policy(); set != nil {
		return *set
	}
	return toAPI(&p.configured)
}

// SetPolicy keeps q, puts it into force and notes it.
func (p *policies) SetPolicy(ctx context.Context, q api.Policy, by string) (api.Policy, error) {
	checked, err := fromAPI(&q)
	if err != nil {
		return api.Policy{}, err
	}
	if err := p.govern.follows(); err != nil {
		return api.Policy{}, err
	}
	before, next := p.Policy(), toAPI(&checked)
	next.Changed, next.ChangedBy, next.ChangedAt = true, by, time.Now().UTC()
	if err := p.govern.settings.change(func(s *settingsData) error { s.Policy = &next; return nil }); err != nil {
		return api.Policy{}, err
	}
	p.engine.Replace(checked)
	return next, p.govern.note(ctx, by, "policy.replace", "policy", map[string]any{"before": before, "after": next})
}

// fromAPI checks a policy and fills in defaults; what is wrong is *api.Invalid.
func fromAPI(q *api.Policy) (policy.Config, error) {
	c := policy.Config{Limits: policy.Limits{
		PerMinute: q.Limits.PerMinute, PerSensorMinute: q.Limits.PerSensorMinute, PerSignatureMinute: q.Limits.PerSignatureMinute,
		Hold: time.Duration(q.Limits.HoldSeconds) * time.Second, Addresses: q.Limits.Addresses, FeedAddresses: q.Limits.FeedAddresses,
	}, Canary: policy.DefaultCanary, AtMost: policy.AtMost(q.AtMost)}
	if q.Canary != nil {
		c.Canary = time.Duration(*q.Canary) * time.Second
	}
	for _, r := range q.Block {
		rule := policy.Rule{
			Severity: r.Severity, Signatures: r.Signatures, Categories: r.Categories, Require: r.Require, Action: r.Action, Rate: r.Rate,
			TTL: time.Duration(r.TTLSeconds) * time.Second, Scope: r.Scope,
		}
		for _, s := range r.EscalateSeconds {
			rule.Escalate = append(rule.Escalate, time.Duration(s)*time.Second)
		}
		if r.Quorum != nil {
			rule.Quorum = policy.Quorum{Sensors: r.Quorum.Sensors, Signatures: r.Quorum.Signatures, Within: time.Duration(r.Quorum.WithinSeconds) * time.Second}
		}
		c.Block = append(c.Block, rule)
	}
	var bad api.Invalid
	for _, f := range c.Check() {
		bad.Fields = append(bad.Fields, api.FieldError{Field: inJSON(f.Key), Detail: f.Reason})
	}
	if len(bad.Fields) > 0 {
		return policy.Config{}, &bad
	}
	return c, nil
}

// inJSON turns a key of collector.yaml into the API's name for it.
func inJSON(key string) string {
	key = strings.ReplaceAll(key, "-", "_")
	if strings.HasSuffix(key, ".ttl") || strings.HasSuffix(key, ".hold") || key == "canary" {
		return key + "_seconds"
	}
	return strings.Replace(key, ".escalate[", ".escalate_seconds[", 1)
}

func toAPI(c *policy.Config) api.Policy {
	canary := int64(c.Canary / time.Second)
	q := api.Policy{Block: []api.PolicyRule{}, Canary: &canary, AtMost: api.AtMost(c.AtMost), Limits: api.PolicyLimits{
		PerMinute: c.Limits.PerMinute, PerSensorMinute: c.Limits.PerSensorMinute, PerSignatureMinute: c.Limits.PerSignatureMinute,
		HoldSeconds: int64(c.Limits.Hold / time.Second), Addresses: c.Limits.Addresses, FeedAddresses: c.Limits.FeedAddresses,
	}}
	for i := range c.Block {
		r := &c.Block[i]
		rule := api.PolicyRule{
			Severity: r.Severity, Signatures: r.Signatures, Categories: r.Categories, Require: r.Require, Action: r.Action, Rate: r.Rate,
			TTLSeconds: int64(r.TTL / time.Second), Scope: r.Scope,
		}
		for _, d := range r.Escalate {
			rule.EscalateSeconds = append(rule.EscalateSeconds, int64(d/time.Second))
		}
		if r.Quorum.Sensors > 0 || r.Quorum.Signatures > 0 {
			rule.Quorum = &api.Quorum{Sensors: r.Quorum.Sensors, Signatures: r.Quorum.Signatures, WithinSeconds: int64(r.Quorum.Within / time.Second)}
		}
		q.Block = append(q.Block, rule)
	}
	return q
}
