package threshold

import (
	"fmt"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/weir-ips/weir/pkg/decode"
)

// FloodClass is a kind of packet that floods are made of. SYN-ACKs are not SYNs: an answer is no attack.
type FloodClass uint8

// The classes that have a floor.
const (
	FloodSYN FloodClass = iota
	FloodUDP
	FloodICMP
	NumFloodClasses
)

var floodNames = [NumFloodClasses]string{"syn", "udp", "icmp"}

// String returns the class as metrics and events name it.
func (c FloodClass) String() string { return floodNames[c] }

// ClassOf returns the flood class of p; ok is false for packets that no floor counts.
func ClassOf(p *decode.Packet) (class FloodClass, ok bool) {
	switch {
	case p.IPVersion == 0:
		return 0, false
	case p.Proto == decode.ProtoUDP:
		return FloodUDP, true
	case p.Proto == decode.ProtoICMP, p.Proto == decode.ProtoICMPv6:
		return FloodICMP, true
	case p.Proto == decode.ProtoTCP && p.L4 != nil:
		return FloodSYN, p.Flags&(decode.SYN|decode.ACK|decode.RST|decode.FIN) == decode.SYN
	}
	return 0, false
}

// The detector's clockwork. A flood well above its floor is seen after two slots; one just above it after a second.
const (
	slot       = int64(100e6) // ns
	slots      = 10           // a second
	fastSlots  = 2
	fastFactor = 2                 // the short window must be this many times above the floor: it is noisy
	holdDown   = int64(10 * 1e9)   // a flood that pauses is still on for this long
	maxTargets = 65536             // destinations watched at once; the least recently hit is forgotten first
	perSecond  = int64(1e9) / slot // slots in a second
	fastScale  = perSecond / fastSlots
)

// FloodKind tells the start of a flood from its later records.
type FloodKind uint8

// Kinds of FloodEvent.
const (
	FloodStart FloodKind = iota
	FloodEnd
)

// FloodEvent says that a destination is, or is no longer, under a flood of one class.
type FloodEvent struct {
	Kind    FloodKind
	Dst     decode.Addr
	Class   FloodClass
	Time    int64  // Unix ns of the decision
	Since   int64  // Unix ns of the first slot over the floor
	Rate    uint64 // packets per second when decided
	Peak    uint64 // highest rate over 200 ms so far, packets per second
	Packets uint64 // since the start
	Floor   uint64 // packets per second
	Window  int64  // ns over which Rate was measured
}

// Explain says in one sentence why the event was raised.
func (e FloodEvent) Explain() string {
	if e.Kind == FloodEnd {
		return fmt.Sprintf("%s packets to %s fell below half of %d/s for %d s", e.Class, e.Dst.IP(), e.Floor, holdDown/1e9)
	}
	return fmt.Sprintf("%d %s packets/s to %s over %d ms; the floor is %d/s", e.Rate, e.Class, e.Dst.IP(), e.Window/1e6, e.Floor)
}

// Floods finds destinations that receive more packets of a class than its floor allows. It is fed either packets or
// counter increments, and is used by one goroutine. Its memory is bounded: 65,536 destinations.
type Floods struct {
	floors  [NumFloodClasses]uint64
	targets *lru.Cache[target, *window]
	active  map[target]*window // floods that are on; never evicted
	Evicted uint64             // destinations forgotten because the table was full
}

type target struct {
	dst   decode.Addr
	class FloodClass
}

type window struct {
	counts  [slots]uint64
	against [slots]uint64 // completed handshakes
	head    int64         // number of the newest slot
	on      bool
	since   int64
	lowFrom int64 // when the rate fell below half the floor; 0 while it has not
	peak    uint64
	total   uint64
}

// NewFloods returns a detector; floors are packets per second to one destination, and 0 switches a class off.
func NewFloods(syn, udp, icmp uint32) *Floods {
	f := &Floods{floors: [NumFloodClasses]uint64{uint64(syn), uint64(udp), uint64(icmp)}, active: map[target]*window{}}
	f.targets, _ = lru.NewWithEvict(maxTargets, func(target, *window) { f.Evicted++ })
	return f
}

