package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

// Search is a search that somebody has saved.
type Search struct {
	ID        string    `json:"id"`
	Owner     string    `json:"owner"`
	Name      string    `json:"name"`
	Query     string    `json:"query"`
	Place     string    `json:"place,omitempty"` // the rest of the console's address: view, time, grouping
	Shared    bool      `json:"shared"`          // others see it
	CreatedAt time.Time `json:"created_at"`
}

const maxSearches = 200 // of one person

// Searches lists a person's searches and those that others share, by name.
func (b *Book) Searches(ctx context.Context, owner string) ([]Search, error) {
	return list(ctx, b, "searches", scanSearch,
		"SELECT id, owner, name, query, place, shared, created FROM searches WHERE owner = ? OR shared ORDER BY name, owner", owner)
}

func scanSearch(row scanner) (s Search, err error) {
	var created int64
	err = row.Scan(&s.ID, &s.Owner, &s.Name, &s.Query, &s.Place, &s.Shared, &created)
	s.CreatedAt = moment(created)
	return s, err
}

// SaveSearch keeps s, whose ID and CreatedAt it sets; one of the same owner and name is replaced.
func (b *Book) SaveSearch(ctx context.Context, s Search) (Search, error) {
	s.ID, s.CreatedAt = "q-"+newSecret()[:12], b.now()
	return s, b.inTx(ctx, func(tx *store.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM searches WHERE owner = ? AND name <> ?", s.Owner, s.Name).Scan(&n); err != nil {
			return err
		}
		if n >= maxSearches {
			return fmt.Errorf("%w: you have %d searches", ErrRefused, n)
		}
		return tx.QueryRowContext(ctx, `INSERT INTO searches VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (owner, name)
			DO UPDATE SET query = excluded.query, place = excluded.place, shared = excluded.shared RETURNING id`,
			s.ID, s.Owner, s.Name, s.Query, s.Place, s.Shared, s.CreatedAt.UnixNano()).Scan(&s.ID)
	})
}

// RemoveSearch forgets a search; with owner only if it is theirs.
func (b *Book) RemoveSearch(ctx context.Context, id, owner string) (was Search, err error) {
	var created int64
	err = b.db.QueryRowContext(ctx, "DELETE FROM searches WHERE id = ?1 AND (CAST(?2 AS TEXT) = '' OR owner = ?2) RETURNING id, owner, name, query, place, shared, created", id, owner).
		Scan(&was.ID, &was.Owner, &was.Name, &was.Query, &was.Place, &was.Shared, &created)
	if errors.Is(err, sql.ErrNoRows) {
		return was, fmt.Errorf("search %q: %w", id, ErrNotFound)
	}
	if err != nil {
		return was, fmt.Errorf("searches: %w", err)
	}
	was.CreatedAt = moment(created)
	return was, nil
}
