package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
)

// Database is where parts of the collector keep what is not alerts: a SQLite file, or a schema of a PostgreSQL database that several
// collectors share. Both are asked in the same words: SQL that both know, with ? or ?1 for parameters, those that may be empty
// with their type said (CAST(? AS TEXT)).
type Database struct {
	*sql.DB
	shared bool
}

// Tx is a transaction. Of two that write one waits for the other, in whichever collector they are.
type Tx struct {
	*sql.Tx
	shared bool
}

// OpenFile opens a SQLite file of another part of the collector, with one connection, whose commits are on disk when they
// return. schema lays out a new file and sets user_version to version; upgrades[i] makes version i+2 of i+1. Any other version
// is refused.
func OpenFile(path, schema string, version int, upgrades ...string) (*Database, error) {
	db, err := openWriter(path, schema, version, upgrades...)
	if err != nil {
		return nil, err
	}
	return &Database{DB: db}, nil
}

// Shared reports whether other collectors may have it open too.
func (d *Database) Shared() bool { return d.shared }

// QueryContext is sql.DB's.
func (d *Database) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return d.DB.QueryContext(ctx, words(d.shared, text), values(d.shared, args)...)
}

// QueryRowContext is sql.DB's.
func (d *Database) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	return d.DB.QueryRowContext(ctx, words(d.shared, text), values(d.shared, args)...)
}

// ExecContext is sql.DB's.
func (d *Database) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	return d.DB.ExecContext(ctx, words(d.shared, text), values(d.shared, args)...)
}

// InTx runs f in a transaction, which is on disk if it returns nil, and undone if not.
func (d *Database) InTx(ctx context.Context, f func(*Tx) error) error {
	tx, err := d.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	defer tx.Rollback()
	if d.shared { // SQLite's transactions exclude each other by themselves
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtext(current_schema()))"); err != nil {
			return fmt.Errorf("database: %w", err)
		}
	}
	if err := f(&Tx{tx, d.shared}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

// QueryContext is sql.Tx's.
func (t *Tx) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return t.Tx.QueryContext(ctx, words(t.shared, text), values(t.shared, args)...)
}

// QueryRowContext is sql.Tx's.
func (t *Tx) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	return t.Tx.QueryRowContext(ctx, words(t.shared, text), values(t.shared, args)...)
}

// ExecContext is sql.Tx's.
func (t *Tx) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	return t.Tx.ExecContext(ctx, words(t.shared, text), values(t.shared, args)...)
}

// words turns ? and ?1 into PostgreSQL's $1. No text of ours has a question mark for anything else.
func words(postgres bool, text string) string {
	if !postgres || !strings.Contains(text, "?") {
		return text
	}
	var b strings.Builder
	n := 0
	for i := range len(text) {
		if text[i] != '?' {
			b.WriteByte(text[i])
			continue
		}
		b.WriteByte('$')
		if i+1 == len(text) || text[i+1] < '0' || text[i+1] > '9' {
			n++
			b.WriteString(strconv.Itoa(n))
		}
	}
	return b.String()
}

// values are args without what PostgreSQL takes in no text: NUL, and bytes that are not UTF-8.
func values(postgres bool, args []any) []any {
	if !postgres {
		return args
	}
	clean := make([]any, len(args))
	for i, a := range args {
		if s, ok := a.(string); ok {
			a = validText(s)
		}
		clean[i] = a
	}
	return clean
}

func validText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// inPostgres is a SQLite schema in PostgreSQL's words.
func inPostgres(schema string) string {
	return strings.NewReplacer("INTEGER", "BIGINT", "BLOB", "BYTEA", " WITHOUT ROWID", "", "CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ",
		"CREATE INDEX ", "CREATE INDEX IF NOT EXISTS ", "PRAGMA user_version =", "INSERT INTO layout SELECT 1,").Replace(schema)
}

// Part is a part's name in a shared database, and how it lays its tables out: see OpenFile.
type Part struct {
	Name    string
	Schema  string
	Version int
}

// OpenPart opens a part's tables in a PostgreSQL database (14 or later), in a schema of their own, and makes them if need be.
func (p Postgres) OpenPart(ctx context.Context, part Part) (*Database, error) {
	schema := "weir_" + part.Name
	db, err := p.open(schema)
	if err == nil {
		err = setUp(ctx, db, "CREATE SCHEMA IF NOT EXISTS "+schema+"; CREATE TABLE IF NOT EXISTS layout (one BIGINT PRIMARY KEY, version BIGINT NOT NULL);"+
			strings.TrimSuffix(strings.TrimSpace(inPostgres(part.Schema)), ";")+" ON CONFLICT DO NOTHING")
	}
	var version int
	if err == nil {
		err = db.QueryRowContext(ctx, "SELECT version FROM layout").Scan(&version)
	}
	if err == nil && version != part.Version {
		err = fmt.Errorf("layout version %d, this program knows %d", version, part.Version)
	}
	if err != nil {
		if db != nil {
			db.Close()
		}
		return nil, fmt.Errorf("PostgreSQL: %s: %w", schema, err)
	}
	return &Database{DB: db, shared: true}, nil
}
