package store

import (
	"context"
	"fmt"
	"net/url"
)

// Copy writes the SQLite file at path, as it is after the last commit, to a new file; programs that have it open go on.
func Copy(ctx context.Context, path, to string) error {
	db, err := openDB(path, url.Values{"_pragma": {"busy_timeout(30000)"}})
	if err != nil {
		return fmt.Errorf("copy %s: %w", path, err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", to); err != nil {
		return fmt.Errorf("copy %s: %w", path, err)
	}
	return nil
}
