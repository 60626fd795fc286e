package store

import (
	"net/netip"
	"testing"

	"github.com/weir-ips/weir/pkg/wire"
)

func TestInsertReturnsWhatIsNew(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	events := []wire.Event{
		{ID: "e1:b:1:0", Sensor: "e1", Time: noon, SID: 2100498, EVE: []byte(eveExample)},
		{ID: "e1:b:1:1", Sensor: "e1", Time: noon, SID: 7, Severity: 1, Src: netip.MustParseAddrPort("203.0.113.5:99"), EVE: []byte("{broken")},
	}
	if fresh, err := s.Insert(t.Context(), events[:1]); err != nil || len(fresh) != 1 {
		t.Fatalf("first: %v, %v", fresh, err)
	}
	fresh, err := s.Insert(t.Context(), events)
	if err != nil || len(fresh) != 1 || fresh[0].ID != events[1].ID {
		t.Fatalf("again: %v, %v; want the second alone", fresh, err)
	}
	a, err := s.Get(t.Context(), events[1].ID)
	if err != nil || a.SID != 7 || a.SrcIP != netip.MustParseAddr("203.0.113.5") || a.SrcPort != 99 {
		t.Errorf("unreadable record kept as %+v, %v", a, err)
	}
}
