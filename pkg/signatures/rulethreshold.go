package signatures

import (
	"fmt"

	"github.com/weir-ips/weir/pkg/signatures/keyword"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
	"github.com/weir-ips/weir/pkg/threshold"
)

// ruleThresholds are what threshold.config says about one rule.
type ruleThresholds struct {
	limit    *threshold.Spec // replaces the rule's own
	rate     *threshold.Spec
	suppress []suppression
}

type suppression struct {
	track     threshold.Track // 0: always
	addresses *keyword.AddrSet
}

// thresholds reads threshold.config and gives each rule its own.
func (l *loader) thresholds() {
	l.rs.entries = map[*keyword.Signature]*ruleThresholds{}
	src := l.rs.options.Thresholds
	entries, errs := threshold.ParseConfig(src.Text)
	at := func(line int) syntax.Pos { return syntax.Pos{File: src.Name, Line: line, Col: 1} }
	for _, e := range errs {
		l.problems = append(l.problems, Problem{Error: syntax.Error{Pos: at(e.Line), Err: e.Err}})
	}
	for i := range entries {
		e := &entries[i]
		set, err := l.suppressed(e)
		if err != nil {
			l.problems = append(l.problems, Problem{Error: syntax.Error{Pos: at(e.Line), Err: err}})
			continue
		}
		for _, s := range l.rs.signatures {
			if e.GID != 0 && e.GID != s.GID || e.SID != 0 && e.SID != s.SID {
				continue
			}
			l.rs.apply(s, e, set)
		}
	}
}

func (l *loader) suppressed(e *threshold.Entry) (*keyword.AddrSet, error) {
	if e.Addresses == "" {
		return nil, nil
	}
	set, err := keyword.ParseAddresses(e.Addresses, l.env.Variables)
	if err != nil {
		return nil, fmt.Errorf("ip %s: %w", e.Addresses, err)
	}
	return set, nil
}

// apply gives a rule what an entry says. An entry for one rule wins over one for all.
func (rs *Ruleset) apply(s *keyword.Signature, e *threshold.Entry, set *keyword.AddrSet) {
	t := rs.entries[s]
	if t == nil {
		t = &ruleThresholds{}
		rs.entries[s] = t
	}
	spec := &e.Spec
	switch e.Kind {
	case threshold.Suppress:
		t.suppress = append(t.suppress, suppression{e.Track, set})
	case threshold.RateFilter:
		if t.rate == nil || e.SID != 0 {
			t.rate = spec
		}
	default:
		if e.SID == 0 && (t.limit != nil || s.Threshold != nil) {
			return
		}
		t.limit = spec
	}
}

// threshold counts a match and says what becomes of it, and with which action.
func (e *Engine) threshold(m *match) (keyword.Action, threshold.Outcome) {
	s := m.sig
	action := s.Action
	x := &e.ctx
	t := e.rules.entries[s]
	if t == nil && s.Threshold == nil {
		return action, threshold.Alert
	}
	x.Turn(m.dir)
	src, dst := x.Addresses()
	var flowID uint64
	if x.Flow != nil {
		flowID = x.Flow.ID
	}
	spec := s.Threshold
	if t != nil {
		if t.suppresses(keyword.Number(src), keyword.Number(dst)) {
			return action, threshold.Silent
		}
		if t.limit != nil && (spec == nil || spec.Kind != threshold.DetectionFilter) {
			spec = t.limit
		}
	}
	if spec != nil {
		if o := e.shared.thresholds.Count(spec, spec.KeyOf(s.GID, s.SID, src, dst, flowID), x.Now); o != threshold.Alert {
			return action, o
		}
	}
	if t != nil && t.rate != nil {
		if e.shared.thresholds.Count(t.rate, t.rate.KeyOf(s.GID, s.SID, src, dst, flowID), x.Now) == threshold.NewAction {
			action = newAction(t.rate.NewAction)
		}
	}
	return action, threshold.Alert
}

func newAction(name string) keyword.Action {
	switch name {
	case "drop":
		return keyword.Drop
	case "pass":
		return keyword.Pass
	case "reject":
		return keyword.Reject
	}
	return keyword.Alert
}

func (t *ruleThresholds) suppresses(src, dst keyword.U128) bool {
	for _, s := range t.suppress {
		switch {
		case s.addresses == nil:
			return true
		case s.track != threshold.ByDst && s.addresses.Has(src):
			return true
		case s.track != threshold.BySrc && s.addresses.Has(dst):
			return true
		}
	}
	return false
}
