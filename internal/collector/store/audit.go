package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// ErrTampered says that the audit log's hashes do not follow from its entries.
var ErrTampered = errors.New("audit log was altered")

// Entry is one change that somebody made, as the audit log keeps it.
type Entry struct {
	Seq    uint64          `json:"seq"`
	Time   time.Time       `json:"time"`
	Actor  string          `json:"actor"`
	Action string          `json:"action"` // noun.verb: verdict.add, verdict.remove, rules.replace
	Object string          `json:"object"` // id of what was changed
	Remote string          `json:"remote"` // address the request came from; empty for the collector's own acts
	Detail json.RawMessage `json:"detail"` // what it was and became, why
	Hash   string          `json:"hash"`   // SHA-256 over the previous hash and this entry, hex
}

// AuditFilter chooses audit entries, newest first.
type AuditFilter struct {
	Actor, Action, Object string
	Text                  string    // words that must all occur somewhere in the entry, in whatever case
	Since, Until          time.Time // when it was made; zero is no bound
	Before                uint64    // only entries with a smaller Seq; 0 is no bound
	Limit                 int       // 100 if 0
}

// The triggers keep programs from changing the past by mistake; the hashes show it when somebody does so on purpose.
const auditSchema = `
CREATE TABLE audit (
	seq    INTEGER PRIMARY KEY,
	ts     INTEGER NOT NULL,
	actor  TEXT NOT NULL,
	action TEXT NOT NULL,
	object TEXT NOT NULL,
	remote TEXT NOT NULL,
	detail TEXT NOT NULL,
	hash   BLOB NOT NULL
);
CREATE INDEX audit_object ON audit (object, seq);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
PRAGMA user_version = 1;
`

const auditVersion = 1

// auditSQL is how a database is asked.
type auditSQL struct {
	lock   string // taken by whoever appends; "" where a transaction that writes excludes others by itself
	insert string
	list   string
}

var sqliteAudit = auditSQL{
	insert: "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
	list: `WHERE (?1 = '' OR actor = ?1) AND (?2 = '' OR action = ?2) AND (?3 = '' OR object = ?3) AND (?4 = 0 OR seq < ?4)
		AND (?5 = 0 OR ts >= ?5) AND (?6 = 0 OR ts < ?6) AND NOT EXISTS (SELECT 1 FROM json_each(?7) AS word
		WHERE instr(lower(actor || ' ' || action || ' ' || object || ' ' || remote || ' ' || detail), word.value) = 0) ORDER BY seq DESC LIMIT ?8`,
}

// Audit is the append-only record of changes. Its methods may be called from many goroutines, and in PostgreSQL from many
// collectors.
type Audit struct {
	db  *sql.DB
	sql auditSQL
	now func() time.Time
	mu  sync.Mutex // one append at a time: each needs the hash before it
}

// OpenAudit opens the audit log in opt.Dir, making it if need be.
func OpenAudit(opt Options) (*Audit, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if err := os.MkdirAll(opt.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	db, err := openWriter(filepath.Join(opt.Dir, "audit.db"), auditSchema, auditVersion)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	return &Audit{db: db, sql: sqliteAudit, now: opt.Now}, nil
}

// Close closes the file, or the connections.
func (a *Audit) Close() error { return a.db.Close() }

// Append records e, whose Seq, Time and Hash it sets. When it returns without error the entry is on disk.
func (a *Audit) Append(ctx context.Context, e Entry) (Entry, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e.Detail == nil {
		e.Detail = json.RawMessage("{}")
	}
	for _, text := range []*string{&e.Actor, &e.Action, &e.Object, &e.Remote} {
		*text = validText(*text) // the hash is over what every database takes
	}
	e.Time = a.now().UTC()
	if err := a.append(ctx, &e); err != nil {
		return Entry{}, fmt.Errorf("audit log: %w", err)
	}
	return e, nil
}

func (a *Audit) append(ctx context.Context, e *Entry) error {
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if a.sql.lock != "" {
		if _, err := tx.ExecContext(ctx, a.sql.lock); err != nil {
			return err
		}
	}
	var last int64
	previous := make([]byte, sha256.Size)
	err = tx.QueryRowContext(ctx, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").Scan(&last, &previous)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	e.Seq = uint64(last) + 1
	sum := e.sum(previous)
	_, err = tx.ExecContext(ctx, a.sql.insert, int64(e.Seq), e.Time.UnixNano(), e.Actor, e.Action, e.Object, e.Remote, string(e.Detail), sum)
	if err != nil {
		return err
	}
	e.Hash = hex.EncodeToString(sum)
	return tx.Commit()
}

// sum is SHA-256 over the previous hash and the entry: numbers as 8 bytes big-endian, texts behind their length.
func (e *Entry) sum(previous []byte) []byte {
	b := binary.BigEndian.AppendUint64(bytes.Clone(previous), e.Seq)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Time.UnixNano()))
	for _, text := range []string{e.Actor, e.Action, e.Object, e.Remote, string(e.Detail)} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(text)))
		b = append(b, text...)
	}
	sum := sha256.Sum256(b)
	return sum[:]
}

// List returns entries, newest first.
func (a *Audit) List(ctx context.Context, f AuditFilter) ([]Entry, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	words, err := json.Marshal(append([]string{}, strings.Fields(strings.ToLower(f.Text))...))
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	all := []Entry{}
	err = a.each(ctx, func(e Entry, hash []byte) error {
		e.Hash = hex.EncodeToString(hash)
		all = append(all, e)
		return nil
	}, a.sql.list, f.Actor, f.Action, f.Object, int64(f.Before), nanoseconds(f.Since), nanoseconds(f.Until), string(words), min(f.Limit, MaxLimit))
	return all, err
}

// nanoseconds is t as the database has it; 0 where there is none.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// Verify goes through the whole log and returns ErrTampered with the first entry that does not follow from the ones before.
// It cannot tell that the newest entries were cut off: compare Seq and Hash with a copy kept elsewhere.
func (a *Audit) Verify(ctx context.Context) error {
	previous, next := make([]byte, sha256.Size), uint64(1)
	return a.each(ctx, func(e Entry, hash []byte) error {
		if previous = e.sum(previous); e.Seq != next || !bytes.Equal(previous, hash) {
			return fmt.Errorf("%w: entry %d", ErrTampered, e.Seq)
		}
		next++
		return nil
	}, "ORDER BY seq")
}

func (a *Audit) each(ctx context.Context, f func(e Entry, hash []byte) error, clause string, args ...any) error {
	rows, err := a.db.QueryContext(ctx, "SELECT seq, ts, actor, action, object, remote, detail, hash FROM audit "+clause, args...)
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var e Entry
		var seq, ts int64
		var detail string
		var hash []byte
		if err := rows.Scan(&seq, &ts, &e.Actor, &e.Action, &e.Object, &e.Remote, &detail, &hash); err != nil {
			return fmt.Errorf("audit log: %w", err)
		}
		e.Seq, e.Time, e.Detail = uint64(seq), time.Unix(0, ts).UTC(), json.RawMessage(detail)
		if err := f(e, hash); err != nil {
			return err
		}
	}
	return rows.Err()
}
