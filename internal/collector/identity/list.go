package identity

import (
	"context"
	"fmt"
)

// scanner is a row of a query.
type scanner interface{ Scan(...any) error }

// list reads all rows of a query; what names them in errors. Without rows it is empty, not nil: that is JSON's [].
func list[T any](ctx context.Context, b *Book, what string, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := b.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer rows.Close()
	all := []T{}
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		all = append(all, v)
	}
	return all, rows.Err()
}
