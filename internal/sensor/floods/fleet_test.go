package floods

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/wire"
)

func order(revision uint64, until time.Time, dsts ...netip.Addr) *wire.Arming {
	a := &wire.Arming{Revision: revision}
	for _, dst := range dsts {
		a.Orders = append(a.Orders, wire.Order{ID: "fleet-1", Vector: "syn-flood", Dst: dst, Rate: 4000, Threshold: 1000, Why: "4 sensors", Until: until})
	}
	return a
}

// TestAnOrderArmsWhatWasNotSeen arms, tells nothing while nothing comes, tells once something does, and ends with the order.
func TestAnOrderArmsWhatWasNotSeen(t *testing.T) {
	s := newScene(t, nil)
	s.Order(order(5, s.now.Add(10*time.Second), victim), s.now)
	s.pass(time.Second, bpf.ClassSYN, 0)
	if s.armed[armKey{victim, bpf.ClassSYN}] != 1000 || s.phases() != "" {
		t.Fatalf("armed %v, told %q", s.armed, s.phases())
	}
	s.pass(time.Second, bpf.ClassSYN, 20, victim)
	if s.phases() != "syn-flood start" || s.told[0].ID != "fleet-1" {
		t.Errorf("told %q, %+v", s.phases(), s.told)
	}
	s.Order(order(4, s.now.Add(time.Hour), victim), s.now) // an old one, replayed
	s.pass(30*time.Second, bpf.ClassSYN, 0)
	if len(s.armed) != 0 || s.phases() != "syn-flood start, syn-flood end" {
		t.Errorf("armed %v, told %q", s.armed, s.phases())
	}
}

func TestAnOrderWithdrawnIsCarriedOutNoMore(t *testing.T) {
	s := newScene(t, nil)
	s.Order(order(1, s.now.Add(time.Hour), victim), s.now)
	s.pass(time.Second, bpf.ClassSYN, 0)
	s.Order(order(2, s.now.Add(time.Hour)), s.now)
	s.pass(20*time.Second, bpf.ClassSYN, 0)
	if len(s.armed) != 0 || s.phases() != "" || len(s.Attacks()) != 0 {
		t.Errorf("armed %v, told %q", s.armed, s.phases())
	}
	s.Order(order(3, s.now.Add(time.Hour), victim), s.now)
	s.pass(2*orderMost, bpf.ClassSYN, 0)
	if len(s.armed) != 0 {
		t.Error("an order that nobody renews holds for its hour")
	}
}

func TestOrdersStayBounded(t *testing.T) {
	s := newScene(t, nil)
	for r := range byte(8) {
		var dsts []netip.Addr
		for i := range wire.MaxOrders {
			dsts = append(dsts, netip.AddrFrom4([4]byte{10, r, byte(i >> 8), byte(i)}))
		}
		s.Order(order(uint64(r)+1, s.now.Add(time.Minute), dsts...), s.now)
	}
	if n := len(s.Attacks()); n > maxAttacks {
		t.Errorf("%d attacks", n)
	}
}

func TestTheCollectorIsTold(t *testing.T) {
	s := newScene(t, nil)
	s.pass(2*time.Second, bpf.ClassSYN, 20, victim)
	var quiet wire.Tally
	if due := s.Tally(&quiet, s.now); !due || len(quiet.Attacks) != 0 || len(quiet.Dests) != 2 || quiet.Dests[0].Hosts != 1 || quiet.Dests[1].Rate != 200 || quiet.Dests[1].Threshold != 1000 {
		t.Errorf("%v %+v", due, quiet)
	}
	if s.Tally(new(wire.Tally), s.now) {
		t.Error("told twice within the time for one")
	}
	s.pass(300*time.Millisecond, bpf.ClassSYN, 2000, victim)
	var found wire.Tally
	if due := s.Tally(&found, s.now); !due || len(found.Attacks) != 1 || found.Attacks[0].Vector != "syn-flood" || found.Attacks[0].Threshold != 1000 {
		t.Errorf("an attack that has begun: %v %+v", due, found)
	}
	found.Sensor, found.Mode = "edge-1", "gwlb"
	if _, err := found.Encode(); err != nil {
		t.Error(err)
	}
	s.pass(30*time.Second, bpf.ClassSYN, 0)
	var empty wire.Tally
	if due := s.Tally(&empty, s.now); !due || len(empty.Attacks)+len(empty.Dests) != 0 {
		t.Errorf("the end was not told: %v %+v", due, empty)
	}
	s.pass(time.Second, bpf.ClassSYN, 0)
	if s.Tally(new(wire.Tally), s.now) {
		t.Error("told nothing, twice")
	}
}

