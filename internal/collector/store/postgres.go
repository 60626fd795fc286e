package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgresAuditSchema is SQLite's in PostgreSQL's words.
const postgresAuditSchema = `
CREATE TABLE IF NOT EXISTS audit (
	seq    bigint PRIMARY KEY,
	ts     bigint NOT NULL,
	actor  text NOT NULL,
	action text NOT NULL,
	object text NOT NULL,
	remote text NOT NULL,
	detail text NOT NULL,
	hash   bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS audit_object ON audit (object, seq);
CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
CREATE OR REPLACE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit EXECUTE FUNCTION audit_append_only();
`

// The numbers of parameters that may be empty need types said.
var postgresAudit = auditSQL{
	lock:   "LOCK TABLE audit IN EXCLUSIVE MODE",
	insert: "INSERT INTO audit VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
	list: `WHERE ($1::text = '' OR actor = $1) AND ($2::text = '' OR action = $2) AND ($3::text = '' OR object = $3)
		AND ($4::bigint = 0 OR seq < $4) AND ($5::bigint = 0 OR ts >= $5) AND ($6::bigint = 0 OR ts < $6)
		AND NOT EXISTS (SELECT 1 FROM json_array_elements_text($7::json) AS word
		WHERE position(word IN lower(concat_ws(' ', actor, action, object, remote, detail))) = 0) ORDER BY seq DESC LIMIT $8`,
}

// postgresSetup is the advisory lock that collectors starting together make the schema under.
const postgresSetup = 0x57656972

// Postgres is a database that several collectors may share.
type Postgres struct {
	Address  string // a URL or a string of keywords, as libpq takes it
	Password string // counts where the address has none
}

// open also has names looked up in schema; "" is the server's default.
func (p Postgres) open(schema string) (*sql.DB, error) {
	c, err := pgx.ParseConfig(p.Address)
	if err != nil {
		return nil, err
	}
	if p.Password != "" {
		c.Password = p.Password
	}
	c.RuntimeParams["application_name"] = "weir-collector"
	if schema != "" {
		c.RuntimeParams["search_path"] = schema
	}
	db := stdlib.OpenDB(*c)
	db.SetMaxOpenConns(4)
	db.SetConnMaxIdleTime(idleConn)
	return db, nil
}

// OpenAudit opens the audit log in the database (PostgreSQL 14 or later), and makes its table if need be.
func (p Postgres) OpenAudit(ctx context.Context) (*Audit, error) {
	db, err := p.open("")
	if err != nil {
		return nil, fmt.Errorf("audit log: PostgreSQL: %w", err)
	}
	if err := setUp(ctx, db, postgresAuditSchema); err != nil {
		db.Close()
		return nil, fmt.Errorf("audit log: PostgreSQL: %w", err)
	}
	return &Audit{db: db, sql: postgresAudit, now: time.Now}, nil
}

func setUp(ctx context.Context, db *sql.DB, schema string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", postgresSetup); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, schema); err != nil {
		return err
	}
	return tx.Commit()
}
