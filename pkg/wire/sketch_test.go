package wire

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
)

func sampleSketch(destinations int, most uint32) *Sketch {
	plan, rng := SketchPlan{Epoch: 7, Seed: 99}, rand.New(rand.NewPCG(1, 2))
	s := &Sketch{Epoch: 7, Planes: []Plane{NewPlane("syn-flood"), NewPlane("udp-flood")}}
	for i := range destinations {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], 0x0a000000+uint32(i))
		for n := range s.Planes {
			s.Planes[n].Add(plan.Place(netip.AddrFrom4(a)), 1+rng.Uint32N(most))
		}
	}
	s.Planes[0].Threshold = 1000
	return s
}

func TestSketch(t *testing.T) {
	for name, s := range map[string]*Sketch{"empty": {Epoch: 3}, "few": sampleSketch(100, 1000), "many": sampleSketch(50_000, 9)} {
		msg, err := s.Encode()
		if err != nil {
			t.Fatal(name, err)
		}
		got, err := DecodeSketch(msg)
		if err != nil || name != "many" && !reflect.DeepEqual(got, s) {
			t.Fatalf("%s: %v", name, err)
		}
		t.Logf("%s: %d bytes", name, len(msg))
	}
	if _, err := DecodeSketch(make([]byte, MaxSketch+1)); err == nil {
		t.Error("a long message was taken")
	}
}

// TestSketchStaysSmall has what is large and has no pattern rounded until it fits, by half a unit at most.
func TestSketchStaysSmall(t *testing.T) {
	s := sampleSketch(200_000, 100_000)
	msg, err := s.Encode()
	if err != nil || len(msg) > MaxSketch {
		t.Fatalf("%d bytes, %v", len(msg), err)
	}
	got, err := DecodeSketch(msg)
	if err != nil {
		t.Fatal(err)
	}
	for row := range SketchRows {
		var want, have uint64
		for i := range SketchWidth {
			want += uint64(s.Planes[0].Cells[row][i])
			have += uint64(got.Planes[0].Cells[row][i])
		}
		if have < want*99/100 || have > want*101/100 {
			t.Errorf("row %d: %d packets/s became %d", row, want, have)
		}
	}
}

// TestPlacesSpread has many addresses of one network share no more cells than chance makes.
func TestPlacesSpread(t *testing.T) {
	plan := SketchPlan{Seed: 12345}
	var cells [SketchRows][SketchWidth]int
	both := map[[SketchRows]uint16]int{}
	for i := range 1 << 16 {
		place := plan.Place(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}))
		both[place]++
		for row, cell := range place {
			cells[row][cell]++
		}
	}
	for row := range cells {
		most := 0
		for _, n := range cells[row] {
			most = max(most, n)
		}
		if most > 20 { // 4 are expected
			t.Errorf("row %d: %d addresses in one cell", row, most)
		}
	}
	if len(both) < 1<<16-50 {
		t.Errorf("%d different places of %d addresses", len(both), 1<<16)
	}
}

func FuzzDecodeSketch(f *testing.F) {
	for _, s := range []*Sketch{{Epoch: 3}, sampleSketch(20, 1000)} {
		f.Add(s.append(nil, 0))
		f.Add(s.append(nil, 4))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := DecodeSketch(deflate(nil, raw))
		if err != nil {
			return
		}
		msg, err := s.Encode()
		if err != nil {
			t.Fatalf("decoded, but not to be encoded again: %v", err)
		}
		if again, err := DecodeSketch(msg); err != nil || len(again.Planes) != len(s.Planes) || again.Epoch != s.Epoch {
			t.Fatalf("again: %v", err)
		}
	})
}
