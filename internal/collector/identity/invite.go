package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

// How long a link is good for.
const (
	FirstRunLife = 24 * time.Hour
	InviteLife   = 72 * time.Hour
)

// Invite makes the secret of a link by which the account's owner chooses a password, once. An earlier link is void. With
// name "" it is the first-run link: whoever has it makes the first account, an admin.
func (b *Book) Invite(ctx context.Context, name string) (secret string, expires time.Time, err error) {
	life := InviteLife
	if name == "" {
		life = FirstRunLife
	}
	secret, expires = newSecret(), b.now().Add(life)
	return secret, expires, b.inTx(ctx, func(tx *store.Tx) error {
		if name != "" {
			if _, err := lockUser(ctx, tx, name); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO invitations VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET hash = excluded.hash, expires = excluded.expires",
			hashSecret(secret), name, expires.UnixNano())
		return err
	})
}

// Invited says whom a link is for, "" for the first account; ErrDenied if it is void.
func (b *Book) Invited(ctx context.Context, secret string) (name string, err error) {
	var expires int64
	err = b.db.QueryRowContext(ctx, "SELECT name, expires FROM invitations WHERE hash = ?", hashSecret(secret)).Scan(&name, &expires)
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && !b.now().Before(moment(expires)):
		return "", fmt.Errorf("invitation: %w", ErrDenied)
	case err != nil:
		return "", fmt.Errorf("accounts: %w", err)
	}
	if empty, err := b.Empty(ctx); name == "" && (err != nil || !empty) {
		return "", errors.Join(err, fmt.Errorf("invitation: %w: there is an account already", ErrDenied))
	}
	return name, nil
}

// Accept uses a link up: the account gets its password, and every session it had ends. name matters for the first account
// alone; others have theirs.
func (b *Book) Accept(ctx context.Context, secret, name, password string) (User, error) {
	invited, err := b.Invited(ctx, secret)
	if err != nil {
		return User{}, err
	}
	if invited != "" {
		name = invited
	}
	if err := CheckName(name); err != nil {
		return User{}, err
	}
	if err := CheckPassword(name, password); err != nil {
		return User{}, fmt.Errorf("%w: password: %w", ErrRefused, err)
	}
	hash, err := b.hash(ctx, password)
	if err != nil {
		return User{}, err
	}
	err = b.inTx(ctx, func(tx *store.Tx) error {
		res, err := tx.ExecContext(ctx, "DELETE FROM invitations WHERE hash = ?", hashSecret(secret))
		if err := one(res, err, "invitation"); err != nil {
			return fmt.Errorf("invitation: %w", ErrDenied) // used a moment ago
		}
		if invited == "" {
			// Only while there is no other account.
			res, err = tx.ExecContext(ctx, "INSERT INTO users SELECT CAST(? AS TEXT), CAST(? AS TEXT), 'admin', TRUE, CAST(? AS BIGINT), 'first run', 0 WHERE NOT EXISTS (SELECT 1 FROM users)",
				name, hash, b.now().UnixNano())
			return one(res, err, "first account")
		}
		res, err = tx.ExecContext(ctx, "UPDATE users SET hash = ? WHERE name = ? AND active", hash, name)
		if err := one(res, err, "account"); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM sessions WHERE kind = 'local' AND name = ?", name)
		return err
	})
	if err != nil {
		return User{}, err
	}
	return b.User(ctx, name)
}
