package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Groups returns what each source did against each signature, the latest first, n groups at most. Ends of time are rounded
// outwards to ten minutes. Filters that groups do not know (target, sensor, action, application) are answered from alerts.
func (s *Store) Groups(ctx context.Context, f Filter, n int) ([]Group, error) {
	f = s.resolve(f)
	from, to := f.span()
	sum := map[groupOf]*Group{}
	for _, d := range s.between(from, to) {
		err := d.view(func(db *sql.DB) error {
			p, err := planFor(ctx, db, &f)
			if err != nil || p.none {
				return err
			}
			return groupsOf(ctx, db, p, from, to, n, sum)
		})
		if err != nil {
			return nil, fmt.Errorf("group %s: %w", d.path, err)
		}
	}
	all := make([]Group, 0, len(sum))
	for _, g := range sum {
		all = append(all, *g)
	}
	slices.SortFunc(all, func(a, b Group) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.SID, b.SID), a.SrcIP.Compare(b.SrcIP))
	})
	return all[:min(len(all), max(n, 0))], nil
}

type groupOf struct {
	sid       uint32
	signature string
	src       netip.Addr
}

func groupsOf(ctx context.Context, db *sql.DB, p *plan, since, until int64, limit int, sum map[groupOf]*Group) error {
	table, column, n, first, last := "groups t", "t.period", "sum(t.n)", "min(t.first)", "max(t.last)"
	if p.others {
		table, column, n, first, last = "alerts t", "t.ts", "count(*)", "min(t.ts)", "max(t.ts)"
	} else {
		since = floor(max(since, -1<<62), period)
	}
	query := "SELECT s.sid, s.signature, s.category, s.severity, t.src, " + n + ", " + first + ", " + last + " AS newest FROM " +
		table + " JOIN signatures s ON s.n = t.sig" + p.clause(column+" >= ?", column+" <= ?") +
		" GROUP BY t.sig, t.src ORDER BY newest DESC LIMIT ?"
	args := append([]any{since, until}, p.args...)
	rows, err := db.QueryContext(ctx, query, append(args, limit)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var g Group
		var src any
		var first, last int64
		if err := rows.Scan(&g.SID, &g.Signature, &g.Category, &g.Severity, &src, &g.Count, &first, &last); err != nil {
			return err
		}
		g.SrcIP, g.First, g.Last = ipOf(src), time.Unix(0, first).UTC(), time.Unix(0, last).UTC()
		key := groupOf{g.SID, g.Signature, g.SrcIP}
		if old := sum[key]; old != nil {
			g.Count += old.Count
			g.First, g.Last = earlier(g.First, old.First), later(g.Last, old.Last)
		}
		sum[key] = &g
	}
	return rows.Err()
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
