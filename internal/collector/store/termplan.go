package store

import (
	"context"
	"database/sql"
	"net/netip"
	"strings"
)

// term adds a condition of the query language.
func (p *plan) term(ctx context.Context, db *sql.DB, t Term) error {
	switch t.Field {
	case "":
		return p.text(ctx, db, t)
	case "sid", "gid", "severity":
		return p.ofSignature(ctx, db, t)
	case "sensor", "action", "app", "proto":
		return p.named(ctx, db, t, t.Field)
	case "assigned":
		p.addresses = true
		return p.named(ctx, db, t, "assignee")
	case "is":
		p.addresses, p.others = true, true
		states := make([]int64, len(t.Values))
		for i, v := range t.Values {
			states[i] = int64(stateOf(v.Text))
		}
		p.in("state", t.Not, states)
		return nil
	case "src", "dst":
		if !t.Not && len(t.Values) == 1 {
			p.others = p.others || t.Field == "dst"
			return p.address(ctx, db, t.Field, t.Values[0].Prefix)
		}
	}
	p.addresses, p.others = true, true
	columns := map[string][]string{"src": {"src"}, "dst": {"dst"}, "ip": {"src", "dst"}, "port": {"dport"}, "sport": {"sport"}, "flow": {"flow"}}[t.Field]
	var or []string
	var args []any
	for _, v := range t.Values {
		var first, last any = int64(v.Low), int64(v.High)
		if v.Prefix.IsValid() {
			first, last = bounds(v.Prefix)
		}
		for _, c := range columns {
			or, args = append(or, c+" BETWEEN ? AND ?"), append(args, first, last)
		}
	}
	p.and(not(t.Not)+"("+strings.Join(or, " OR ")+")", args...)
	return nil
}

func not(yes bool) string {
	if yes {
		return "NOT "
	}
	return ""
}

func (p *plan) in(column string, negated bool, values []int64) {
	p.and(column+" "+not(negated)+"IN (SELECT value FROM json_each(?))", list(values))
}

// ofSignature narrows by what a rule determines.
func (p *plan) ofSignature(ctx context.Context, db *sql.DB, t Term) error {
	var or []string
	var args []any
	for _, v := range t.Values {
		or, args = append(or, t.Field+" BETWEEN ? AND ?"), append(args, int64(v.Low), int64(v.High))
	}
	sigs, err := numbers(ctx, db, "SELECT n FROM signatures WHERE "+strings.Join(or, " OR "), args...)
	switch {
	case err != nil:
		return err
	case len(sigs) == 0:
		p.none = p.none || !t.Not
	case t.Not:
		p.in("+sig", true, sigs)
	default:
		return p.bySignature(ctx, db, sigs)
	}
	return nil
}

// named narrows by names, upper and lower case alike.
func (p *plan) named(ctx context.Context, db *sql.DB, t Term, column string) error {
	var all []int64
	for _, v := range t.Values {
		found, err := namesLike(ctx, db, strings.ToLower(v.Text))
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		p.none = p.none || !t.Not
		return nil
	}
	p.others = true
	p.in(column, t.Not, all)
	return nil
}

// text narrows by words; a phrase's words stand together.
func (p *plan) text(ctx context.Context, db *sql.DB, t Term) error {
	w := wordOf(t.Values[0].Text)
	if !t.Not {
		return p.word(ctx, db, w)
	}
	sigs, named, err := w.meanings(ctx, db)
	if err != nil || len(sigs)+len(named) == 0 && !w.prefix.IsValid() {
		return err
	}
	clause, args := p.wordClause(w, sigs, named)
	p.and("NOT "+clause, args...)
	return nil
}

func wordOf(text string) word {
	return word{tokens: tokens(text), prefix: partialPrefix(text), name: strings.ToLower(text)}
}

// hide leaves out what was archived and what suppressions describe.
func (p *plan) hide(ctx context.Context, db *sql.DB, suppressed [][]Term) error {
	p.addresses, p.others = true, true
	p.and("state <> ?", stateArchived)
	for _, terms := range suppressed {
		inner := &plan{}
		for _, t := range terms {
			if err := inner.term(ctx, db, t); err != nil {
				return err
			}
		}
		if !inner.none && len(inner.where) > 0 {
			p.and("NOT ("+strings.Join(inner.where, " AND ")+")", inner.args...)
		}
	}
	return nil
}

// termMatcher decides about alerts in memory as plan.term does about rows.
type termMatcher []termMatch

type termMatch struct {
	Term
	words []word // of text
}

func newTermMatcher(terms []Term) termMatcher {
	m := make(termMatcher, len(terms))
	for i, t := range terms {
		m[i].Term = t
		if t.Field == "" {
			m[i].words = []word{wordOf(t.Values[0].Text)}
		}
	}
	return m
}

func (m termMatcher) matches(a *Alert) bool {
	for i := range m {
		if m[i].any(a) == m[i].Not {
			return false
		}
	}
	return true
}

func (t *termMatch) any(a *Alert) bool {
	if t.Field == "" {
		return t.words[0].matches(a)
	}
	for _, v := range t.Values {
		if v.matches(t.Field, a) {
			return true
		}
	}
	return false
}

func (v *Value) matches(field string, a *Alert) bool {
	switch field {
	case "sid":
		return v.holds(uint64(a.SID))
	case "gid":
		return v.holds(uint64(a.GID))
	case "severity":
		return v.holds(uint64(a.Severity))
	case "port":
		return v.holds(uint64(a.DestPort))
	case "sport":
		return v.holds(uint64(a.SrcPort))
	case "flow":
		return v.holds(a.FlowID)
	case "src":
		return v.contains(a.SrcIP)
	case "dst":
		return v.contains(a.DestIP)
	case "ip":
		return v.contains(a.SrcIP) || v.contains(a.DestIP)
	case "is":
		return v.Text == a.State
	}
	have := map[string]string{"sensor": a.Sensor, "action": a.Action, "app": a.AppProto, "proto": a.Proto, "assigned": a.Assignee}[field]
	return strings.EqualFold(v.Text, have)
}

func (v *Value) holds(n uint64) bool { return v.Low <= n && n <= v.High }

func (v *Value) contains(a netip.Addr) bool { return v.Prefix.Contains(a) }
