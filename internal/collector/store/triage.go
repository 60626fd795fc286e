package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"time"
)

// States of an alert, by their number in files.
const (
	stateOpen = iota
	stateArchived
	stateEscalated
)

var stateNames = []string{stateOpen: "open", stateArchived: "archived", stateEscalated: "escalated"}

// States returns the names of the states an alert can be in.
func States() []string { return slices.Clone(stateNames) }

func stateOf(name string) int { return slices.Index(stateNames, name) }

func stateName(n int) string {
	if n < 0 || n >= len(stateNames) {
		return stateNames[stateOpen]
	}
	return stateNames[n]
}

// Comment is what somebody wrote about an alert.
type Comment struct {
	Time  time.Time `json:"time"`
	Actor string    `json:"actor"`
	Text  string    `json:"text"`
}

// Triage is what people decide about alerts. Fields that are zero change nothing.
type Triage struct {
	State    string  // one of States
	Assignee *string // "" takes the assignee away
	Comment  string
	Actor    string
}

const triageStep = 5000 // alerts in one transaction: alerts that arrive wait for it

// Triage decides about all alerts that f chooses and that are in the store by now, and returns how many those are. On error
// some may have been decided about.
func (s *Store) Triage(ctx context.Context, f Filter, t Triage) (int, error) {
	f = s.resolve(f)
	total, newest := 0, s.live.last()
	for _, d := range s.between(f.span()) {
		n, err := d.triage(ctx, &f, newest, t, s.opt.Now())
		total += n
		if err != nil {
			return total, fmt.Errorf("triage %s: %w", d.path, err)
		}
	}
	return total, nil
}

// TriageOne decides about one alert; ErrNotFound if there is none of that id.
func (s *Store) TriageOne(ctx context.Context, id string, t Triage) error {
	for _, d := range s.between(math.MinInt64, math.MaxInt64) {
		found := false
		err := d.view(func(db *sql.DB) error {
			seqs, err := numbers(ctx, db, "SELECT seq FROM alerts WHERE id = ?", id)
			if found = len(seqs) > 0; err != nil || !found {
				return err
			}
			return d.decide(ctx, seqs, t, s.opt.Now())
		})
		if err != nil {
			return fmt.Errorf("triage %s: %s: %w", id, d.path, err)
		}
		if found {
			return nil
		}
	}
	return fmt.Errorf("alert %s: %w", id, ErrNotFound)
}

func (d *day) triage(ctx context.Context, f *Filter, newest uint64, t Triage, now time.Time) (total int, err error) {
	from, to := f.span()
	for after := int64(0); ; {
		var seqs []int64
		err := d.view(func(db *sql.DB) error {
			p, err := planFor(ctx, db, f)
			if err != nil || p.none {
				return err
			}
			seqs, err = numbers(ctx, db, "SELECT seq FROM alerts"+p.clause("seq > ?", "seq <= ?", "+ts BETWEEN ? AND ?")+" ORDER BY seq LIMIT ?",
				append(append([]any{after, int64(newest), from, to}, p.args...), triageStep)...)
			if err != nil || len(seqs) == 0 {
				return err
			}
			return d.decide(ctx, seqs, t, now)
		})
		if err != nil || len(seqs) == 0 {
			return total, err
		}
		total, after = total+len(seqs), seqs[len(seqs)-1]
	}
}

// decide writes what was decided about alerts of the day. The caller keeps the file open.
func (d *day) decide(ctx context.Context, seqs []int64, t Triage, now time.Time) error {
	tx, err := d.w.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	among := list(seqs)
	if t.State != "" {
		if _, err := tx.Exec("UPDATE alerts SET state = ? WHERE seq IN (SELECT value FROM json_each(?))", stateOf(t.State), among); err != nil {
			return err
		}
	}
	if t.Assignee != nil {
		if err := assign(tx, among, *t.Assignee); err != nil {
			return err
		}
	}
	if t.Comment != "" {
		_, err := tx.Exec("INSERT INTO comments (seq, ts, actor, text) SELECT value, ?, ?, ? FROM json_each(?)", now.UnixNano(), t.Actor, t.Comment, among)
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

func assign(tx *sql.Tx, among, name string) error {
	if name != "" {
		if _, err := tx.Exec("INSERT INTO names (name) VALUES (?) ON CONFLICT DO NOTHING", name); err != nil {
			return err
		}
	}
	_, err := tx.Exec("UPDATE alerts SET assignee = coalesce((SELECT n FROM names WHERE name = ? AND name <> ''), 0) WHERE seq IN (SELECT value FROM json_each(?))", name, among)
	return err
}

func comments(ctx context.Context, db *sql.DB, seq uint64) ([]Comment, error) {
	rows, err := db.QueryContext(ctx, "SELECT ts, actor, text FROM comments WHERE seq = ? ORDER BY n LIMIT 1000", int64(seq))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Comment
	for rows.Next() {
		var c Comment
		var ts int64
		if err := rows.Scan(&ts, &c.Actor, &c.Text); err != nil {
			return nil, err
		}
		c.Time = time.Unix(0, ts).UTC()
		all = append(all, c)
	}
	return all, rows.Err()
}