// TestAnOrderIsNoEcho has an order not be told back as an attack that this sensor has found.
func TestAnOrderIsNoEcho(t *testing.T) {
	s := newScene(t, nil)
	s.Order(order(1, s.now.Add(10*time.Second), victim), s.now)
	s.pass(time.Second, bpf.ClassSYN, 1, victim)
	var tally wire.Tally
	s.Tally(&tally, s.now)
	if len(tally.Attacks) != 0 {
		t.Errorf("%+v", tally.Attacks)
	}
}

// TestWhatATallyHasNoRoomForIsSketched has more destinations than are listed, and one of the quiet ones asked for.
func TestWhatATallyHasNoRoomForIsSketched(t *testing.T) {
	s := newScene(t, nil)
	var busy []netip.Addr
	for i := range wire.MaxTallyDests + 500 {
		busy = append(busy, netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}))
	}
	quiet := netip.MustParseAddr("10.200.0.1")
	for range 15 {
		for _, dst := range busy {
			s.count(dst, bpf.ClassSYN, 4)
		}
		s.pass(100*time.Millisecond, bpf.ClassSYN, 1, quiet)
	}
	var without wire.Tally
	if s.Tally(&without, s.now); len(without.Dests) != wire.MaxTallyDests || without.Left != 501 || without.Sketch != nil {
		t.Fatalf("%d listed, %d left out, %d bytes of sketch", len(without.Dests), without.Left, len(without.Sketch))
	}
	plan := wire.SketchPlan{Epoch: 5, Seed: 77}
	place := plan.Place(quiet)
	plan.Ask = []wire.Inquiry{{Vector: "syn-flood", Cells: [wire.SketchRows][]uint16{{place[0]}, {place[1]}}}}
	s.Order(&wire.Arming{Revision: 1, Plan: &plan}, s.now)
	s.pass(wire.TallyEvery, bpf.ClassSYN, 1, quiet)
	var tally wire.Tally
	if s.Tally(&tally, s.now); len(tally.Dests) != wire.MaxTallyDests || !slices.Contains(tally.Dests, wire.TallyDest{Addr: quiet, Vector: "syn-flood", Rate: 10, Threshold: 1000}) {
		t.Fatalf("%d listed; want %s, which was asked for", len(tally.Dests), quiet)
	}
	sketch, err := wire.DecodeSketch(tally.Sketch)
	if err != nil || sketch.Epoch != 5 || len(sketch.Planes) != 1 {
		t.Fatalf("%+v, %v", sketch, err)
	}
	p, sum := sketch.Planes[0], 0
	for _, v := range p.Cells[0] {
		sum += int(v)
	}
	if p.Vector != "syn-flood" || p.Threshold != 1000 || p.Destinations != tally.Left || sum < 15*int(tally.Left) {
		t.Errorf("%s, threshold %d, %d destinations with %d packets/s; %d are left out", p.Vector, p.Threshold, p.Destinations, sum, tally.Left)
	}
	tally.Sensor, tally.Mode = "edge-1", "gwlb"
	if msg, err := tally.Encode(); err != nil || len(msg) > 64<<10 {
		t.Errorf("%d bytes, %v", len(msg), err)
	}
}
