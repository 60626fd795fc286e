package floods

import (
	"slices"
	"time"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/threshold"
)

// attackKey tells attacks that are on apart.
type attackKey struct {
	vector   threshold.Vector
	src, dst decode.Addr
	bits     uint8
	port     uint16
	name     string
}

func keyOf(d *threshold.Detection) attackKey {
	k := attackKey{vector: d.Vector, src: d.Src, dst: d.Dst, port: d.Port, name: d.Name}
	if d.Vector == threshold.Carpet {
		k.bits = uint8(d.Network().Bits())
	}
	return k
}

// attack is one that is on.
type attack struct {
	threshold.Detection           // as it stands
	reported            int64     // Unix ns of inspection's last word on it; 0: inspection does not see it, or no more
	counted             bool      // the kernel's counters show it
	lapsed              int64     // Unix ns since when nobody but the measures' counters shows it; 0: somebody does
	ordered             time.Time // until when the collector wants it armed
	until               time.Time // until when its source is limited
	told                int64     // Unix ns of the last record; 0: none was written
	changed             bool      // a measure has begun since
	measures            []threshold.Measure
	seen                seen
	ladder              ladder
}

// silence is how long inspection may say nothing of an attack that it sees: it does every minute, unless it was started anew.
const silence = 3 * time.Minute

// lapse is how long after the last that saw it an attack is over, unless what is dropped shows that it goes on.
const lapse = 10 * time.Second

// floodTells takes what the kernel's counters say of one destination.
func (c *Control) floodTells(e *threshold.FloodEvent) {
	d := detectionOf(e, vectors[e.Class])
	d.Proto = protocol(e.Class, &e.Dst)
	c.counted(&d)
}

func detectionOf(e *threshold.FloodEvent, v threshold.Vector) threshold.Detection {
	return threshold.Detection{Vector: v, Phase: phases[e.Kind], Time: e.Time, Since: e.Since, Dst: e.Dst, Value: e.Rate,
		Threshold: e.Threshold, Window: e.Window, Peak: e.Peak, Packets: e.Packets, Usual: e.Usual, Learned: e.Learned,
		Method: e.Statistic.String(), Pulses: e.Pulses}
}

var phases = [...]threshold.Phase{threshold.FloodStart: threshold.Start, threshold.FloodUpdate: threshold.Update, threshold.FloodEnd: threshold.End}

// refresh takes over how the floods stand that the kernel counts.
func (c *Control) refresh(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.attacks {
		if !a.counted {
			continue
		}
		if a.Vector == threshold.Carpet {
			c.carpets.refresh(a, now)
			continue
		}
		if e, ok := c.detector.State(a.Dst, threshold.FloodClass(slices.Index(vectors[:], a.Vector)), now.UnixNano()); ok {
			d := detectionOf(&e, a.Vector)
			a.merge(&d)
		}
	}
}

func (c *Control) counted(d *threshold.Detection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.attack(d)
	a.merge(d)
	a.counted = d.Phase != threshold.End
	switch {
	case d.Phase == threshold.Start && a.told == 0:
		c.tell(a, threshold.Start)
	case d.Phase == threshold.End && a.reported == 0 && !a.ordered.After(time.Unix(0, d.Time)):
		c.finish(a)
	}
}

// Report takes an event of inspection's detector: see path.Hooks. d is lent.
func (c *Control) Report(d *threshold.Detection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.o.OneSide && c.attacks[keyOf(d)] == nil && c.own.asked(d) {
		return // it was, and looks otherwise because only one side is seen
	}
	a := c.attack(d)
	known := a.told != 0
	a.merge(d)
	if d.Phase != threshold.End {
		a.reported, a.lapsed = d.Time, 0
		if !known {
			c.tell(a, threshold.Start)
		}
		return
	}
	a.reported = 0
	switch {
	case a.counted: // the counters will end it
	case len(a.measures) == 0 && a.ordered.IsZero():
		c.finish(a)
	default:
		a.lapsed = d.Time // what is dropped is not inspected: the counters decide
	}
}

// maxAttacks bounds those that are on; of more the collector's orders are not carried out, and what this sensor finds is bounded by its
// detectors.
const maxAttacks = 1024

// attack returns the attack that d is about, a new one if it is not known.
func (c *Control) attack(d *threshold.Detection) *attack {
	k := keyOf(d)
	a := c.attacks[k]
	if a == nil {
		a = &attack{Detection: *d}
		a.ID = threshold.AttackID(d)
		c.attacks[k] = a
	}
	return a
}

