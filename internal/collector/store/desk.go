package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// deskSchema lays out what people decided. Times are Unix nanoseconds; ts is the alert's.
const deskSchema = `
CREATE TABLE decisions (
	id       TEXT PRIMARY KEY,
	ts       INTEGER NOT NULL,
	state    TEXT NOT NULL,
	assignee TEXT NOT NULL
);
CREATE INDEX decisions_ts ON decisions (ts);
CREATE TABLE comments (
	id       TEXT NOT NULL,
	ts       INTEGER NOT NULL,
	at       INTEGER NOT NULL,
	n        INTEGER NOT NULL,
	actor    TEXT NOT NULL,
	text     TEXT NOT NULL,
	PRIMARY KEY (id, n)
);
CREATE INDEX comments_ts ON comments (ts);
CREATE TABLE suppressions (
	id       TEXT PRIMARY KEY,
	created  INTEGER NOT NULL,
	expires  INTEGER NOT NULL,
	data     TEXT NOT NULL
);
PRAGMA user_version = 1;
`

// DeskPart is the desk's tables, for a database that several collectors share.
func DeskPart() Part { return Part{Name: "triage", Schema: deskSchema, Version: 1} }

// OpenDesk opens a desk in a SQLite file.
func OpenDesk(path string, log *slog.Logger) (*Desk, error) {
	db, err := OpenFile(path, deskSchema, 1)
	if err != nil {
		return nil, fmt.Errorf("triage: %w", err)
	}
	return NewDesk(db, log), nil
}

// Desk keeps what people decide about alerts that are not kept in files of the collector's, and what they suppress. Its methods may
// be called from many goroutines.
type Desk struct {
	db  *Database
	log *slog.Logger
	Now func() time.Time

	mu    sync.Mutex
	asked time.Time // when suppressed was read
	all   []Suppression
}

// NewDesk returns the desk whose tables db holds; Close closes it.
func NewDesk(db *Database, log *slog.Logger) *Desk { return &Desk{db: db, log: log, Now: time.Now} }

// Close closes the database.
func (d *Desk) Close() error { return d.db.Close() }

// Decision is what was decided about one alert.
type Decision struct {
	ID       string
	Time     time.Time // the alert's
	State    string
	Assignee string
}

// MaxDecisions is how many decisions, the newest alerts', one query takes into account.
const MaxDecisions = 10_000

// ErrTooMany says that a decision is about more alerts than can be taken into account.
var ErrTooMany = fmt.Errorf("more than %d alerts: choose fewer, or suppress them", MaxDecisions)

// Decided returns the decisions about alerts from one time to another (Unix nanoseconds, both included), those of the newest alerts
// if there are more than MaxDecisions.
func (d *Desk) Decided(ctx context.Context, from, to int64) ([]Decision, error) {
	return d.decisions(ctx, "WHERE ts >= ? AND ts <= ? AND (state <> 'open' OR assignee <> '') ORDER BY ts DESC LIMIT ?", from, to, MaxDecisions)
}

