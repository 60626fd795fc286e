package store

import (
	"database/sql"
	"fmt"
	"net/url"
	"runtime"
	"strings"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// daySchema lays out one day of alerts.
//
// Addresses have no column type: IPv4 is an integer and IPv6 a 16-byte blob, which SQLite sorts apart, so that a prefix of
// either family is one BETWEEN on an index. An unknown address is the empty blob. Times are Unix nanoseconds.
const daySchema = `
CREATE TABLE names (
	n    INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE          -- sensors, actions, protocols
);
CREATE TABLE signatures (
	n         INTEGER PRIMARY KEY,
	sid       INTEGER NOT NULL,
	gid       INTEGER NOT NULL,
	rev       INTEGER NOT NULL,
	severity  INTEGER NOT NULL,
	signature TEXT NOT NULL,
	category  TEXT NOT NULL,
	total     INTEGER NOT NULL DEFAULT 0, -- alerts of the day: tells a search which index is short
	UNIQUE (sid, gid, rev, severity, signature, category)
);
CREATE VIRTUAL TABLE signatures_text USING fts5(
	signature, category, content='', prefix='2 3', tokenize='unicode61 remove_diacritics 0');
CREATE TABLE alerts (
	seq    INTEGER PRIMARY KEY,
	id     TEXT NOT NULL,
	ts     INTEGER NOT NULL,
	sig    INTEGER NOT NULL,
	sensor INTEGER NOT NULL,
	action INTEGER NOT NULL,
	proto  INTEGER NOT NULL,
	app    INTEGER NOT NULL,
	src    NOT NULL,
	sport  INTEGER NOT NULL,
	dst    NOT NULL,
	dport  INTEGER NOT NULL,
	flow   INTEGER NOT NULL,
	state    INTEGER NOT NULL DEFAULT 0, -- of triage: index of stateNames
	assignee INTEGER NOT NULL DEFAULT 0, -- a name; 0 is nobody
	stages   TEXT NOT NULL DEFAULT ''    -- see FormatStages
);
CREATE UNIQUE INDEX alerts_id ON alerts (id);
CREATE INDEX alerts_ts  ON alerts (ts);
CREATE INDEX alerts_sig ON alerts (sig, ts);
CREATE INDEX alerts_src ON alerts (src, ts);
CREATE INDEX alerts_dst ON alerts (dst, ts);
CREATE TABLE eve (
	first INTEGER PRIMARY KEY,         -- seq of the frame's first record; the others follow without gap
	frame BLOB NOT NULL
);
CREATE TABLE totals (                  -- alerts by minute, for the unfiltered timeline
	minute INTEGER, severity INTEGER, action INTEGER, n INTEGER NOT NULL,
	PRIMARY KEY (minute, severity, action)
) WITHOUT ROWID;
CREATE TABLE minutes (                 -- alerts by minute and everything but addresses
	minute INTEGER, sig INTEGER, sensor INTEGER, action INTEGER, proto INTEGER, app INTEGER, n INTEGER NOT NULL,
	PRIMARY KEY (minute, sig, sensor, action, proto, app)
) WITHOUT ROWID;
CREATE TABLE groups (                  -- by period of ten minutes: which source did what
	period INTEGER, sig INTEGER, src, n INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
	PRIMARY KEY (period, sig, src)
) WITHOUT ROWID;
CREATE TABLE targets (                 -- by period of ten minutes: who was hit
	period INTEGER, dst, n INTEGER NOT NULL,
	PRIMARY KEY (period, dst)
) WITHOUT ROWID;
` + commentsSchema + `PRAGMA user_version = 3;
`

const commentsSchema = `
CREATE TABLE comments (                -- what people wrote about alerts
	n     INTEGER PRIMARY KEY,
	seq   INTEGER NOT NULL,
	ts    INTEGER NOT NULL,
	actor TEXT NOT NULL,
	text  TEXT NOT NULL
);
CREATE INDEX comments_seq ON comments (seq);
`

// dayVersion is user_version of the layout above; older files are brought up to it, others refused, not guessed at.
const dayVersion = 3

// dayUpgrades[i] makes version i+2 of i+1.
var dayUpgrades = []string{`
ALTER TABLE alerts ADD COLUMN state INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alerts ADD COLUMN assignee INTEGER NOT NULL DEFAULT 0;
` + commentsSchema + `PRAGMA user_version = 2;`, `
ALTER TABLE alerts ADD COLUMN stages TEXT NOT NULL DEFAULT '';
PRAGMA user_version = 3;`}

// openWriter opens the one connection that writes to a file. A commit is on disk when it returns (synchronous FULL): alerts
// are acknowledged to the bus on the strength of it.
func openWriter(path, schema string, version int, upgrades ...string) (*sql.DB, error) {
	db, err := openDB(path, url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(5000)", "page_size(8192)", "journal_mode(WAL)", "synchronous(FULL)",
		"wal_autocheckpoint(8000)", "cache_size(-65536)", "temp_store(MEMORY)",
	}})
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if err := migrate(db, schema, version, upgrades); err != nil {
		db.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

// openReader opens a pool that only reads. (Not mode=ro: SQLite then cannot make the shared memory of a WAL that nobody has open.)
func openReader(path string) (*sql.DB, error) {
	db, err := openDB(path, url.Values{"_pragma": {
		"busy_timeout(5000)", "query_only(1)", "cache_size(-8192)", "mmap_size(268435456)", "temp_store(MEMORY)",
	}})
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(max(4, runtime.GOMAXPROCS(0)))
	db.SetMaxIdleConns(2)
	db.SetConnMaxIdleTime(idleConn)
	return db, nil
}

func openDB(path string, options url.Values) (*sql.DB, error) {
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: options.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

// migrate lays out an empty file, brings an older one up to version, and refuses any other.
func migrate(db *sql.DB, schema string, version int, upgrades []string) error {
	var have int
	if err := db.QueryRow("PRAGMA user_version").Scan(&have); err != nil {
		return err
	}
	text := schema
	switch {
	case have == version:
		return nil
	case have > 0 && have < version && have <= len(upgrades):
		text = strings.Join(upgrades[have-1:], "\n")
		fallthrough
	case have == 0:
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.Exec(text); err != nil {
			return err
		}
		return tx.Commit()
	default:
		return fmt.Errorf("layout version %d, this program knows %d", have, version)
	}
}
