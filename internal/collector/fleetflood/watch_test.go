package fleetflood

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/wire"
)

var (
	victim = netip.MustParseAddr("10.1.2.3")
	start  = time.Unix(1_800_000_000, 0)
)

func tally(sensor, mode, group string, rate uint32) *wire.Tally {
	t := &wire.Tally{Sensor: sensor, Mode: mode, Group: group}
	if rate > 0 {
		t.Dests = []wire.TallyDest{{Addr: victim, Vector: "syn-flood", Rate: rate, Threshold: 1000}}
	}
	return t
}

func TestWhatNoSensorSeesAloneIsFound(t *testing.T) {
	w := NewWatch()
	for i := range 9 {
		w.Take(tally(fmt.Sprint("edge-", i), "gwlb", "edge", 100), start)
	}
	if a, _ := w.Judge(start); len(a.Orders) != 0 {
		t.Fatalf("900/s of 1000: %+v", a.Orders)
	}
	w.Take(tally("edge-9", "gwlb", "edge", 200), start)
	a, changed := w.Judge(start)
	if len(a.Orders) != 1 || !changed || a.Orders[0].Dst != victim || a.Orders[0].Rate != 1100 || a.Orders[0].Threshold != 1000 {
		t.Fatalf("1100/s of 1000: %+v", a.Orders)
	}
	if err := check(a); err != nil {
		t.Error(err)
	}
	if a, changed = w.Judge(start.Add(100 * time.Millisecond)); changed || len(a.Orders) != 1 {
		t.Errorf("again: %v %+v", changed, a.Orders)
	}
}

// check proves that the arming is fit to be sent.
func check(a *wire.Arming) error {
	_, err := a.Seal(make([]byte, 64))
	return err
}

func TestTheSamePacketsAreCountedOnce(t *testing.T) {
	w := NewWatch()
	for i := range 3 { // each packet passes a sensor behind the load balancer, and one on its host
		w.Take(tally(fmt.Sprint("edge-", i), "gwlb", "", 300), start)
		w.Take(tally(fmt.Sprint("host-", i), "host", "", 300), start)
	}
	if a, _ := w.Judge(start); len(a.Orders) != 0 {
		t.Errorf("900/s, seen twice: %+v", a.Orders)
	}
}

func TestOneSensorsAttackArmsAll(t *testing.T) {
	w := NewWatch()
	found := tally("edge-1", "gwlb", "", 0)
	found.Attacks = []wire.TallyAttack{{ID: "udp-amplification-1", Vector: "udp-amplification", Dst: victim, Port: 53, Rate: 9000, Threshold: 1000}}
	w.Take(found, start)
	a, changed := w.Judge(start)
	if len(a.Orders) != 1 || !changed || a.Orders[0].Port != 53 || a.Orders[0].ID != "udp-amplification-1" {
		t.Fatalf("%+v", a.Orders)
	}
	w.Take(tally("edge-1", "gwlb", "", 0), start.Add(time.Second))
	if a, _ = w.Judge(start.Add(holdFor)); len(a.Orders) != 1 {
		t.Error("the order did not outlive its reason")
	}
	if a, changed = w.Judge(start.Add(2 * holdFor)); len(a.Orders) != 0 || !changed {
		t.Errorf("the order stays: %+v", a.Orders)
	}
}

func TestASilentSensorCountsNoMore(t *testing.T) {
	w := NewWatch()
	w.Take(tally("edge-1", "gwlb", "", 900), start)
	w.Take(tally("edge-2", "gwlb", "", 900), start.Add(2*staleAfter))
	if a, _ := w.Judge(start.Add(2 * staleAfter)); len(a.Orders) != 0 || len(w.tallies) != 1 {
		t.Errorf("%+v, %d tallies", a.Orders, len(w.tallies))
	}
}

func TestOrdersStayBounded(t *testing.T) {
	w := NewWatch()
	for s := range 10 {
		t := &wire.Tally{Sensor: fmt.Sprint("edge-", s), Mode: "gwlb"}
		for i := range byte(wire.MaxTallyAttacks) {
			t.Attacks = append(t.Attacks, wire.TallyAttack{ID: "x", Vector: "syn-flood", Dst: netip.AddrFrom4([4]byte{10, byte(s), 0, i}), Rate: 5000 + uint32(i), Threshold: 1000})
		}
		w.Take(t, start)
	}
	a, _ := w.Judge(start)
	if len(a.Orders) != wire.MaxOrders {
		t.Errorf("%d orders", len(a.Orders))
	}
	if err := check(a); err != nil {
		t.Error(err)
	}
	for i := range maxTallies + 100 {
		w.Take(tally(fmt.Sprint("more-", i), "gwlb", "", 0), start)
	}
	if len(w.tallies) != maxTallies || w.Refused == 0 {
		t.Errorf("%d tallies, %d refused", len(w.tallies), w.Refused)
	}
}

func TestRevisionsGrow(t *testing.T) {
	w := NewWatch()
	a, _ := w.Judge(start)
	b, _ := w.Judge(start.Add(-time.Hour)) // the clock was set back
	if b.Revision <= a.Revision {
		t.Errorf("%d after %d", b.Revision, a.Revision)
	}
}

// TestANetworkOverAFleet has each sensor of a fleet see one address of a network under attack; a few busy ones are none.
func TestANetworkOverAFleet(t *testing.T) {
	network := netip.MustParseAddr("10.9.8.0")
	for _, c := range []struct {
		sensors, orders int
		rate            uint32
	}{{40, 1, 300}, {40, 0, 200}, {20, 0, 900}} {
		w := NewWatch()
		for i := range c.sensors {
			w.Take(&wire.Tally{Sensor: fmt.Sprint("proxy-", i), Mode: "host", Dests: []wire.TallyDest{
				{Addr: network, Vector: "carpet-bombing", Rate: c.rate, Threshold: 10_000, Hosts: 1},
				{Addr: netip.AddrFrom4([4]byte{10, 9, 8, byte(i)}), Vector: "syn-flood", Rate: c.rate, Threshold: 1000}}}, start)
		}
		a, _ := w.Judge(start)
		if len(a.Orders) != c.orders || c.orders > 0 && (a.Orders[0].Dst != network || a.Orders[0].Vector != "carpet-bombing") {
			t.Errorf("%d sensors with %d packets/s: %+v", c.sensors, c.rate, a.Orders)
		}
	}
}
