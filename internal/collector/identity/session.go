package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

// How a caller has proved who they are.
const (
	KindLocal       = "local"       // password
	KindOIDC        = "oidc"        // an OpenID provider's word
	KindToken       = "token"       // API token
	KindCertificate = "certificate" // TLS client certificate
	KindOpen        = "open"        // nobody has an account yet and only this machine can ask
)

// Principal is who makes a request.
type Principal struct {
	Name    string    `json:"name"`
	Kind    string    `json:"kind"`
	Roles   []Role    `json:"roles"`
	Session string    `json:"session,omitempty"`    // its id
	Expires time.Time `json:"expires_at,omitzero"`  // of the session, at the latest
	Token   string    `json:"token_name,omitempty"` // name of the token
}

// May reports whether p's roles include want.
func (p *Principal) May(want Role) bool { return Includes(p.Roles, want) }

// Actor is the name that the audit log knows p under.
func (p *Principal) Actor() string {
	if p.Kind == KindToken {
		return "token:" + p.Token
	}
	return p.Name
}

// Session is one sign-in that lasts.
type Session struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Kind      string    `json:"kind"`
	CreatedAt time.Time `json:"created_at"`
	LastSeen  time.Time `json:"last_seen"`
	ExpiresAt time.Time `json:"expires_at"`
	Remote    string    `json:"remote"`
	Agent     string    `json:"agent"`
}

const (
	maxSessions = 50 // of one person: the oldest ends
	maxAgent    = 200
	seenEvery   = time.Minute // how exact Session.LastSeen is
)

// Origin is where a request comes from.
type Origin struct {
	Remote string // address
	Agent  string // User-Agent
}

// Login checks name and password and begins a session, whose secret it returns. ErrDenied takes as long for a name that does
// not exist. *Limited says when to try again.
func (b *Book) Login(ctx context.Context, name, password string, from Origin) (secret string, p Principal, err error) {
	if wait := b.limit.take(name, from.Remote, b.now()); wait > 0 {
		b.limited.Add(1)
		return "", p, &Limited{wait}
	}
	b.attempts.Add(1)
	u, hash, err := b.user(ctx, name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "", p, err
	}
	if err != nil || u.State != StateActive {
		hash = b.dummy
	}
	if len(password) > MaxPassword || !b.matches(ctx, hash, password) || hash == b.dummy {
		b.failed.Add(1)
		return "", p, fmt.Errorf("name or password: %w", ErrDenied)
	}
	b.limit.forgive(name, from.Remote)
	if _, err := b.db.ExecContext(ctx, "UPDATE users SET login = ? WHERE name = ?", b.now().UnixNano(), name); err != nil {
		return "", p, fmt.Errorf("accounts: %w", err)
	}
	return b.begin(ctx, Principal{Name: name, Kind: KindLocal, Roles: u.Roles}, from)
}

// Begin makes a session of somebody whom an OpenID provider has vouched for.
func (b *Book) Begin(ctx context.Context, p Principal, from Origin) (secret string, _ Principal, err error) {
	if _, err := b.User(ctx, p.Name); err == nil {
		return "", p, fmt.Errorf("%w: %s is a local account", ErrRefused, p.Name)
	}
	p.Kind = KindOIDC
	return b.begin(ctx, p, from)
}

func (b *Book) begin(ctx context.Context, p Principal, from Origin) (secret string, _ Principal, err error) {
	secret, p.Session = newSecret(), newSecret()[:12]
	now := b.now()
	p.Expires = now.Add(b.opt.Lifetime)
	err = b.inTx(ctx, func(tx *store.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE expires <= ? OR seen <= ?", now.UnixNano(), now.Add(-b.opt.Idle).UnixNano()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE name = ?1 AND kind = ?2 AND hash NOT IN
			(SELECT hash FROM sessions WHERE name = ?1 AND kind = ?2 ORDER BY seen DESC LIMIT ?3)`, p.Name, p.Kind, maxSessions-1)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", hashSecret(secret), p.Session, p.Name, p.Kind,
			join(p.Roles), now.UnixNano(), now.UnixNano(), p.Expires.UnixNano(), from.Remote, from.Agent[:min(len(from.Agent), maxAgent)])
		return err
	})
	return secret, p, err
}

// Resume says whose session a secret is, and counts it as used; ErrDenied when it is nobody's any more.
func (b *Book) Resume(ctx context.Context, secret string) (Principal, error) {
	var p Principal
	var roles string
	var seen, expires int64
	var account sql.NullString
	var active sql.NullBool
	err := b.db.QueryRowContext(ctx, `SELECT s.id, s.name, s.kind, s.roles, s.seen, s.expires, u.roles, u.active
		FROM sessions s LEFT JOIN users u ON u.name = s.name AND s.kind = 'local' WHERE s.hash = ?`, hashSecret(secret)).
		Scan(&p.Session, &p.Name, &p.Kind, &roles, &seen, &expires, &account, &active)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Principal{}, fmt.Errorf("accounts: %w", err)
	}
	at := b.now()
	if p.Expires = moment(expires); err != nil || !at.Before(p.Expires) || at.Sub(moment(seen)) >= b.opt.Idle || p.Kind == KindLocal && !active.Bool {
		return Principal{}, fmt.Errorf("session: %w", ErrDenied)
	}
	if p.Kind == KindLocal {
		roles = account.String
	}
	p.Roles = split(roles)
	if at.Sub(moment(seen)) >= min(seenEvery, b.opt.Idle/4) {
		if _, err := b.db.ExecContext(ctx, "UPDATE sessions SET seen = ? WHERE hash = ?", at.UnixNano(), hashSecret(secret)); err != nil {
			return Principal{}, fmt.Errorf("accounts: %w", err)
		}
	}
	return p, nil
}

// Sessions lists those of one person, or with name "" all, the latest used first.
func (b *Book) Sessions(ctx context.Context, name string) ([]Session, error) {
	return list(ctx, b, "accounts", scanSession, `SELECT id, name, kind, created, seen, expires, remote, agent FROM sessions
		WHERE (CAST(?1 AS TEXT) = '' OR name = ?1) AND expires > ?2 AND seen > ?3 ORDER BY seen DESC`,
		name, b.now().UnixNano(), b.now().Add(-b.opt.Idle).UnixNano())
}

func scanSession(row scanner) (s Session, err error) {
	var created, seen, expires int64
	err = row.Scan(&s.ID, &s.Name, &s.Kind, &created, &seen, &expires, &s.Remote, &s.Agent)
	s.CreatedAt, s.LastSeen, s.ExpiresAt = moment(created), moment(seen), moment(expires)
	return s, err
}

// EndSession ends the session of that id; with name only if it is that person's.
func (b *Book) EndSession(ctx context.Context, id, name string) error {
	res, err := b.db.ExecContext(ctx, "DELETE FROM sessions WHERE id = ?1 AND (CAST(?2 AS TEXT) = '' OR name = ?2)", id, name)
	return one(res, err, "session")
}
