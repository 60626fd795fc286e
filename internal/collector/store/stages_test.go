package store

import (
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/wire"
)

// What an alert's page says of its way is kept; lists leave it out.
func TestStagesAreKept(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	at := noon.Add(123456 * time.Microsecond)
	e := wire.Event{ID: "edge:b:1:0", Sensor: "edge", Time: at, SID: 7, Severity: 1, EVE: []byte(`{}`), Stages: wire.Stages{
		Inspected: at.Add(812 * time.Microsecond), Bus: at.Add(-3 * time.Millisecond), Received: at.Add(time.Hour),
	}}
	before := time.Now().Add(-time.Millisecond)
	if _, err := s.Insert(t.Context(), []wire.Event{e}); err != nil {
		t.Fatal(err)
	}
	a, err := s.Get(t.Context(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	if a.Stages == nil {
		t.Fatal("no stages")
	}
	got := *a.Stages
	if got.Stored.Before(before) || got.Stored.After(time.Now()) {
		t.Errorf("stored at %s", got.Stored)
	}
	if got.Stored = (time.Time{}); got != e.Stages {
		t.Errorf("kept %+v\nwant %+v", got, e.Stages)
	}
	page, err := s.Search(t.Context(), Filter{}, "", 10)
	if err != nil || len(page.Alerts) != 1 || page.Alerts[0].Stages != nil {
		t.Errorf("a list has %+v, %v", page.Alerts, err)
	}
	live, err := s.After(t.Context(), Filter{}, 0, 10)
	if err != nil || len(live.Alerts) != 1 || live.Alerts[0].Stages != nil {
		t.Errorf("a stream has %+v, %v", live.Alerts, err)
	}
}

func FuzzParseStages(f *testing.F) {
	f.Add("812,,-3000,3600000000,9223372036854775807,1")
	f.Fuzz(func(t *testing.T, text string) {
		a := Alert{Time: noon}
		a.ParseStages(text)
		b := Alert{Time: noon}
		b.ParseStages(a.FormatStages())
		if a.Stages != nil && *a.Stages != *b.Stages {
			t.Errorf("%q is %+v, and again %+v", text, a.Stages, b.Stages)
		}
	})
}
