package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/internal/collector/store/storetest"
)

// TestAuditInPostgres has two collectors append to one log at once.
func TestAuditInPostgres(t *testing.T) {
	at := storetest.Start(t).Database(t)
	var collectors [2]*store.Audit
	for i := range collectors {
		a, err := at.OpenAudit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		collectors[i] = a
	}
	var all sync.WaitGroup
	for i, a := range collectors {
		all.Go(func() {
			for n := range 50 {
				e := store.Entry{Actor: fmt.Sprintf("ana %d\x00\xff", i), Action: "verdict.add", Object: fmt.Sprint("v", n), Detail: json.RawMessage(`{"why": "scan"}`)}
				if _, err := a.Append(t.Context(), e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	a := collectors[0]
	if err := a.Verify(t.Context()); err != nil {
		t.Errorf("untouched log: %v", err)
	}
	list, err := a.List(t.Context(), store.AuditFilter{Actor: "ana 1\uFFFD\uFFFD", Limit: 1000})
	if err != nil || len(list) != 50 {
		t.Fatalf("%d entries, %v", len(list), err)
	}
	if page, err := a.List(t.Context(), store.AuditFilter{Before: 3, Limit: 1}); err != nil || len(page) != 1 || page[0].Seq != 2 || string(page[0].Detail) != `{"why": "scan"}` {
		t.Errorf("page before 3: %+v, %v", page, err)
	}
	if found, err := a.List(t.Context(), store.AuditFilter{Text: "SCAN v49", Since: list[49].Time.Add(-time.Hour)}); err != nil || len(found) != 2 {
		t.Errorf("two words: %d entries, want 2, %v", len(found), err)
	}
	for _, change := range []string{"UPDATE audit SET actor = 'bo' WHERE seq = 2", "DELETE FROM audit WHERE seq = 2", "TRUNCATE audit"} {
		if _, err := store.AuditDB(a).Exec(change); err == nil {
			t.Errorf("%s: no error", change)
		}
	}
	if _, err := store.AuditDB(a).Exec("DROP TRIGGER audit_no_change ON audit; UPDATE audit SET actor = 'bo' WHERE seq = 2"); err != nil {
		t.Fatal(err)
	}
	if err := a.Verify(t.Context()); !errors.Is(err, store.ErrTampered) {
		t.Errorf("altered log: %v, want ErrTampered", err)
	}
	if _, err := (store.Postgres{Address: at.Address, Password: "wrong"}).OpenAudit(t.Context()); err == nil {
		t.Error("a wrong password opens the log")
	}
}
