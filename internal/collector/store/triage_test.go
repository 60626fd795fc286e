package store

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func mustParse(t *testing.T, text string) []Term {
	t.Helper()
	terms, err := ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	return terms
}

func count(t *testing.T, s *Store, f Filter) int {
	t.Helper()
	page, err := s.Search(t.Context(), f, "", MaxLimit)
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Alerts)
}

func TestTriageDecidesAboutAllThatMatch(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir, Now: func() time.Time { return noon }})
	mustAppend(t, s, samples(400)...)
	f := Filter{Terms: mustParse(t, "sid:2100001")}
	want := count(t, s, f)
	ana := "ana"
	n, err := s.Triage(t.Context(), f, Triage{State: "archived", Assignee: &ana, Comment: "known scanner", Actor: "bo"})
	if err != nil || n != want || n == 0 {
		t.Fatalf("archived %d of %d: %v", n, want, err)
	}
	for query, n := range map[string]int{"is:archived": want, "is:open": 400 - want, "assigned:ANA": want, "is:archived -sid:2100001": 0} {
		if got := count(t, s, Filter{Terms: mustParse(t, query)}); got != n {
			t.Errorf("%s: %d, want %d", query, got, n)
		}
	}
	if got := count(t, s, Filter{Hide: true}); got != 400-want {
		t.Errorf("%d are left, want %d", got, 400-want)
	}
	page, err := s.Search(t.Context(), f, "", 1)
	if err != nil {
		t.Fatal(err)
	}
	id := page.Alerts[0].ID
	nobody := ""
	if err := s.TriageOne(t.Context(), id, Triage{State: "escalated", Assignee: &nobody, Comment: "not this one", Actor: "ana"}); err != nil {
		t.Fatal(err)
	}
	a, err := s.Get(t.Context(), id)
	if err != nil || a.State != "escalated" || a.Assignee != "" || len(a.Comments) != 2 || a.Comments[0].Text != "known scanner" || a.Comments[1].Actor != "ana" {
		t.Errorf("%+v %v", a, err)
	}
	if err := s.TriageOne(t.Context(), "none", Triage{State: "open"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("an alert that is not there: %v", err)
	}
	mustAppend(t, s, sample(1000)) // goes on writing, names and all
}

func TestSuppressionHidesUntilItExpires(t *testing.T) {
	dir, now := t.TempDir(), noon
	opt := Options{Dir: dir, Now: func() time.Time { return now }}
	s := open(t, opt)
	mustAppend(t, s, samples(300)...)
	matching := count(t, s, Filter{Terms: mustParse(t, "sid:2100002 sensor:edge-1")})
	x, err := s.Suppress(Suppression{Query: "sid:2100002 sensor:edge-1", Reason: "our scanner", CreatedBy: "ana", ExpiresAt: noon.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if got := count(t, s, Filter{Hide: true}); got != 300-matching || matching == 0 {
		t.Errorf("%d shown of 300, %d are suppressed", got, matching)
	}
	if got := count(t, s, Filter{}); got != 300 {
		t.Errorf("%d kept of 300", got)
	}
	got, err := s.After(t.Context(), Filter{Hide: true}, 0, 10)
	if err != nil || got.Matched != uint64(300-matching) {
		t.Errorf("a stream shows %d, want %d: %v", got.Matched, 300-matching, err)
	}
	if again := open(t, opt); len(again.Suppressions()) != 1 || again.Suppressions()[0] != x {
		t.Errorf("after opening again: %+v", again.Suppressions())
	}
	now = noon.Add(2 * time.Hour)
	if got := count(t, s, Filter{Hide: true}); got != 300 || len(s.Suppressions()) != 0 {
		t.Errorf("%d shown of 300 after it expired", got)
	}
	if _, err := s.Suppress(Suppression{Query: "  "}); err == nil {
		t.Error("an empty query was taken")
	}
	if _, err := s.Unsuppress(x.ID); err != nil {
		t.Error(err)
	}
	if _, err := s.Unsuppress(x.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("taken away twice: %v", err)
	}
}

// A file of the first layout is brought up to the present one and keeps what it holds.
func TestOlderFilesAreBroughtUp(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, noon.Format(fileName))
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	old := strings.Replace(daySchema, ",\n\tstate    INTEGER NOT NULL DEFAULT 0, -- of triage: index of stateNames\n\tassignee INTEGER NOT NULL DEFAULT 0, -- a name; 0 is nobody\n\tstages   TEXT NOT NULL DEFAULT ''    -- see FormatStages\n", "\n", 1)
	old = strings.Replace(strings.Replace(old, commentsSchema, "", 1), "user_version = 3", "user_version = 1", 1)
	old += `INSERT INTO names VALUES (1, 'edge-1'); INSERT INTO signatures VALUES (1, 7, 1, 1, 2, 'old', '', 1);
		INSERT INTO alerts VALUES (1, 'a', ` + "1795521600000000000" + `, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);`
	if _, err := db.Exec(old); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, Options{Dir: dir})
	if err := s.TriageOne(t.Context(), "a", Triage{State: "escalated", Comment: "still here", Actor: "ana"}); err != nil {
		t.Fatal(err)
	}
	if got := count(t, s, Filter{Terms: mustParse(t, "is:escalated sid:7")}); got != 1 {
		t.Errorf("found %d", got)
	}
}
