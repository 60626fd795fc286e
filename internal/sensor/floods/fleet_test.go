package floods

import (
	"net/netip"
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
	if due := s.Tally(&quiet, s.now); !due || len(quiet.Attacks) != 0 || len(quiet.Dests) != 1 || quiet.Dests[0].Rate != 200 || quiet.Dests[0].Threshold != 1000 {
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
