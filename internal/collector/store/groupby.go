package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"
)

// Summary is what alerts that share a signature, a source or a target have in common.
type Summary struct {
	Key      string    `json:"key"`   // sid or address
	Label    string    `json:"label"` // the signature's text for a sid, else the key
	Severity uint8     `json:"severity"`
	Count    uint64    `json:"count"`
	Others   uint64    `json:"others"` // sources of a signature; signatures of a source or target. Over several days: at least so many
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
}

// GroupBy sums up alerts by signature, source or target, the latest first, n at most. Ends of time are rounded outwards to ten
// minutes where counters can answer.
func (s *Store) GroupBy(ctx context.Context, f Filter, by Dimension, n int) ([]Summary, error) {
	f = s.resolve(f)
	from, to := f.span()
	sum := map[string]*Summary{}
	for _, d := range s.between(from, to) {
		err := d.view(func(db *sql.DB) error {
			p, err := planFor(ctx, db, &f)
			if err != nil || p.none {
				return err
			}
			return summaries(ctx, db, p, by, from, to, n, sum)
		})
		if err != nil {
			return nil, fmt.Errorf("group %s: %w", d.path, err)
		}
	}
	all := make([]Summary, 0, len(sum))
	for _, g := range sum {
		all = append(all, *g)
	}
	slices.SortFunc(all, func(a, b Summary) int { return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Key, b.Key)) })
	return all[:min(len(all), max(n, 0))], nil
}

func summaries(ctx context.Context, db *sql.DB, p *plan, by Dimension, since, until int64, limit int, sum map[string]*Summary) error {
	table, column, n, first, last := "groups t", "t.period", "sum(t.n)", "min(t.first)", "max(t.last)"
	if p.others || by == ByTarget {
		table, column, n, first, last = "alerts t", "t.ts", "count(*)", "min(t.ts)", "max(t.ts)"
	} else {
		since = floor(max(since, -1<<62), period)
	}
	key, label, others := "s.sid", "max(s.signature)", "count(DISTINCT t.src)"
	switch by {
	case BySource:
		key, label, others = "t.src", "''", "count(DISTINCT s.sid)"
	case ByTarget:
		key, label, others = "t.dst", "''", "count(DISTINCT s.sid)"
	}
	query := "SELECT " + key + ", " + label + ", min(s.severity), " + n + ", " + others + ", " + first + ", " + last + " AS newest FROM " +
		table + " JOIN signatures s ON s.n = t.sig" + p.clause(column+" >= ?", column+" <= ?") + " GROUP BY 1 ORDER BY newest DESC LIMIT ?"
	rows, err := db.QueryContext(ctx, query, append(append([]any{since, until}, p.args...), limit)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var g Summary
		var k any
		var first, last int64
		if err := rows.Scan(&k, &g.Label, &g.Severity, &g.Count, &g.Others, &first, &last); err != nil {
			return err
		}
		g.Key = keyText(key, k)
		g.Label = cmp.Or(g.Label, g.Key)
		g.First, g.Last = time.Unix(0, first).UTC(), time.Unix(0, last).UTC()
		if old := sum[g.Key]; old != nil {
			g.Count += old.Count
			g.Others, g.Severity = max(g.Others, old.Others), min(g.Severity, old.Severity)
			g.First, g.Last = earlier(g.First, old.First), later(g.Last, old.Last)
		}
		sum[g.Key] = &g
	}
	return rows.Err()
}
