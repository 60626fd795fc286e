package store_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/internal/collector/store/storetest"
)

// TestDesk holds a file and a shared database to the same.
func TestDesk(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "triage.db")
		testDesk(t, func() (*store.Desk, error) { return store.OpenDesk(path, nil) })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		at := storetest.Start(t).Database(t)
		testDesk(t, func() (*store.Desk, error) {
			db, err := at.OpenPart(t.Context(), store.DeskPart())
			return store.NewDesk(db, nil), err
		})
	})
}

func testDesk(t *testing.T, open func() (*store.Desk, error)) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var both [2]*store.Desk // of two collectors, or before and after a restart
	for i := range both {
		var err error
		if both[i], err = open(); err != nil {
			t.Fatal(err)
		}
		both[i].Now = func() time.Time { return now }
		defer both[i].Close()
	}
	desk, other := both[0], both[1]
	var alerts []store.Alert
	for i := range 5 {
		alerts = append(alerts, store.Alert{ID: fmt.Sprint("a", i), Time: now.Add(-time.Duration(i) * time.Hour)})
	}
	ana := "ana"
	for _, err := range []error{
		desk.Decide(t.Context(), alerts[:3], store.Triage{State: "archived", Comment: "known\x00\xff", Actor: "bo"}),
		other.Decide(t.Context(), alerts[2:4], store.Triage{Assignee: &ana, Comment: "mine", Actor: "ana"}),
		desk.Decide(t.Context(), alerts[4:], store.Triage{Comment: "only words", Actor: "bo"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	of, err := other.Of(t.Context(), []string{"a0", "a2", "a3", "a4", "none"})
	want := map[string]store.Decision{
		"a0": {"a0", alerts[0].Time, "archived", ""}, "a2": {"a2", alerts[2].Time, "archived", "ana"}, "a3": {"a3", alerts[3].Time, "open", "ana"},
	}
	if err != nil || fmt.Sprint(of) != fmt.Sprint(want) {
		t.Errorf("%v\ngot  %v\nwant %v", err, of, want)
	}
	some, err := desk.Decided(t.Context(), alerts[3].Time.UnixNano(), alerts[1].Time.UnixNano())
	if err != nil || len(some) != 3 || some[0].ID != "a1" || some[2].ID != "a3" {
		t.Errorf("decided: %v, %v", some, err)
	}
	said, err := desk.Comments(t.Context(), "a2")
	if err != nil || len(said) != 2 || said[0].Actor != "bo" || said[1].Text != "mine" || !said[1].Time.Equal(now) {
		t.Errorf("comments: %v, %v", said, err)
	}

	x, err := desk.Suppress(store.Suppression{Query: "sid:5", Reason: "ours", CreatedBy: "ana", ExpiresAt: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if got := other.Suppressions(); len(got) != 1 || got[0] != x {
		t.Errorf("the other collector suppresses %+v, want %+v", got, x)
	}
	if f := other.Resolve(store.Filter{Hide: true}); len(f.Suppressed()) != 1 {
		t.Errorf("lists leave out %v", f.Suppressed())
	}
	if _, err := desk.Suppress(store.Suppression{Query: " "}); err == nil {
		t.Error("an empty query was taken")
	}
	if was, err := other.Unsuppress(x.ID); err != nil || was != x {
		t.Errorf("%+v, %v", was, err)
	}
	if _, err := desk.Unsuppress(x.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("taken away twice: %v", err)
	}
	for i := range store.MaxSuppressions + 1 {
		_, err := desk.Suppress(store.Suppression{Query: "sid:6", ExpiresAt: now.Add(time.Hour)})
		if full := errors.Is(err, store.ErrFull); full != (i == store.MaxSuppressions) {
			t.Fatalf("suppression %d: %v", i, err)
		}
	}
	now = now.Add(2 * time.Hour)
	if got := desk.Suppressions(); len(got) != 0 {
		t.Errorf("%d have not expired", len(got))
	}
	if err := desk.Forget(t.Context(), alerts[1].Time); err != nil {
		t.Fatal(err)
	}
	of, err = other.Of(t.Context(), []string{"a0", "a1", "a2", "a3"})
	if err != nil || len(of) != 2 {
		t.Errorf("after forgetting: %v, %v", of, err)
	}
}
