package wire

import (
	"net/netip"
	"reflect"
	"testing"
	"time"
)

func sampleTally() *Tally {
	return &Tally{Sensor: "edge-1", Group: "edge", Mode: "gwlb", Time: time.Unix(1_800_000_000, 0).UTC(),
		Dests:   []TallyDest{{Addr: netip.MustParseAddr("10.1.2.3"), Vector: "syn-flood", Rate: 400, Threshold: 1000}},
		Attacks: []TallyAttack{{ID: "syn-flood-1", Vector: "syn-flood", Dst: netip.MustParseAddr("fd00::1"), Port: 80, Rate: 5000, Threshold: 1000}}}
}

func sampleArming() *Arming {
	return &Arming{Revision: 7, Time: time.Unix(1_800_000_000, 0).UTC(), Orders: []Order{{ID: "fleet-1", Vector: "syn-flood", Dst: netip.MustParseAddr("10.1.2.3"),
		Rate: 1600, Threshold: 1000, Why: "4 sensors together", Until: time.Unix(1_800_000_010, 0).UTC()}},
		Plan: &SketchPlan{Epoch: 3, Seed: 4, Ask: []Inquiry{{Vector: "syn-flood", Cells: [SketchRows][]uint16{{1}, {2, 3}}}}}}
}

func TestTally(t *testing.T) {
	want := sampleTally()
	msg, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeTally(msg); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, spoil := range map[string]func(*Tally){
		"no sensor":          func(t *Tally) { t.Sensor = "" },
		"a bad name":         func(t *Tally) { t.Sensor = "a.b" },
		"many destinations":  func(t *Tally) { t.Dests = make([]TallyDest, MaxTallyDests+1) },
		"many attacks":       func(t *Tally) { t.Attacks = make([]TallyAttack, MaxTallyAttacks+1) },
		"no address":         func(t *Tally) { t.Dests[0].Addr = netip.Addr{} },
		"a long prefix":      func(t *Tally) { t.Attacks[0].Bits = 129 },
		"a large sketch":     func(t *Tally) { t.Sketch = make([]byte, MaxSketch+1) },
		"an address's zone":  func(t *Tally) { t.Attacks[0].Dst = netip.MustParseAddr("fe80::1%eth0") },
		"an attack's no id":  func(t *Tally) { t.Attacks[0].ID = "" },
		"a long vector name": func(t *Tally) { t.Dests[0].Vector = string(make([]byte, 100)) },
	} {
		bad := sampleTally()
		spoil(bad)
		if _, err := bad.Encode(); err == nil {
			t.Errorf("%s was encoded", name)
		}
	}
}

func TestArming(t *testing.T) {
	want, k := sampleArming(), key(t, 1)
	msg, err := want.Seal(k)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenArming(public(k), msg); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := OpenArming(public(key(t, 2)), msg); err == nil {
		t.Error("another's signature was taken")
	}
	if _, err := OpenDelta(public(k), msg); err == nil {
		t.Error("an arming was taken for a delta")
	}
	for name, spoil := range map[string]func(*Arming){
		"many orders":    func(a *Arming) { a.Orders = make([]Order, MaxOrders+1) },
		"no address":     func(a *Arming) { a.Orders[0].Dst = netip.Addr{} },
		"no threshold":   func(a *Arming) { a.Orders[0].Threshold = 0 },
		"a long reason":  func(a *Arming) { a.Orders[0].Why = string(make([]byte, 1000)) },
		"an order's id":  func(a *Arming) { a.Orders[0].ID = "" },
		"a vector's end": func(a *Arming) { a.Orders[0].Vector = string(make([]byte, 100)) },
	} {
		bad := sampleArming()
		spoil(bad)
		if _, err := bad.Seal(k); err == nil {
			t.Errorf("%s was sealed", name)
		}
	}
}

// FuzzFloods feeds both decoders, signatures unchecked: what is taken must be encoded the same again.
func FuzzFloods(f *testing.F) {
	tally, err := sampleTally().Encode()
	if err != nil {
		f.Fatal(err)
	}
	raw, err := inflate(tally, maxTallyRaw)
	if err != nil {
		f.Fatal(err)
	}
	arming, err := sampleArming().Seal(key(f, 1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(arming)
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := DecodeTally(deflate(nil, b)); err == nil {
			msg, err := got.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if again, err := DecodeTally(msg); err != nil || len(again.Dests) != len(got.Dests) || len(again.Attacks) != len(got.Attacks) {
				t.Fatalf("%+v, %v", again, err)
			}
		}
		if got, err := OpenArming(nil, b); err == nil {
			if _, err := got.Seal(key(t, 1)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
