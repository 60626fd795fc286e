package export

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

// spoolSchema keeps what waits for destinations, a row for what was handed over together, and what they refused. skip are the events of a
// row that were sent already; upto is the greatest position of an event that was ever queued. Events are JSON.
const spoolSchema = `
CREATE TABLE waiting (
	seq    INTEGER PRIMARY KEY AUTOINCREMENT,
	export TEXT NOT NULL,
	n      INTEGER NOT NULL,
	skip   INTEGER NOT NULL DEFAULT 0,
	bytes  INTEGER NOT NULL,
	events BLOB NOT NULL
);
CREATE INDEX waiting_export ON waiting (export, seq);
CREATE TABLE positions (
	export TEXT PRIMARY KEY,
	upto   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE dead (
	seq    INTEGER PRIMARY KEY AUTOINCREMENT,
	export TEXT NOT NULL,
	at     INTEGER NOT NULL,
	reason TEXT NOT NULL,
	n      INTEGER NOT NULL,
	bytes  INTEGER NOT NULL,
	events BLOB NOT NULL
);
CREATE INDEX dead_export ON dead (export, seq);
PRAGMA user_version = 1;
`

const spoolVersion = 1

// SpoolFile is the file of the queues in its directory. It is in no backup: what waited then was sent since.
const SpoolFile = "exports.db"

// Spool is the queues of all destinations, in one file. It is safe for concurrent use.
type Spool struct{ db *store.Database }

// OpenSpool opens the file in dir. What was put there survives the program's death; what was put there in the last second may not survive
// the host's.
func OpenSpool(dir string) (*Spool, error) {
	db, err := store.OpenFile(filepath.Join(dir, SpoolFile), spoolSchema, spoolVersion)
	if err == nil {
		_, err = db.Exec("PRAGMA synchronous = NORMAL") // a disk flush for each alert would be the most of its cost
	}
	if err != nil {
		return nil, fmt.Errorf("export queues: %w", err)
	}
	return &Spool{db}, nil
}

// Close closes the file.
func (s *Spool) Close() error { return s.db.Close() }

// Forget drops what waits for destinations that are not configured any more.
func (s *Spool) Forget(configured []Config) error {
	names := make([]string, len(configured))
	for i, c := range configured {
		names[i] = c.Name
	}
	list, err := json.Marshal(names)
	if err != nil {
		return err
	}
	for _, table := range []string{"waiting", "positions", "dead"} {
		if _, err := s.db.Exec("DELETE FROM "+table+" WHERE export NOT IN (SELECT value FROM json_each(?))", string(list)); err != nil {
			return fmt.Errorf("export queues: %w", err)
		}
	}
	return nil
}

// DeadLetter is what a destination refused together.
type DeadLetter struct {
	Export string
	At     time.Time
	Reason string
	Events []Event
}

// Bounds of the dead letters of a destination; the oldest go.
const (
	maxDead      = 10_000 // events
	maxDeadBytes = 64 << 20
)

// DeadLetters lists what a destination refused, oldest first.
func (s *Spool) DeadLetters(ctx context.Context, export string, limit int) ([]DeadLetter, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT at, reason, events FROM dead WHERE export = ? ORDER BY seq LIMIT ?", export, limit)
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	defer rows.Close()
	var out []DeadLetter
	for rows.Next() {
		var at int64
		var text []byte
		d := DeadLetter{Export: export}
		if err := rows.Scan(&at, &d.Reason, &text); err != nil {
			return nil, fmt.Errorf("dead letters: %w", err)
		}
		if err := json.Unmarshal(text, &d.Events); err != nil {
			return nil, fmt.Errorf("dead letters: %w", err)
		}
		d.At = time.Unix(0, at).UTC()
		out = append(out, d)
	}
	return out, rows.Err()
}

// load reads how a destination's queue was left.
func (s *Spool) load(q *queue) error {
	err := s.db.QueryRow("SELECT coalesce(sum(n - skip), 0), coalesce(sum(bytes), 0) FROM waiting WHERE export = ?", q.export).Scan(&q.events, &q.bytes)
	if err == nil {
		err = s.db.QueryRow("SELECT upto FROM positions WHERE export = ?", q.export).Scan(&q.upto)
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
	}
	if err == nil {
		err = s.countDead(q)
	}
	if err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	return nil
}

func (s *Spool) countDead(q *queue) error {
	var n int64
	err := s.db.QueryRow("SELECT coalesce(sum(n), 0) FROM dead WHERE export = ?", q.export).Scan(&n)
	q.dead.Store(n)
	return err
}
