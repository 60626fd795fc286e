package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
)

// plan is a filter made ready for one day's file: texts have become that day's numbers.
type plan struct {
	where     []string
	args      []any
	none      bool // nothing in the file can match
	addresses bool // asks for addresses: only the alerts and their groups know those
	others    bool // asks for something that groups do not know
	rare      bool // few alerts can match: the index on what makes them few is the way to them
}

// rareShare is the part of a day's alerts up to which a signature's index beats walking back in time.
const rareShare = 20

// sigColumn: the leading + keeps SQLite from using the index on sig where walking back in time is shorter.
func (p *plan) sigColumn() string {
	if p.rare {
		return "sig"
	}
	return "+sig"
}

func (p *plan) and(condition string, args ...any) {
	p.where = append(p.where, condition)
	p.args = append(p.args, args...)
}

// clause is " WHERE …" with extra conditions first, or nothing.
func (p *plan) clause(extra ...string) string {
	all := slices.Concat(extra, p.where)
	if len(all) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(all, " AND ")
}

// list is numbers as an argument of json_each.
func list(numbers []int64) string {
	text, err := json.Marshal(numbers)
	if err != nil {
		return "[]" // cannot be: numbers marshal
	}
	return string(text)
}

// planFor reads what the day knows of the filter's texts. Times are the caller's business: the tables name them differently.
func planFor(ctx context.Context, db *sql.DB, f *Filter) (*plan, error) {
	p := &plan{}
	if err := p.signatures(ctx, db, f); err != nil || p.none {
		return p, err
	}
	for _, n := range []struct{ column, name string }{{"sensor", f.Sensor}, {"action", f.Action}, {"app", f.App}} {
		if n.name == "" {
			continue
		}
		found, err := numbers(ctx, db, "SELECT n FROM names WHERE name = ?", n.name)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			p.none = true
			return p, nil
		}
		p.others = true
		p.and(n.column+" = ?", found[0])
	}
	if f.Src.IsValid() {
		if err := p.address(ctx, db, "src", f.Src); err != nil {
			return nil, err
		}
	}
	if f.Dst.IsValid() {
		p.others = true
		if err := p.address(ctx, db, "dst", f.Dst); err != nil {
			return nil, err
		}
	}
	for _, w := range parseQuery(f.Query) {
		if err := p.word(ctx, db, w); err != nil || p.none {
			return p, err
		}
	}
	for _, t := range f.Terms {
		if err := p.term(ctx, db, t); err != nil || p.none {
			return p, err
		}
	}
	if f.Hide {
		return p, p.hide(ctx, db, f.suppressed)
	}
	return p, nil
}

// signatures narrows by sid and severity, and decides whether the index on signatures is worth its while.
func (p *plan) signatures(ctx context.Context, db *sql.DB, f *Filter) error {
	if f.SID == 0 && f.Severity == 0 {
		return nil
	}
	sigs, err := numbers(ctx, db, "SELECT n FROM signatures WHERE (?1 = 0 OR sid = ?1) AND (?2 = 0 OR severity = ?2)", f.SID, f.Severity)
	if err != nil || len(sigs) == 0 {
		p.none = true
		return err
	}
	return p.bySignature(ctx, db, sigs)
}

func (p *plan) bySignature(ctx context.Context, db *sql.DB, sigs []int64) error {
	var matching, all int64
	err := db.QueryRowContext(ctx, `SELECT
		coalesce((SELECT sum(total) FROM signatures WHERE n IN (SELECT value FROM json_each(?))), 0),
		coalesce((SELECT sum(total) FROM signatures), 0)`, list(sigs)).Scan(&matching, &all)
	if err != nil {
		return err
	}
	p.rare = p.rare || matching*rareShare < all
	p.and(p.sigColumn()+" IN (SELECT value FROM json_each(?))", list(sigs))
	return nil
}

// fewAddressed is up to how many alerts a prefix's index is the way to them, rather than walking back in time.
const fewAddressed = 5000

// address narrows by a prefix. One address is an equality, which its index answers in order of time whatever the number.
func (p *plan) address(ctx context.Context, db *sql.DB, column string, prefix netip.Prefix) error {
	p.addresses = true
	first, last := bounds(prefix)
	if prefix.IsSingleIP() {
		p.and(column+" = ?", first)
		return nil
	}
	condition := column + " BETWEEN ? AND ?"
	var n int
	err := db.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM alerts WHERE "+condition+" LIMIT ?)", first, last, fewAddressed).Scan(&n)
	if err != nil {
		return err
	}
	if n < fewAddressed {
		p.rare = true
	} else {
		condition = "+" + condition
	}
	p.and(condition, first, last)
	return nil
}

// word adds what w can mean in this file, joined by or.
func (p *plan) word(ctx context.Context, db *sql.DB, w word) error {
	sigs, named, err := w.meanings(ctx, db)
	if err != nil {
		return err
	}
	if len(named) == 0 && !w.prefix.IsValid() {
		if len(sigs) == 0 {
			p.none = true
			return nil
		}
		return p.bySignature(ctx, db, sigs)
	}
	clause, args := p.wordClause(w, sigs, named)
	p.and(clause, args...)
	return nil
}

// meanings are the signatures and names of a file that w matches.
func (w word) meanings(ctx context.Context, db *sql.DB) (sigs, named []int64, err error) {
	if m := w.match(); m != "" {
		if sigs, err = numbers(ctx, db, "SELECT rowid FROM signatures_text WHERE signatures_text MATCH ?", m); err != nil {
			return nil, nil, err
		}
	}
	named, err = namesLike(ctx, db, w.name)
	return sigs, named, err
}

// wordClause is true of rows that w matches; at least one of its meanings exists.
func (p *plan) wordClause(w word, sigs, named []int64) (string, []any) {
	p.others = p.others || len(named) > 0 || w.prefix.IsValid()
	or, args := []string{}, []any{}
	if len(sigs) > 0 {
		or, args = append(or, "+sig IN (SELECT value FROM json_each(?))"), append(args, list(sigs))
	}
	for _, n := range named {
		or, args = append(or, "? IN (sensor, action, proto, app)"), append(args, n)
	}
	if w.prefix.IsValid() {
		p.addresses = true
		first, last := bounds(w.prefix)
		or, args = append(or, "src BETWEEN ? AND ? OR dst BETWEEN ? AND ?"), append(args, first, last, first, last)
	}
	return "(" + strings.Join(or, " OR ") + ")", args
}

// namesLike returns the names that are text but for case, at most a few.
func namesLike(ctx context.Context, db *sql.DB, text string) ([]int64, error) {
	return numbers(ctx, db, "SELECT n FROM names WHERE lower(name) = ? LIMIT 16", text)
}

func numbers(ctx context.Context, db *sql.DB, query string, args ...any) ([]int64, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []int64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, rows.Err()
}
