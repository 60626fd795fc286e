package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

// User is a local account.
type User struct {
	Name      string    `json:"name"`
	Roles     []Role    `json:"roles"`
	State     string    `json:"state"` // active, disabled, invited
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	LastLogin time.Time `json:"last_login,omitzero"`
}

// States of a User.
const (
	StateActive   = "active"
	StateDisabled = "disabled"
	StateInvited  = "invited" // has no password yet
)

const maxUsers = 10_000

const maxName = 64

// CheckName says what is wrong with the name of an account or a token. What the collector does by itself goes under names that
// have a colon or are reserved.
func CheckName(name string) error {
	if len(name) < 1 || len(name) > maxName {
		return fmt.Errorf("%w: a name of %d bytes is not 1-%d long", ErrRefused, len(name), maxName)
	}
	if name == "policy" || name == "collector" {
		return fmt.Errorf("%w: the name %s is reserved", ErrRefused, name)
	}
	for _, c := range []byte(name) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && !strings.ContainsRune("-_.@+", rune(c)) {
			return fmt.Errorf("%w: name %q has %q: only letters, digits and -_.@+ are allowed", ErrRefused, name, c)
		}
	}
	return nil
}

const selectUsers = "SELECT name, hash, roles, active, created, creator, login FROM users"

// scanUser also returns the hash of the password.
func scanUser(row scanner) (u User, hash string, err error) {
	var roles string
	var active bool
	var created, login int64
	if err := row.Scan(&u.Name, &hash, &roles, &active, &created, &u.CreatedBy, &login); err != nil {
		return u, "", err
	}
	u.Roles, u.CreatedAt, u.LastLogin = split(roles), moment(created), moment(login)
	switch {
	case !active:
		u.State = StateDisabled
	case hash == "":
		u.State = StateInvited
	default:
		u.State = StateActive
	}
	return u, hash, nil
}

// Users lists the accounts by name.
func (b *Book) Users(ctx context.Context) ([]User, error) {
	return list(ctx, b, "accounts", func(row scanner) (User, error) { u, _, err := scanUser(row); return u, err }, selectUsers+" ORDER BY name")
}

// User returns one account.
func (b *Book) User(ctx context.Context, name string) (User, error) {
	u, _, err := b.user(ctx, name)
	return u, err
}

func (b *Book) user(ctx context.Context, name string) (User, string, error) {
	u, hash, err := scanUser(b.db.QueryRowContext(ctx, selectUsers+" WHERE name = ?", name))
	if errors.Is(err, sql.ErrNoRows) {
		return u, "", fmt.Errorf("account %q: %w", name, ErrNotFound)
	}
	if err != nil {
		return u, "", fmt.Errorf("accounts: %w", err)
	}
	return u, hash, nil
}

// AddUser makes an account without a password: see Invite.
func (b *Book) AddUser(ctx context.Context, name string, roles []Role, by string) (User, error) {
	if err := CheckName(name); err != nil {
		return User{}, err
	}
	err := b.inTx(ctx, func(tx *store.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM users").Scan(&n); err != nil {
			return err
		}
		if n >= maxUsers {
			return fmt.Errorf("%w: there are %d accounts", ErrRefused, n)
		}
		res, err := tx.ExecContext(ctx, "INSERT INTO users VALUES (?, '', ?, TRUE, ?, ?, 0) ON CONFLICT DO NOTHING",
			name, join(roles), b.now().UnixNano(), by)
		err = one(res, err, "account")
		if errors.Is(err, ErrNotFound) {
			err = fmt.Errorf("account %q: %w", name, ErrExists)
		}
		return err
	})
	if err != nil {
		return User{}, err
	}
	return b.User(ctx, name)
}

// UserChange is what to change of an account; nil leaves it.
type UserChange struct {
	Roles  *[]Role
	Active *bool
}

