package identity

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

// Token is an API token as the collector remembers it. It is written weir_<id>_<secret>.
type Token struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Owner     string    `json:"owner"`
	Roles     []Role    `json:"roles"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	LastUsed  time.Time `json:"last_used,omitzero"`
	Remote    string    `json:"remote,omitempty"` // where it was last used from
}

// Bounds of tokens.
const (
	MaxTokenLife = 366 * 24 * time.Hour
	maxTokens    = 1000
	tokenPrefix  = "weir_"
)

// CreateToken makes a token and returns its text, which is kept nowhere.
func (b *Book) CreateToken(ctx context.Context, name string, roles []Role, life time.Duration, owner string) (text string, t Token, err error) {
	if err := CheckName(name); err != nil {
		return "", t, err
	}
	if life < time.Minute || life > MaxTokenLife {
		return "", t, fmt.Errorf("%w: a life of %s is not from 1m to %s", ErrRefused, life, MaxTokenLife)
	}
	now := b.now()
	t = Token{ID: newSecret()[:10], Name: name, Owner: owner, Roles: roles, CreatedAt: now, ExpiresAt: now.Add(life)}
	secret := newSecret()
	err = b.inTx(ctx, func(tx *store.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM tokens WHERE expires <= ?", now.UnixNano()); err != nil {
			return err
		}
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM tokens").Scan(&n); err != nil {
			return err
		}
		if n >= maxTokens {
			return fmt.Errorf("%w: there are %d tokens", ErrRefused, n)
		}
		res, err := tx.ExecContext(ctx, "INSERT INTO tokens (id, hash, name, owner, roles, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
			t.ID, hashSecret(secret), name, owner, join(roles), now.UnixNano(), t.ExpiresAt.UnixNano())
		err = one(res, err, "token")
		if errors.Is(err, ErrNotFound) {
			err = fmt.Errorf("token %q: %w", name, ErrExists)
		}
		return err
	})
	return tokenPrefix + t.ID + "_" + secret, t, err
}

const selectTokens = "SELECT id, hash, name, owner, roles, created, expires, used, remote FROM tokens"

func scanToken(row scanner) (t Token, hash []byte, err error) {
	var roles string
	var created, expires, used int64
	err = row.Scan(&t.ID, &hash, &t.Name, &t.Owner, &roles, &created, &expires, &used, &t.Remote)
	t.Roles, t.CreatedAt, t.ExpiresAt, t.LastUsed = split(roles), moment(created), moment(expires), moment(used)
	return t, hash, err
}

// Tokens lists those that are good, of one owner or with "" all, by name.
func (b *Book) Tokens(ctx context.Context, owner string) ([]Token, error) {
	return list(ctx, b, "tokens", func(row scanner) (Token, error) { t, _, err := scanToken(row); return t, err },
		selectTokens+" WHERE expires > ?1 AND (CAST(?2 AS TEXT) = '' OR owner = ?2) ORDER BY name", b.now().UnixNano(), owner)
}

// RevokeToken makes a token useless; with owner only if it is theirs. id may be its name.
func (b *Book) RevokeToken(ctx context.Context, id, owner string) (was Token, err error) {
	return was, b.inTx(ctx, func(tx *store.Tx) error {
		was, _, err = scanToken(tx.QueryRowContext(ctx, selectTokens+" WHERE (id = ?1 OR name = ?1) AND (CAST(?2 AS TEXT) = '' OR owner = ?2)", id, owner))
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("token %q: %w", id, ErrNotFound)
		}
		if err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM tokens WHERE id = ?", was.ID)
		return err
	})
}

// Bearer says who holds a token, and notes its use; ErrDenied if it is none. A token may no more than its owner's account.
func (b *Book) Bearer(ctx context.Context, text, remote string) (Principal, error) {
	denied := fmt.Errorf("token: %w", ErrDenied)
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	id, secret, ok2 := strings.Cut(rest, "_")
	if !ok || !ok2 {
		return Principal{}, denied
	}
	t, hash, err := scanToken(b.db.QueryRowContext(ctx, selectTokens+" WHERE id = ?", id))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Principal{}, fmt.Errorf("tokens: %w", err)
	}
	now := b.now()
	if subtle.ConstantTimeCompare(hashSecret(secret), hash) != 1 || err != nil || !now.Before(t.ExpiresAt) {
		return Principal{}, denied
	}
	if now.Sub(t.LastUsed) >= seenEvery || t.Remote != remote {
		if _, err := b.db.ExecContext(ctx, "UPDATE tokens SET used = ?, remote = ? WHERE id = ?", now.UnixNano(), remote, id); err != nil {
			return Principal{}, fmt.Errorf("tokens: %w", err)
		}
	}
	p := Principal{Name: t.Owner, Kind: KindToken, Token: t.Name, Roles: t.Roles, Expires: t.ExpiresAt}
	u, err := b.User(ctx, t.Owner)
	switch {
	case errors.Is(err, ErrNotFound): // made on the command line, or by somebody whom a provider vouches for
		return p, nil
	case err != nil:
		return Principal{}, err
	case u.State == StateDisabled:
		return Principal{}, denied
	}
	p.Roles = slices.DeleteFunc(p.Roles, func(r Role) bool { return !Includes(u.Roles, r) })
	return p, nil
}
