package threshold

import (
	"fmt"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/weir-ips/weir/pkg/decode"
)

// The detector's clockwork. A flood well above its threshold is seen after two slots; one just above it after a second.
const (
	slot       = int64(100e6) // ns
	slots      = 10           // a second
	fastSlots  = 2
	fastFactor = 2                 // the short window must be this many times above the threshold: it is noisy
	holdDown   = int64(10 * 1e9)   // a flood that pauses is still on for this long, at first
	holdFactor = 5                 // and then for so many of its longest pause
	holdMost   = int64(300 * 1e9)  // but no longer
	maxTargets = 65536             // destinations watched at once; the least recently hit is forgotten first
	perSecond  = int64(1e9) / slot // slots in a second
	fastScale  = perSecond / fastSlots
)

// How thresholds follow what is usual.
const (
	usualFactor = 5 // times what is usual is an attack
	leastShare  = 5 // a learned threshold is at least this part of the floor
	cusumSlack  = 2 // what is above this part of the threshold adds up
	cusumLimit  = 5 // until it is so many of those parts: a rate just below the threshold is seen after that many seconds
	slowSeconds = 60
)

// FloodConfig is what a Floods compares with.
type FloodConfig struct {
	// Floors are packets per second to one destination that are a flood, until baselines are known. A class without a floor has
	// no threshold until then; Off switches a class off.
	Floors [NumFloodClasses]uint32
	Off    [NumFloodClasses]bool
	// Baselines are what is usual: five times as much is a flood. Once the hour of the week has been seen before, that may be
	// below the floor, though not below a fifth of it. nil: the floors alone count.
	Baselines *Baselines
}

// threshold returns what is a flood where so much is usual; 0: nothing is.
func (c *FloodConfig) threshold(class FloodClass, u usual) uint64 {
	floor := uint64(c.Floors[class])
	switch {
	case u.hour:
		return max(u.rate*usualFactor, floor/leastShare, minThreshold)
	case u.learned && floor > 0:
		return max(u.rate*usualFactor, floor)
	}
	return floor
}

// minThreshold is the least threshold that is ever learned, in packets per second: below it nothing is an attack by its rate.
const minThreshold = 100

// FloodStatistic says by which of the statistics a flood was found.
type FloodStatistic uint8

// Statistics of a flood.
const (
	FastRate FloodStatistic = iota // the last 200 ms were far above the threshold
	SlowRate                       // the last second was above it
	Excess                         // cumulative sum: a rate below the threshold, but far above what is usual, has lasted
)

var statisticNames = [...]string{FastRate: "rate over 200 ms", SlowRate: "rate over 1 s", Excess: "cumulative excess over what is usual"}

// String returns the statistic as events name it.
func (s FloodStatistic) String() string { return statisticNames[s] }

// FloodKind tells the start of a flood from its later records.
type FloodKind uint8

// Kinds of FloodEvent.
const (
	FloodStart FloodKind = iota
	FloodUpdate
	FloodEnd
)

// FloodEvent says that a destination is, is still, or is no longer, under a flood of one class.
type FloodEvent struct {
	Kind      FloodKind
	Dst       decode.Addr
	Class     FloodClass
	Time      int64  // Unix ns of the decision
	Since     int64  // Unix ns of the first slot over the threshold
	Rate      uint64 // packets per second when decided
	Peak      uint64 // highest rate over 200 ms so far, packets per second
	Packets   uint64 // since the start
	Threshold uint64 // packets per second
	Usual     uint64 // packets per second to one destination that are usual; 0 if nothing is known
	Learned   bool   // Usual is of this network's baseline, not merely the minute before
	Window    int64  // ns over which Rate was measured
	Statistic FloodStatistic
	Pulses    uint32 // how often it paused and went on, or came back soon after its end
	Hold      int64  // ns for which it must pause to be over
}