// ChangeUser returns the account as it was and as it is. Disabling ends its sessions and tokens. The last admin stays one.
func (b *Book) ChangeUser(ctx context.Context, name string, c UserChange) (was, is User, err error) {
	err = b.inTx(ctx, func(tx *store.Tx) error {
		if was, err = lockUser(ctx, tx, name); err != nil {
			return err
		}
		is = was
		if c.Roles != nil {
			is.Roles = *c.Roles
		}
		active := was.State != StateDisabled
		if c.Active != nil {
			active = *c.Active
		}
		if _, err := tx.ExecContext(ctx, "UPDATE users SET roles = ?, active = ? WHERE name = ?", join(is.Roles), active, name); err != nil {
			return err
		}
		if !active {
			if err := signOut(ctx, tx, name); err != nil {
				return err
			}
		}
		if is, err = lockUser(ctx, tx, name); err != nil {
			return err
		}
		return someAdmin(ctx, tx, was)
	})
	return was, is, err
}

// RemoveUser takes an account away, with its sessions, tokens and invitation.
func (b *Book) RemoveUser(ctx context.Context, name string) (was User, err error) {
	return was, b.inTx(ctx, func(tx *store.Tx) error {
		if was, err = lockUser(ctx, tx, name); err != nil {
			return err
		}
		if err := signOut(ctx, tx, name); err != nil {
			return err
		}
		for _, q := range []string{"DELETE FROM users WHERE name = ?", "DELETE FROM invitations WHERE name = ?", "DELETE FROM searches WHERE owner = ?"} {
			if _, err := tx.ExecContext(ctx, q, name); err != nil {
				return err
			}
		}
		return someAdmin(ctx, tx, was)
	})
}

func lockUser(ctx context.Context, tx *store.Tx, name string) (User, error) {
	u, _, err := scanUser(tx.QueryRowContext(ctx, selectUsers+" WHERE name = ?", name))
	if errors.Is(err, sql.ErrNoRows) {
		return u, fmt.Errorf("account %q: %w", name, ErrNotFound)
	}
	return u, err
}

// someAdmin refuses to leave a collector that nobody can administer, and that by having no account at all would be open.
func someAdmin(ctx context.Context, tx *store.Tx, was User) error {
	if !slices.Contains(was.Roles, Admin) {
		return nil
	}
	var n int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM users WHERE active AND ' '||roles||' ' LIKE '% admin %'").Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("%w: %s is the last admin", ErrRefused, was.Name)
	}
	return nil
}

func signOut(ctx context.Context, tx *store.Tx, name string) error {
	for _, q := range []string{"DELETE FROM sessions WHERE kind = 'local' AND name = ?", "DELETE FROM tokens WHERE owner = ?"} {
		if _, err := tx.ExecContext(ctx, q, name); err != nil {
			return err
		}
	}
	return nil
}

// SetPassword changes a password and ends the account's other sessions: keep is the id of the one that asks.
func (b *Book) SetPassword(ctx context.Context, name, old, password, keep string) error {
	if err := CheckPassword(name, password); err != nil {
		return fmt.Errorf("%w: password: %w", ErrRefused, err)
	}
	_, hash, err := b.user(ctx, name)
	if err != nil {
		return err
	}
	if !b.matches(ctx, hash, old) {
		return fmt.Errorf("password: %w", ErrDenied)
	}
	next, err := b.hash(ctx, password)
	if err != nil {
		return err
	}
	return b.inTx(ctx, func(tx *store.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE users SET hash = ? WHERE name = ? AND hash = ?", next, name, hash)
		if err := one(res, err, "account"); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM sessions WHERE kind = 'local' AND name = ? AND id <> ?", name, keep)
		return err
	})
}

// hash and matches wait for their turn: hashing takes memory.
func (b *Book) hash(ctx context.Context, password string) (string, error) {
	select {
	case b.hashing <- struct{}{}:
		defer func() { <-b.hashing }()
		return hashPassword(password), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (b *Book) matches(ctx context.Context, hash, password string) bool {
	select {
	case b.hashing <- struct{}{}:
		defer func() { <-b.hashing }()
		return checkHash(hash, password)
	case <-ctx.Done():
		return false
	}
}