// Add counts n packets of class to dst at time now (Unix ns) and reports a flood that begins with them.
func (f *Floods) Add(dst decode.Addr, class FloodClass, n uint64, now int64) (FloodEvent, bool) {
	floor := f.floors[class]
	if floor == 0 || n == 0 {
		return FloodEvent{}, false
	}
	key := target{dst, class}
	w := f.window(key)
	w.advance(now / slot)
	w.counts[w.head%slots] += n
	w.total += n
	fast := w.sum(fastSlots) * uint64(fastScale)
	w.peak = max(w.peak, fast)
	if w.on {
		return FloodEvent{}, false
	}
	rate, span := w.sum(slots), slots*slot
	if fast >= fastFactor*floor {
		rate, span = fast, fastSlots*slot
	} else if rate < floor {
		return FloodEvent{}, false
	}
	if w.crowd() {
		return FloodEvent{}, false
	}
	w.on, w.since, w.lowFrom, w.total, w.peak = true, now, 0, w.sum(slots), max(rate, fast)
	f.active[key] = w
	return f.event(FloodStart, key, w, now, rate, span), true
}

// Spare takes n packets back that turned out to be no attack: handshakes that were completed.
func (f *Floods) Spare(dst decode.Addr, class FloodClass, n uint64, now int64) {
	if f.floors[class] == 0 || n == 0 {
		return
	}
	w := f.window(target{dst, class})
	w.advance(now / slot)
	w.against[w.head%slots] += n
}

// Tick ends floods whose rate has stayed below half the floor; call it every 100 ms or so.
func (f *Floods) Tick(now int64) []FloodEvent {
	var ended []FloodEvent
	for key, w := range f.active {
		w.advance(now / slot)
		rate := w.sum(slots)
		switch {
		case rate >= f.floors[key.class]/2:
			w.lowFrom = 0
		case w.lowFrom == 0:
			w.lowFrom = now
		case now-w.lowFrom >= holdDown:
			w.on = false
			delete(f.active, key)
			ended = append(ended, f.event(FloodEnd, key, w, now, rate, slots*slot))
		}
	}
	return ended
}

// Active returns how many floods are on.
func (f *Floods) Active() int { return len(f.active) }

func (f *Floods) window(key target) *window {
	if w, ok := f.active[key]; ok {
		return w
	}
	if w, ok := f.targets.Get(key); ok {
		return w
	}
	w := &window{}
	f.targets.Add(key, w)
	return w
}

func (f *Floods) event(kind FloodKind, key target, w *window, now int64, rate uint64, span int64) FloodEvent {
	return FloodEvent{Kind: kind, Dst: key.dst, Class: key.class, Time: now, Since: w.since, Rate: rate,
		Peak: w.peak, Packets: w.total, Floor: f.floors[key.class], Window: span}
}

// advance moves the window to slot number to, emptying the slots in between. Time that runs backwards is ignored.
func (w *window) advance(to int64) {
	if to-w.head >= slots {
		w.counts, w.against, w.head = [slots]uint64{}, [slots]uint64{}, to
		return
	}
	for w.head < to {
		w.head++
		w.counts[w.head%slots], w.against[w.head%slots] = 0, 0
	}
}

// sum adds up the newest n slots, the running one included, without what turned out to be no attack.
func (w *window) sum(n int64) uint64 {
	var total, against uint64
	for i := range n {
		total += w.counts[(w.head-i+slots)%slots]
		against += w.against[(w.head-i+slots)%slots]
	}
	return total - min(total, against)
}

// crowd reports whether most of the last second's packets turned out to be no attack.
func (w *window) crowd() bool {
	var total, against uint64
	for i := range slots {
		total += w.counts[i]
		against += w.against[i]
	}
	return 2*against > total
}
