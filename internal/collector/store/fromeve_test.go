package store

import (
	"net/netip"
	"testing"
	"time"
)

const eveExample = `{"timestamp":"2026-11-24T12:00:00.123456+0100","flow_id":1809461427498236,"event_type":"alert",
"src_ip":"203.0.113.9","src_port":50120,"dest_ip":"2001:db8::1","dest_port":80,"proto":"TCP",
"alert":{"action":"blocked","gid":1,"signature_id":2100498,"rev":7,"signature":"GPL ATTACK_RESPONSE id check returned root",
"category":"Potentially Bad Traffic","severity":2},"app_proto":"http"}`

func TestFromEVE(t *testing.T) {
	got, err := FromEVE("e1:b:1:0", "e1", []byte(eveExample))
	if err != nil {
		t.Fatal(err)
	}
	if got.SID != 2100498 || got.Action != "blocked" || got.SrcIP != netip.MustParseAddr("203.0.113.9") || got.AppProto != "http" ||
		!got.Time.Equal(time.Date(2026, 11, 24, 11, 0, 0, 123456000, time.UTC)) || string(got.EVE) != eveExample {
		t.Errorf("got %+v", got)
	}
	for _, bad := range []string{``, `{}`, `[]`, `{"alert":{}}`, `{"alert":{"severity":999},"timestamp":"2026-11-24T12:00:00.123456+0100"}`} {
		if _, err := FromEVE("x", "s", []byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func FuzzFromEVE(f *testing.F) {
	f.Add([]byte(eveExample))
	f.Add([]byte(`{"alert":{"signature":"\ud800"},"timestamp":"0000-01-01T00:00:00.0+0000"}`))
	f.Fuzz(func(t *testing.T, eve []byte) {
		a, err := FromEVE("id", "sensor", eve)
		if err == nil && a.ID != "id" {
			t.Errorf("id %q", a.ID)
		}
	})
}

func FuzzQuery(f *testing.F) {
	for _, fl := range filters {
		f.Add(fl.Query, "ET SCAN nmap 10.1.2.3")
	}
	s, err := Open(Options{Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	defer s.Close()
	f.Fuzz(func(t *testing.T, query, text string) {
		a := sample(0)
		a.ID, a.Signature = text+query, text
		if len(a.ID) > maxID || a.ID == "" {
			return
		}
		if _, err := s.Append(t.Context(), []Alert{a}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Search(t.Context(), Filter{Query: query}, "", 10); err != nil {
			t.Errorf("query %q: %v", query, err)
		}
	})
}