// merge takes over what is told of an attack.
func (a *attack) merge(d *threshold.Detection) {
	a.Time, a.Value, a.Window, a.Threshold = d.Time, d.Value, d.Window, d.Threshold
	a.Peak, a.Packets, a.Bytes, a.Sources = max(a.Peak, d.Peak), max(a.Packets, d.Packets), max(a.Bytes, d.Bytes), max(a.Sources, d.Sources)
	a.Usual, a.Learned, a.Method, a.Pulses = d.Usual, d.Learned, d.Method, d.Pulses
	if len(a.Samples) == 0 {
		a.Samples = slices.Clone(d.Samples)
	}
}

// tell writes the record of an attack's phase, and forgets it with its end.
func (c *Control) tell(a *attack, phase threshold.Phase) {
	a.Phase, a.told, a.changed = phase, a.Time, false
	if phase == threshold.Start {
		c.begun = true
		c.begunBy[a.Vector]++
	}
	level := c.o.Log.Warn
	if phase == threshold.End {
		level = c.o.Log.Info
		delete(c.attacks, keyOf(&a.Detection))
		c.lift(a)
	}
	level("attack", "id", a.ID, "vector", a.Vector.String(), "phase", phase.String(), "src", a.Src.IP(), "dst", a.Dst.IP(), "why", a.Explain())
	d := a.figures()
	c.o.Publish(&d)
}

// figures are an attack as it stands: what inspection counts, and what is dropped before that.
func (a *attack) figures() threshold.Detection {
	d := a.Detection
	d.Measures = slices.Clone(a.measures)
	if d.Vector != threshold.Carpet { // of which it is the destinations
		d.Sources = max(d.Sources, a.seen.sources.Estimate())
	}
	if a.counted {
		return d
	}
	for i := range d.Measures {
		d.Packets += d.Measures[i].Dropped
	}
	if rate := uint64(a.ladder.arriving); rate > d.Value && d.Unit == "" {
		d.Value = rate
	}
	d.Peak = max(d.Peak, uint64(a.ladder.most))
	return d
}

// settle ends attacks that inspection no longer sees, unless the kernel still counts enough of their packets.
func (c *Control) settle(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.attacks {
		if a.reported != 0 && now.UnixNano()-a.reported > int64(silence) {
			a.reported, a.lapsed = 0, now.UnixNano()
		}
		if a.counted || a.reported != 0 || a.ordered.After(now) {
			continue
		}
		if a.lapsed == 0 {
			a.lapsed = now.UnixNano()
		}
		if rate := uint64(a.ladder.arriving); rate >= c.packetsOf(a)/2 {
			a.lapsed = now.UnixNano()
			continue
		}
		if now.UnixNano()-a.lapsed >= int64(lapse) {
			a.Time = now.UnixNano()
			c.finish(a)
		}
	}
}

// finish ends an attack; one that was never told of, because nothing of it came here, in silence.
func (c *Control) finish(a *attack) {
	if a.told != 0 {
		c.tell(a, threshold.End)
		return
	}
	delete(c.attacks, keyOf(&a.Detection))
	c.lift(a)
}

// packetsOf is the threshold in packets a second, where it may be one of bytes.
func (c *Control) packetsOf(a *attack) uint64 {
	if a.Unit != "" {
		return uint64(c.o.Limits.Amplification)
	}
	return a.Threshold
}

// When an attack that goes on is told of again.
const (
	updateEvery = time.Minute
	updateAfter = time.Second // once what is done about it has changed
)

// update tells of attacks that go on.
func (c *Control) update(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.attacks {
		if a.told == 0 { // the collector's: told of once some of it comes here
			if a.ladder.arriving >= 1 && a.ladder.arriving*100 >= float64(c.packetsOf(a)) {
				a.Time = now.UnixNano()
				c.tell(a, threshold.Start)
			}
			continue
		}
		quiet := time.Duration(now.UnixNano() - a.told)
		if quiet >= updateEvery || a.changed && quiet >= updateAfter {
			a.Time = now.UnixNano()
			c.tell(a, threshold.Update)
		}
	}
}

// lookEvery is how often Look is called.
const lookEvery = 100 * time.Millisecond

// Attacks lists what is on, oldest first.
func (c *Control) Attacks() []threshold.Detection {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]threshold.Detection, 0, len(c.attacks))
	for _, a := range c.attacks {
		out = append(out, a.figures())
	}
	slices.SortFunc(out, func(x, y threshold.Detection) int { return int(x.Since - y.Since) })
	return out
}