// Of returns the decisions about the alerts of these ids, at most MaxLimit, by id.
func (d *Desk) Of(ctx context.Context, ids []string) (map[string]Decision, error) {
	byID := map[string]Decision{}
	if len(ids) == 0 {
		return byID, nil
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	all, err := d.decisions(ctx, "WHERE id IN (?"+strings.Repeat(", ?", len(ids)-1)+")", args...)
	for _, x := range all {
		byID[x.ID] = x
	}
	return byID, err
}

func (d *Desk) decisions(ctx context.Context, clause string, args ...any) ([]Decision, error) {
	rows, err := d.db.QueryContext(ctx, "SELECT id, ts, state, assignee FROM decisions "+clause, args...)
	if err != nil {
		return nil, fmt.Errorf("triage: %w", err)
	}
	defer rows.Close()
	var all []Decision
	for rows.Next() {
		var x Decision
		var ts int64
		if err := rows.Scan(&x.ID, &ts, &x.State, &x.Assignee); err != nil {
			return nil, fmt.Errorf("triage: %w", err)
		}
		x.Time = time.Unix(0, ts).UTC()
		all = append(all, x)
	}
	return all, rows.Err()
}

// Decide records t about alerts.
func (d *Desk) Decide(ctx context.Context, alerts []Alert, t Triage) error {
	now := d.Now().UnixNano()
	err := d.db.InTx(ctx, func(tx *Tx) error {
		for i := range alerts {
			if err := decideOne(ctx, tx, &alerts[i], t, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("triage: %w", err)
	}
	return nil
}

func decideOne(ctx context.Context, tx *Tx, a *Alert, t Triage, now int64) error {
	ts := a.Time.UnixNano()
	if t.State != "" {
		_, err := tx.ExecContext(ctx, "INSERT INTO decisions VALUES (?, ?, ?, '') ON CONFLICT (id) DO UPDATE SET state = excluded.state", a.ID, ts, t.State)
		if err != nil {
			return err
		}
	}
	if t.Assignee != nil {
		_, err := tx.ExecContext(ctx, "INSERT INTO decisions VALUES (?, ?, 'open', ?) ON CONFLICT (id) DO UPDATE SET assignee = excluded.assignee", a.ID, ts, *t.Assignee)
		if err != nil {
			return err
		}
	}
	if t.Comment == "" {
		return nil
	}
	var n int64
	if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(n), 0) + 1 FROM comments WHERE id = ?", a.ID).Scan(&n); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO comments VALUES (?, ?, ?, ?, ?, ?)", a.ID, ts, now, n, t.Actor, t.Comment)
	return err
}

// Comments returns what was written about an alert, the oldest first.
func (d *Desk) Comments(ctx context.Context, id string) ([]Comment, error) {
	rows, err := d.db.QueryContext(ctx, "SELECT at, actor, text FROM comments WHERE id = ? ORDER BY n LIMIT 1000", id)
	if err != nil {
		return nil, fmt.Errorf("triage: %w", err)
	}
	defer rows.Close()
	var all []Comment
	for rows.Next() {
		var c Comment
		var at int64
		if err := rows.Scan(&at, &c.Actor, &c.Text); err != nil {
			return nil, fmt.Errorf("triage: %w", err)
		}
		c.Time = time.Unix(0, at).UTC()
		all = append(all, c)
	}
	return all, rows.Err()
}

// Forget drops what was decided about alerts before a time, and suppressions that have expired.
func (d *Desk) Forget(ctx context.Context, before time.Time) error {
	return d.db.InTx(ctx, func(tx *Tx) error {
		_, err1 := tx.ExecContext(ctx, "DELETE FROM decisions WHERE ts < ?", before.UnixNano())
		_, err2 := tx.ExecContext(ctx, "DELETE FROM comments WHERE ts < ?", before.UnixNano())
		_, err3 := tx.ExecContext(ctx, "DELETE FROM suppressions WHERE expires < ?", d.Now().UnixNano())
		return errors.Join(err1, err2, err3)
	})
}

// suppressedFor is how old what is known of suppressions may be: every list asks, and another collector may have changed them.
const suppressedFor = time.Second

// Suppressions returns those that have not expired, the latest first. While the database does not answer, those of before count.
func (d *Desk) Suppressions() []Suppression {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.asked) > suppressedFor {
		d.asked = time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		all, err := d.suppressions(ctx, d.db)
		if err == nil {
			d.all = all
		} else if d.log != nil {
			d.log.Error("suppressions not read; those of before count", "error", err)
		}
	}
	live, now := []Suppression{}, d.Now()
	for _, x := range d.all {
		if x.ExpiresAt.After(now) {
			live = append(live, x)
		}
	}
	return live
}

type querier interface {
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
}

func (d *Desk) suppressions(ctx context.Context, q querier) ([]Suppression, error) {
	rows, err := q.QueryContext(ctx, "SELECT data FROM suppressions WHERE expires > ? ORDER BY created DESC, id LIMIT ?", d.Now().UnixNano(), MaxSuppressions)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Suppression
	for rows.Next() {
		var text string
		var x Suppression
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(text), &x); err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	return all, rows.Err()
}

// Resolve gives a filter that hides what is suppressed now.
func (d *Desk) Resolve(f Filter) Filter {
	if !f.Hide {
		return f
	}
	f.suppressed = nil
	for _, x := range d.Suppressions() {
		if terms, err := x.parse(); err == nil { // it was taken when it was made
			f.suppressed = append(f.suppressed, terms)
		}
	}
	return f
}

// Suppress adds x, whose ID and CreatedAt it sets. Its query must say something.
func (d *Desk) Suppress(x Suppression) (Suppression, error) {
	if _, err := x.parse(); err != nil {
		return Suppression{}, err
	}
	x.ID, x.CreatedAt = "s-"+strings.ToLower(rand.Text()[:12]), d.Now().UTC()
	text, err := json.Marshal(x)
	if err != nil {
		return Suppression{}, fmt.Errorf("keep suppression: %w", err)
	}
	ctx := context.Background()
	err = d.db.InTx(ctx, func(tx *Tx) error {
		live, err := d.suppressions(ctx, tx)
		if err == nil && len(live) >= MaxSuppressions {
			return ErrFull
		}
		if err == nil {
			_, err = tx.ExecContext(ctx, "INSERT INTO suppressions VALUES (?, ?, ?, ?)", x.ID, x.CreatedAt.UnixNano(), x.ExpiresAt.UnixNano(), string(text))
		}
		return err
	})
	d.stale()
	if err != nil && !errors.Is(err, ErrFull) {
		err = fmt.Errorf("keep suppression: %w", err)
	}
	return x, err
}

// Unsuppress takes a suppression away and returns it.
func (d *Desk) Unsuppress(id string) (was Suppression, err error) {
	var text string
	err = d.db.QueryRowContext(context.Background(), "DELETE FROM suppressions WHERE id = ? RETURNING data", id).Scan(&text)
	d.stale()
	if errors.Is(err, sql.ErrNoRows) {
		return was, fmt.Errorf("suppression %s: %w", id, ErrNotFound)
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &was)
	}
	if err != nil {
		return was, fmt.Errorf("take suppression %s away: %w", id, err)
	}
	return was, nil
}

func (d *Desk) stale() {
	d.mu.Lock()
	d.asked = time.Time{}
	d.mu.Unlock()
}
