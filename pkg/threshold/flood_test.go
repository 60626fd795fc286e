package threshold

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/decode"
)

const ms = int64(1e6)

var victim = decode.AddrFrom(netip.MustParseAddr("192.0.2.1"))

// floors are static thresholds.
func floors(syn, udp, icmp uint32) FloodConfig {
	return FloodConfig{Floors: [NumFloodClasses]uint32{FloodSYN: syn, FloodUDP: udp, FloodICMP: icmp}}
}

// pour adds pps packets per second for the time from…to, a packet at a time, and returns the events.
func pour(f *Floods, class FloodClass, pps, from, to int64) []FloodEvent {
	var events []FloodEvent
	for t := from; t < to; t += int64(1e9) / pps {
		if e, ok := f.Add(victim, class, 1, t); ok {
			events = append(events, e)
		}
	}
	return events
}

func TestAFloodFiresFast(t *testing.T) {
	f := NewFloods(floors(1000, 5000, 1000))
	start := int64(1_700_000_000_000_000_000)
	got := pour(f, FloodSYN, 20_000, start, start+1000*ms)
	if len(got) != 1 || got[0].Time-start > 200*ms || got[0].Kind != FloodStart {
		t.Fatalf("got %+v, want one start within 200 ms", got)
	}
	if s := got[0].Explain(); !strings.Contains(s, "syn packets/s to 192.0.2.1 over 200 ms; the floor is 1000/s") {
		t.Error(s)
	}
}

func TestJustAboveTheFloorFiresWithinASecondOrSo(t *testing.T) {
	f := NewFloods(floors(1000, 5000, 1000))
	start := int64(1_700_000_000_000_000_000)
	got := pour(f, FloodUDP, 5500, start, start+1500*ms)
	if len(got) != 1 || got[0].Window != 1000*ms {
		t.Fatalf("got %+v, want one start over a second", got)
	}
}

func TestACrowdIsNoFlood(t *testing.T) {
	f := NewFloods(floors(1000, 0, 0))
	answer := 50 * ms // until a handshake is complete
	var events []FloodEvent
	for now := int64(0); now < 3000*ms; now += 100 * ms {
		if now > answer {
			f.Spare(victim, FloodSYN, 300, now)
		}
		if e, ok := f.Add(victim, FloodSYN, 300, now); ok {
			events = append(events, e)
		}
	}
	if len(events) != 0 {
		t.Errorf("3,000 clients a second were called a flood: %+v", events)
	}
	for now := 3000 * ms; now < 4000*ms; now += 100 * ms { // a flood on top of them
		f.Spare(victim, FloodSYN, 300, now)
		if e, ok := f.Add(victim, FloodSYN, 3300, now); ok {
			events = append(events, e)
		}
	}
	if len(events) != 1 {
		t.Errorf("the flood among the clients: %+v", events)
	}
}

func TestBelowTheFloorStaysQuiet(t *testing.T) {
	f := NewFloods(floors(1000, 5000, 1000))
	for class, pps := range map[FloodClass]int64{FloodSYN: 900, FloodUDP: 4500, FloodICMP: 900} {
		if got := pour(f, class, pps, 0, 5000*ms); len(got) != 0 {
			t.Errorf("%s at %d/s: %+v", class, pps, got)
		}
	}
	// A burst of a web page's SYNs in one instant is no flood.
	if _, ok := f.Add(victim, FloodSYN, 150, 60_000*ms); ok {
		t.Error("150 SYNs at once fired")
	}
}

func TestAFloodEndsAfterTheHoldDownOnly(t *testing.T) {
	f := NewFloods(floors(1000, 0, 0))
	pour(f, FloodSYN, 5000, 0, 1000*ms)
	var ended []FloodEvent
	for now := 1000 * ms; now < 5000*ms; now += 100 * ms {
		ended = append(ended, f.Tick(now)...)
	}
	if len(ended) != 0 || f.Active() != 1 {
		t.Fatalf("ended %v within 4 s", ended)
	}
	if again := pour(f, FloodSYN, 5000, 5000*ms, 6000*ms); len(again) != 0 {
		t.Errorf("the second pulse was reported as a new flood: %v", again)
	}
	for now := 6000 * ms; now < 20_000*ms; now += 100 * ms {
		ended = append(ended, f.Tick(now)...)
	}
	if len(ended) != 0 {
		t.Fatalf("ended %+v, as long after as the pulses' first pause lasted three times", ended)
	}
	for now := 20_000 * ms; now < 40_000*ms; now += 100 * ms {
		ended = append(ended, f.Tick(now)...)
	}
	if len(ended) != 1 || ended[0].Pulses != 1 || ended[0].Kind != FloodEnd || ended[0].Packets < 9000 || f.Active() != 0 {
		t.Fatalf("got %+v", ended)
	}
}

func TestManyDestinationsStayBounded(t *testing.T) {
	f := NewFloods(floors(1000, 0, 0))
	pour(f, FloodSYN, 5000, 0, 1000*ms)
	for i := range uint32(200_000) {
		dst := decode.Addr{10: 0xff, 11: 0xff, 12: 10, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}
		f.Add(dst, FloodSYN, 1, 1000*ms)
	}
	if f.targets.Len() > maxTargets || f.Evicted == 0 {
		t.Errorf("%d targets, %d evicted", f.targets.Len(), f.Evicted)
	}
	if f.Active() != 1 {
		t.Error("the running flood was forgotten")
	}
}

func TestAddDoesNotAllocate(t *testing.T) {
	f := NewFloods(floors(1000, 5000, 1000))
	f.Add(victim, FloodSYN, 1, 0)
	now := int64(0)
	if n := testing.AllocsPerRun(1000, func() { now += ms; f.Add(victim, FloodSYN, 1, now) }); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}