// Explain says in one sentence why the event was raised.
func (e *FloodEvent) Explain() string {
	if e.Kind == FloodEnd {
		return fmt.Sprintf("%s packets to %s fell below half of %d/s for %d s", e.Class, e.Dst.IP(), e.Threshold, e.Hold/1e9)
	}
	s := fmt.Sprintf("%d %s packets/s to %s over %d ms; the ", e.Rate, e.Class, e.Dst.IP(), e.Window/1e6)
	if !e.Learned {
		return s + fmt.Sprintf("floor is %d/s", e.Threshold)
	}
	s += fmt.Sprintf("threshold is %d/s, as %d/s are usual at this hour", e.Threshold, e.Usual)
	if e.Statistic == Excess {
		s += "; less than that, but for too long"
	}
	return s
}

// Floods finds destinations that receive more packets of a class than is usual, or than its floor allows. It is fed either
// packets or counter increments, and is used by one goroutine. Its memory is bounded: 65,536 destinations.
type Floods struct {
	cfg     FloodConfig
	targets *lru.Cache[target, *window]
	active  map[target]*window // floods that are on; never evicted
	Evicted uint64             // destinations forgotten because the table was full
}

type target struct {
	dst   decode.Addr
	class FloodClass
}

// NewFloods returns a detector that has seen nothing.
func NewFloods(c FloodConfig) *Floods {
	f := &Floods{cfg: c, active: map[target]*window{}}
	f.targets, _ = lru.NewWithEvict(maxTargets, func(target, *window) { f.Evicted++ }) // fails for sizes below 1 alone
	return f
}

// off reports whether nothing of a class is ever a flood.
func (f *Floods) off(class FloodClass) bool {
	return f.cfg.Off[class] || f.cfg.Floors[class] == 0 && f.cfg.Baselines == nil
}

// Add counts n packets of class to dst at time now (Unix ns) and reports a flood that begins with them.
func (f *Floods) Add(dst decode.Addr, class FloodClass, n uint64, now int64) (FloodEvent, bool) {
	if n == 0 || f.off(class) {
		return FloodEvent{}, false
	}
	key := target{dst, class}
	w := f.window(key)
	f.advance(key, w, now)
	w.counts[w.head%slots] += n
	w.inSecond += n
	w.total += n
	fast := w.sum(fastSlots) * uint64(fastScale)
	w.peak = max(w.peak, fast)
	if w.on || w.threshold == 0 {
		return FloodEvent{}, false
	}
	rate, span, by := w.sum(slots), slots*slot, SlowRate
	switch {
	case fast >= fastFactor*w.threshold:
		rate, span, by = fast, fastSlots*slot, FastRate
	case rate >= w.threshold:
	case w.usual.hour && w.excess >= cusumLimit*w.threshold/cusumSlack && rate >= w.threshold/cusumSlack:
		by = Excess
	default:
		return FloodEvent{}, false
	}
	if w.crowd() {
		return FloodEvent{}, false
	}
	w.by = by
	f.begin(key, w, now, max(rate, fast))
	return f.event(FloodStart, key, w, now, rate, span, by), true
}

// begin makes a window's rate a flood.
func (f *Floods) begin(key target, w *window, now int64, peak uint64) {
	if w.ended != 0 && now-w.ended < holdMost { // it has come back: wait longer for its end
		w.pulses++
		w.hold = min(max(2*w.hold, holdFactor*(now-w.ended+w.hold)), holdMost)
	} else {
		w.pulses, w.hold = 0, holdDown
	}
	w.on, w.since, w.lowFrom, w.total, w.peak = true, now, 0, w.sum(slots), peak
	f.active[key] = w
	if f.cfg.Baselines != nil {
		f.cfg.Baselines.freeze(key.dst, key.class, true)
	}
}

