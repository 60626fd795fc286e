package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// MaxBuckets is the most steps of a timeline.
const MaxBuckets = 2000

// blocked is EVE's alert.action of a packet that was not passed on.
const blocked = "blocked"

// Timeline counts alerts by steps of whole minutes from f.Since to f.Until, which must be set; every step is returned, empty
// ones too. It reads counters, unless f asks for addresses: then those addresses' alerts, through their index.
func (s *Store) Timeline(ctx context.Context, f Filter, step time.Duration) ([]Bucket, error) {
	width := max(int64(step)/minute, 1) * minute
	start, end := floor(f.Since.UnixNano(), width), f.Until.UnixNano()
	if f.Since.IsZero() || f.Until.IsZero() || end < start || (end-start)/width >= MaxBuckets {
		return nil, fmt.Errorf("timeline of %s by %s: want at most %d steps", f.Until.Sub(f.Since), step, MaxBuckets)
	}
	buckets := make([]Bucket, 0, (end-start)/width+1)
	for t := start; t < end; t += width {
		buckets = append(buckets, Bucket{Time: time.Unix(0, t).UTC(), Severity: map[uint8]uint64{}})
	}
	for _, d := range s.between(start, end) {
		err := d.view(func(db *sql.DB) error { return timelineOf(ctx, db, &f, start, end, width, buckets) })
		if err != nil {
			return nil, fmt.Errorf("timeline of %s: %w", d.path, err)
		}
	}
	return buckets, nil
}

func timelineOf(ctx context.Context, db *sql.DB, f *Filter, start, end, width int64, buckets []Bucket) error {
	p, err := planFor(ctx, db, f)
	if err != nil || p.none {
		return err
	}
	// The first step's start is the same for every file, so steps line up though minutes before 1970 would not.
	from := "minutes t JOIN signatures s ON s.n = t.sig"
	severity, column, n := "s.severity", "minute", "sum(t.n)"
	switch {
	case len(p.where) == 0:
		from, severity = "totals t", "t.severity"
	case p.addresses:
		from, column, n = "alerts t JOIN signatures s ON s.n = t.sig", "ts", "count(*)"
	}
	query := "SELECT (" + column + " - ?) / ? AS step, " + severity + ", a.name, " + n + " FROM " + from +
		" JOIN names a ON a.n = t.action" + p.clause(column+" >= ?", column+" < ?") + " GROUP BY 1, 2, 3"
	rows, err := db.QueryContext(ctx, query, append([]any{start, width, start, end}, p.args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var i int
		var severity uint8
		var action string
		var n uint64
		if err := rows.Scan(&i, &severity, &action, &n); err != nil {
			return err
		}
		b := &buckets[i]
		b.Total += n
		b.Severity[severity] += n
		if action == blocked {
			b.Blocked += n
		}
	}
	return rows.Err()
}

// source is where a ranking is counted: a table, its time column and the width of its steps, its key, and its count.
type source struct{ table, time, key, label, n string }

// ranking chooses the smallest table that can answer.
func ranking(by Dimension, p *plan) source {
	rows := source{table: "alerts t", time: "t.ts", n: "count(*)"}
	minutes := source{table: "minutes t", time: "t.minute", n: "sum(t.n)"}
	if p.addresses {
		minutes = rows
	}
	sig := " JOIN signatures s ON s.n = t.sig"
	switch by {
	case BySource:
		if !p.others {
			rows = source{table: "groups t", time: "t.period", n: "sum(t.n)"}
		}
		rows.key, rows.label = "t.src", "''"
		return rows
	case ByTarget:
		if len(p.where) == 0 {
			rows = source{table: "targets t", time: "t.period", n: "sum(t.n)"}
		}
		rows.key, rows.label = "t.dst", "''"
		return rows
	case ByCategory:
		minutes.table, minutes.key, minutes.label = minutes.table+sig, "s.category", "''"
	case BySensor:
		minutes.table, minutes.key, minutes.label = minutes.table+" JOIN names k ON k.n = t.sensor", "k.name", "''"
	case ByApp:
		minutes.table, minutes.key, minutes.label = minutes.table+" JOIN names k ON k.n = t.app", "k.name", "''"
	default:
		minutes.table, minutes.key, minutes.label = minutes.table+sig, "s.sid", "max(s.signature)"
	}
	return minutes
}

// Top ranks what f chooses, n rows at most. Ends of time are rounded outwards to whole minutes, for addresses to ten.
func (s *Store) Top(ctx context.Context, f Filter, by Dimension, n int) ([]Count, error) {
	from, to := f.span()
	sum := map[any]*Count{}
	for _, d := range s.between(from, to) {
		err := d.view(func(db *sql.DB) error {
			p, err := planFor(ctx, db, &f)
			if err != nil || p.none {
				return err
			}
			return topOf(ctx, db, p, ranking(by, p), from, to, sum)
		})
		if err != nil {
			return nil, fmt.Errorf("rank %s: %w", d.path, err)
		}
	}
	all := make([]Count, 0, len(sum))
	for _, c := range sum {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b Count) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Key, b.Key)) })
	return all[:min(len(all), max(n, 0))], nil
}

// keptPerDay bounds what a day hands to the sum over days: beyond a thousand keys a day, ranks over several days are those of
// the days' own first thousand.
const keptPerDay = 1000

func topOf(ctx context.Context, db *sql.DB, p *plan, from source, since, until int64, sum map[any]*Count) error {
	if from.time != "t.ts" {
		width := minute
		if from.time == "t.period" {
			width = period
		}
		since = floor(max(since, -1<<62), width)
	}
	query := "SELECT " + from.key + ", " + from.label + ", " + from.n + " AS n FROM " + from.table +
		p.clause(from.time+" >= ?", from.time+" <= ?") + " GROUP BY 1 ORDER BY n DESC LIMIT " + strconv.Itoa(keptPerDay)
	rows, err := db.QueryContext(ctx, query, append([]any{since, until}, p.args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var key any
		var label string
		var n uint64
		if err := rows.Scan(&key, &label, &n); err != nil {
			return err
		}
		text := keyText(from.key, key)
		c := sum[text]
		if c == nil {
			c = &Count{Key: text, Label: cmp.Or(label, text)}
			sum[text] = c
		}
		c.Count += n
	}
	return rows.Err()
}

func keyText(column string, key any) string {
	if column == "t.src" || column == "t.dst" {
		if ip := ipOf(key); ip != (netip.Addr{}) {
			return ip.String()
		}
		return ""
	}
	return fmt.Sprint(key)
}
