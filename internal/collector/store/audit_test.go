package store

import (
	"encoding/json"
	"errors"
	"testing"
	"time"
)

func TestAuditChain(t *testing.T) {
	dir := t.TempDir()
	a, err := OpenAudit(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, action := range []string{"verdict.add", "verdict.remove", "rules.replace"} {
		if _, err := a.Append(t.Context(), Entry{Actor: "ana", Action: action, Object: "v1", Detail: json.RawMessage(`{"why":"scan"}`)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if a, err = OpenAudit(Options{Dir: dir}); err != nil { // the chain goes on over a restart
		t.Fatal(err)
	}
	defer a.Close()
	last, err := a.Append(t.Context(), Entry{Actor: "bo", Action: "verdict.add", Object: "v2"})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Verify(t.Context()); err != nil {
		t.Errorf("untouched log: %v", err)
	}
	list, err := a.List(t.Context(), AuditFilter{Action: "verdict.add"})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].Seq != 4 || list[0].Hash != last.Hash || list[1].Actor != "ana" {
		t.Errorf("list %+v, want entries 4 and 1", list)
	}
	for text, want := range map[string]int{"SCAN rules": 1, "scan": 3, "100%": 0, "ana v1": 3, "": 4} {
		if found, err := a.List(t.Context(), AuditFilter{Text: text}); err != nil || len(found) != want {
			t.Errorf("%q: %d entries, want %d, %v", text, len(found), want, err)
		}
	}
	if late, err := a.List(t.Context(), AuditFilter{Since: last.Time, Until: last.Time.Add(time.Second)}); err != nil || len(late) != 1 || late[0].Seq != 4 {
		t.Errorf("since the last: %+v, %v", late, err)
	}
	if page, err := a.List(t.Context(), AuditFilter{Before: 3, Limit: 1}); err != nil || len(page) != 1 || page[0].Seq != 2 {
		t.Errorf("page before 3: %+v, %v", page, err)
	}
}

func TestAuditCannotBeChangedUnseen(t *testing.T) {
	a, err := OpenAudit(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for range 3 {
		if _, err := a.Append(t.Context(), Entry{Actor: "ana", Action: "verdict.add"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, change := range []string{"UPDATE audit SET actor = 'bo' WHERE seq = 2", "DELETE FROM audit WHERE seq = 2"} {
		if _, err := a.db.Exec(change); err == nil {
			t.Errorf("%s: no error", change)
		}
	}
	if _, err := a.db.Exec("DROP TRIGGER audit_no_update; UPDATE audit SET actor = 'bo' WHERE seq = 2"); err != nil {
		t.Fatal(err)
	}
	if err := a.Verify(t.Context()); !errors.Is(err, ErrTampered) {
		t.Errorf("altered log: %v, want ErrTampered", err)
	}
}