// Spare takes n packets back that turned out to be no attack: handshakes that were completed.
func (f *Floods) Spare(dst decode.Addr, class FloodClass, n uint64, now int64) {
	if n == 0 || f.off(class) {
		return
	}
	key := target{dst, class}
	w := f.window(key)
	f.advance(key, w, now)
	w.against[w.head%slots] += n
	w.spared += n
}

// Tick ends floods whose rate has stayed below half the threshold; call it every 100 ms or so.
func (f *Floods) Tick(now int64) []FloodEvent {
	var out []FloodEvent
	for key, w := range f.active {
		f.advance(key, w, now)
		rate := w.sum(slots)
		switch {
		case rate >= w.threshold/2:
			w.resume(now)
		case w.lowFrom == 0:
			w.lowFrom = now
		case now-w.lowFrom >= w.hold:
			f.end(key, w, now)
			out = append(out, f.event(FloodEnd, key, w, now, rate, slots*slot, SlowRate))
		}
	}
	return out
}

func (f *Floods) end(key target, w *window, now int64) {
	w.on, w.ended, w.excess = false, now, 0
	delete(f.active, key)
	f.targets.Add(key, w) // so that it is known when it comes back
	if f.cfg.Baselines != nil {
		f.cfg.Baselines.freeze(key.dst, key.class, false)
	}
}

// Active returns how many floods are on.
func (f *Floods) Active() int { return len(f.active) }

// State returns how a flood that is on stands, as an update; ok is false if none is.
func (f *Floods) State(dst decode.Addr, class FloodClass, now int64) (e FloodEvent, ok bool) {
	key := target{dst, class}
	w := f.active[key]
	if w == nil {
		return e, false
	}
	return f.event(FloodUpdate, key, w, now, w.sum(slots), slots*slot, w.by), true
}

// Rate returns the packets a second to dst over the last second, what turned out to be no attack left out, and its threshold; 0 and 0
// if nothing was counted.
func (f *Floods) Rate(dst decode.Addr, class FloodClass, now int64) (rate, threshold uint64) {
	key := target{dst, class}
	w := f.active[key]
	if w == nil {
		w, _ = f.targets.Peek(key)
	}
	if w == nil || now/slot-w.head >= slots || w.crowd() {
		return 0, 0
	}
	return w.sum(slots), w.threshold
}

// Usual returns what is usual to dst, in packets a second, as far as it is known: learned, or the average of the minute before.
func (f *Floods) Usual(dst decode.Addr, class FloodClass) uint64 {
	key := target{dst, class}
	w := f.active[key]
	if w == nil {
		w, _ = f.targets.Peek(key)
	}
	if w == nil {
		return 0
	}
	return w.usual.rate
}

func (f *Floods) window(key target) *window {
	if w, ok := f.active[key]; ok {
		return w
	}
	if w, ok := f.targets.Get(key); ok {
		return w
	}
	w := &window{threshold: f.cfg.threshold(key.class, usual{})}
	f.targets.Add(key, w)
	return w
}

// advance moves a window on to now. With each second that is over the baseline learns, and the threshold follows it.
func (f *Floods) advance(key target, w *window, now int64) {
	second := now / 1e9
	if second > w.second {
		rate := w.turn(second)
		if b := f.cfg.Baselines; b != nil && !w.on {
			if rate > 0 {
				b.note(key.dst, key.class, rate, second-1)
			}
			w.usual = b.level(key.dst, key.class, now)
			w.threshold = f.cfg.threshold(key.class, w.usual)
		}
		w.settle(rate, second)
	}
	w.advance(now / slot)
}

func (f *Floods) event(kind FloodKind, key target, w *window, now int64, rate uint64, span int64, by FloodStatistic) FloodEvent {
	return FloodEvent{Kind: kind, Dst: key.dst, Class: key.class, Time: now, Since: w.since, Rate: rate, Peak: w.peak, Packets: w.total,
		Threshold: w.threshold, Usual: w.usual.rate, Learned: w.usual.learned, Window: span, Statistic: by, Pulses: w.pulses, Hold: w.hold}
}
