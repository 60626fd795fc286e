package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

// schema lays out the file. Times are Unix nanoseconds, 0 is never; roles are names separated by spaces.
const schema = `
CREATE TABLE users (
	name    TEXT PRIMARY KEY,
	hash    TEXT NOT NULL,               -- of the password; empty until the invitation is used
	roles   TEXT NOT NULL,
	active  BOOLEAN NOT NULL,
	created INTEGER NOT NULL,
	creator TEXT NOT NULL,
	login   INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE invitations (
	hash    BLOB PRIMARY KEY,
	name    TEXT NOT NULL UNIQUE,        -- empty: whoever comes first makes the first account
	expires INTEGER NOT NULL
);
CREATE TABLE sessions (
	hash    BLOB PRIMARY KEY,
	id      TEXT NOT NULL UNIQUE,        -- names the session where its secret must not be
	name    TEXT NOT NULL,
	kind    TEXT NOT NULL,               -- local, oidc
	roles   TEXT NOT NULL,               -- of kind oidc; an account's are looked up
	created INTEGER NOT NULL,
	seen    INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	remote  TEXT NOT NULL,
	agent   TEXT NOT NULL
);
CREATE INDEX sessions_name ON sessions (name);
CREATE TABLE tokens (
	id      TEXT PRIMARY KEY,
	hash    BLOB NOT NULL,
	name    TEXT NOT NULL UNIQUE,
	owner   TEXT NOT NULL,
	roles   TEXT NOT NULL,
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	used    INTEGER NOT NULL DEFAULT 0,
	remote  TEXT NOT NULL DEFAULT ''
);
CREATE TABLE searches (
	id      TEXT PRIMARY KEY,
	owner   TEXT NOT NULL,
	name    TEXT NOT NULL,
	query   TEXT NOT NULL,
	place   TEXT NOT NULL,
	shared  BOOLEAN NOT NULL,
	created INTEGER NOT NULL,
	UNIQUE (owner, name)
);
PRAGMA user_version = 1;
`

const schemaVersion = 1

// Errors that callers tell apart.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	ErrRefused  = errors.New("refused")   // with what is wrong, in words
	ErrDenied   = errors.New("not known") // name or password, session, token or invitation: which, is not told
)

// Part is the book's tables, for a database that several collectors share.
func Part() store.Part { return store.Part{Name: "identity", Schema: schema, Version: schemaVersion} }

// Options is where the book is and how long sessions last. Dir or Database is required.
type Options struct {
	Dir      string
	Database *store.Database // with Part's tables, which Close closes; nil: a file in Dir
	Idle     time.Duration   // a session unused for so long ends; DefaultIdle if 0
	Lifetime time.Duration   // every session ends after so long; DefaultLifetime if 0
	Log      *slog.Logger
	Now      func() time.Time
}

// How long sessions last unless configured otherwise.
const (
	DefaultIdle     = time.Hour
	DefaultLifetime = 12 * time.Hour
)

// Book is everybody the collector knows. It is safe for concurrent use, by several processes.
type Book struct {
	opt     Options
	db      *store.Database
	limit   *limiter
	hashing chan struct{} // tokens: how many passwords are hashed at a time
	dummy   string        // hash that an unknown name is held against, so that it takes as long
	settled atomic.Bool   // an account exists: the book never opens again

	attempts, failed, limited atomic.Uint64
}

// Stats counts sign-ins since the start.
type Stats struct {
	Attempts uint64 // that were looked at
	Failed   uint64 // of these: wrong name or password
	Limited  uint64 // turned away unseen: too many
}

// Stats is a snapshot.
func (b *Book) Stats() Stats {
	return Stats{Attempts: b.attempts.Load(), Failed: b.failed.Load(), Limited: b.limited.Load()}
}

const (
	maxHashing = 2 // times argonMemory of memory
	fileName   = "identity.db"
)

// Open opens the book in opt.Dir, making it if need be.
func Open(opt Options) (*Book, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Idle == 0 {
		opt.Idle = DefaultIdle
	}
	if opt.Lifetime == 0 {
		opt.Lifetime = DefaultLifetime
	}
	db := opt.Database
	if db == nil {
		if err := os.MkdirAll(opt.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("accounts: %w", err)
		}
		var err error
		if db, err = store.OpenFile(filepath.Join(opt.Dir, fileName), schema, schemaVersion); err != nil {
			return nil, fmt.Errorf("accounts: %w", err)
		}
	}
	return &Book{opt: opt, db: db, limit: newLimiter(), hashing: make(chan struct{}, maxHashing), dummy: hashPassword(newSecret())}, nil
}

// Close closes the file.
func (b *Book) Close() error { return b.db.Close() }

func (b *Book) now() time.Time { return b.opt.Now().UTC() }

// Empty reports whether there is no account at all. Once there was one it is false for the life of the program.
func (b *Book) Empty(ctx context.Context) (bool, error) {
	if b.settled.Load() {
		return false, nil
	}
	var n int
	if err := b.db.QueryRowContext(ctx, "SELECT count(*) FROM users").Scan(&n); err != nil {
		return false, fmt.Errorf("accounts: %w", err)
	}
	if n > 0 {
		b.settled.Store(true)
	}
	return n == 0, nil
}

// inTx runs f in a transaction that is committed when f returns nil.
func (b *Book) inTx(ctx context.Context, f func(*store.Tx) error) error {
	return b.db.InTx(ctx, f)
}

// moment is a column's time; zero is never.
func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// one turns an update of no row into ErrNotFound.
func one(res sql.Result, err error, what string) error {
	if err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	if n, _ := res.RowsAffected(); n == 0 {
		return fmt.Errorf("%s: %w", what, ErrNotFound)
	}
	return nil
}
