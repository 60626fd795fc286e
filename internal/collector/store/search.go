package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxLimit is the most alerts that one page holds.
const MaxLimit = 1000

// ErrCursor says that a cursor is not one that a search gave out.
var ErrCursor = errors.New("not a cursor of this search")

const selectAlerts = `SELECT a.seq, a.id, a.ts, s.sid, s.gid, s.rev, s.signature, s.category, s.severity,
	sensor.name, action.name, proto.name, app.name, a.src, a.sport, a.dst, a.dport, a.flow, a.state, coalesce(assignee.name, '')
	FROM alerts a JOIN signatures s ON s.n = a.sig
	JOIN names sensor ON sensor.n = a.sensor JOIN names action ON action.n = a.action
	JOIN names proto ON proto.n = a.proto JOIN names app ON app.n = a.app
	LEFT JOIN names assignee ON assignee.n = a.assignee`

// Search returns the newest alerts that f chooses, limit at most, from where cursor left off.
func (s *Store) Search(ctx context.Context, f Filter, cursor string, limit int) (Page, error) {
	f = s.resolve(f)
	at, err := parseCursor(cursor)
	if err != nil {
		return Page{}, err
	}
	limit = min(max(limit, 1), MaxLimit)
	from, to := f.span()
	to = min(to, at.ts)
	page := Page{Alerts: []Alert{}}
	for _, d := range s.between(from, to) {
		err := d.view(func(db *sql.DB) error {
			p, err := planFor(ctx, db, &f)
			if err != nil || p.none {
				return err
			}
			found, err := p.search(ctx, db, from, to, at, limit+1-len(page.Alerts))
			page.Alerts = append(page.Alerts, found...)
			return err
		})
		if err != nil {
			return Page{}, fmt.Errorf("search %s: %w", d.path, err)
		}
		if len(page.Alerts) > limit {
			page.Alerts = page.Alerts[:limit]
			last := page.Alerts[limit-1]
			page.Next = position{last.Time.UnixNano(), last.Seq}.String()
			break
		}
	}
	return page, nil
}

// search finds seqs by index first, then reads the rows it wants.
func (p *plan) search(ctx context.Context, db *sql.DB, from, to int64, at position, limit int) ([]Alert, error) {
	ts := "ts"
	if p.rare {
		ts = "+ts" // leaves the choice to the index on sig
	}
	inner := "SELECT seq FROM alerts" + p.clause(ts+" BETWEEN ? AND ?", "("+ts+" < ? OR seq < ?)") +
		" ORDER BY ts DESC, seq DESC LIMIT ?"
	args := append([]any{from, to, at.ts, int64(at.seq)}, p.args...)
	query := selectAlerts + " WHERE a.seq IN (" + inner + ") ORDER BY a.ts DESC, a.seq DESC"
	return scanAlerts(ctx, db, query, append(args, limit)...)
}

// Get returns an alert with its EVE record.
func (s *Store) Get(ctx context.Context, id string) (Alert, error) {
	var found []Alert
	for _, d := range s.between(math.MinInt64, math.MaxInt64) {
		err := d.view(func(db *sql.DB) (err error) {
			if found, err = scanAlerts(ctx, db, selectAlerts+" WHERE a.id = ?", id); err != nil || len(found) == 0 {
				return err
			}
			var stages string
			if err = db.QueryRowContext(ctx, "SELECT stages FROM alerts WHERE seq = ?", int64(found[0].Seq)).Scan(&stages); err != nil {
				return err
			}
			found[0].ParseStages(stages)
			if found[0].EVE, err = d.eve(ctx, db, found[0].Seq); err != nil {
				return err
			}
			found[0].Comments, err = comments(ctx, db, found[0].Seq)
			return err
		})
		if err != nil {
			return Alert{}, fmt.Errorf("read alert %s: %s: %w", id, d.path, err)
		}
		if len(found) > 0 {
			return found[0], nil
		}
	}
	return Alert{}, fmt.Errorf("alert %s: %w", id, ErrNotFound)
}

func (d *day) eve(ctx context.Context, db *sql.DB, seq uint64) ([]byte, error) {
	var first int64
	var frame []byte
	err := db.QueryRowContext(ctx, "SELECT first, frame FROM eve WHERE first <= ? ORDER BY first DESC LIMIT 1", int64(seq)).Scan(&first, &frame)
	if err != nil {
		return nil, err
	}
	return d.codec.decode(frame, seq-uint64(first))
}

