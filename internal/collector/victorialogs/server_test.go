package victorialogs

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/weir-ips/weir/internal/collector/store"
)

// open opens a store on the server, with a desk in path.
func open(t *testing.T, url, desk string) *Store {
	t.Helper()
	d, err := store.OpenDesk(desk, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(Options{URL: url, Client: http.DefaultClient, Desk: d})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); d.Close() })
	return s
}

func deskFile(t *testing.T) string { return filepath.Join(t.TempDir(), "triage.db") }