// After returns what arrived after seq: all, or the most severe limit of it, and of those the newest. The latest thousands are answered from memory.
func (s *Store) After(ctx context.Context, f Filter, seq uint64, limit int) (Arrivals, error) {
	f = s.resolve(f)
	if got, ok := s.live.after(seq, f, limit); ok {
		return got, nil
	}
	got := Arrivals{Last: s.live.last()}
	for _, d := range s.between(f.span()) {
		err := d.view(func(db *sql.DB) error { return d.after(ctx, db, &f, seq, limit, &got) })
		if err != nil {
			return Arrivals{}, fmt.Errorf("read %s: %w", d.path, err)
		}
	}
	all := make([]*Alert, len(got.Alerts))
	for i := range got.Alerts {
		all[i] = &got.Alerts[i]
	}
	kept := make([]Alert, 0, limit)
	for _, a := range worst(all, limit) {
		kept = append(kept, *a)
	}
	got.Alerts = kept
	return got, nil
}

func (d *day) after(ctx context.Context, db *sql.DB, f *Filter, seq uint64, limit int, got *Arrivals) error {
	p, err := planFor(ctx, db, f)
	if err != nil || p.none {
		return err
	}
	from, to := f.span()
	where := p.clause("seq > ?", "+ts BETWEEN ? AND ?")
	args := append([]any{int64(seq), from, to}, p.args...)
	var n uint64
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM alerts"+where, args...).Scan(&n); err != nil || n == 0 {
		return err
	}
	got.Matched += n
	query := selectAlerts + " WHERE a.seq IN (SELECT seq FROM alerts JOIN signatures ON signatures.n = sig" + where +
		" ORDER BY severity, seq DESC LIMIT ?)"
	found, err := scanAlerts(ctx, db, query, append(args, limit)...)
	got.Alerts = append(got.Alerts, found...)
	return err
}

func scanAlerts(ctx context.Context, db *sql.DB, query string, args ...any) ([]Alert, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Alert
	for rows.Next() {
		var a Alert
		var seq, ts, flow int64
		var src, dst any
		var state int
		err := rows.Scan(&seq, &a.ID, &ts, &a.SID, &a.GID, &a.Rev, &a.Signature, &a.Category, &a.Severity,
			&a.Sensor, &a.Action, &a.Proto, &a.AppProto, &src, &a.SrcPort, &dst, &a.DestPort, &flow, &state, &a.Assignee)
		if err != nil {
			return nil, err
		}
		a.Seq, a.Time, a.FlowID = uint64(seq), time.Unix(0, ts).UTC(), uint64(flow)
		a.SrcIP, a.DestIP = ipOf(src), ipOf(dst)
		a.State = stateName(state)
		all = append(all, a)
	}
	return all, rows.Err()
}

// span is the filter's time in Unix nanoseconds, both ends included.
func (f *Filter) span() (from, to int64) {
	from, to = math.MinInt64, math.MaxInt64
	if !f.Since.IsZero() {
		from = f.Since.UnixNano()
	}
	if !f.Until.IsZero() {
		to = f.Until.UnixNano() - 1
	}
	return from, to
}

// between returns the days that overlap [from, to], newest first.
func (s *Store) between(from, to int64) []*day {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var some []*day
	for _, d := range slices.Backward(s.days) {
		if start, end := d.span(); start <= to && from <= end {
			some = append(some, d)
		}
	}
	return some
}

// position is a place in the order of a search: newest first, and of one moment the latest arrived first.
type position struct {
	ts  int64
	seq uint64
}

func (p position) String() string {
	return strconv.FormatInt(p.ts, 36) + "." + strconv.FormatUint(p.seq, 36)
}

func parseCursor(text string) (position, error) {
	if text == "" {
		return position{math.MaxInt64, math.MaxInt64}, nil
	}
	ts, seq, ok := strings.Cut(text, ".")
	t, err1 := strconv.ParseInt(ts, 36, 64)
	n, err2 := strconv.ParseUint(seq, 36, 63)
	if !ok || err1 != nil || err2 != nil {
		return position{}, ErrCursor
	}
	return position{t, n}, nil
}
