package floods

import (
	"time"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/threshold"
	"github.com/weir-ips/weir/pkg/wire"
)

// Tally fills in what the collector adds up: the busiest destinations by vector, a sketch of the others, and the attacks that this sensor
// has found itself. due says whether it must be sent now: TallyEvery has passed and there is something in it, or there was the last
// time; or an attack has begun. The goroutine that calls Look calls it.
func (c *Control) Tally(t *wire.Tally, now time.Time) (due bool) {
	c.mu.Lock()
	begun, plan := c.begun, c.plan
	c.begun = false
	c.mu.Unlock()
	if !begun && now.Sub(c.tallied) < wire.TallyEvery {
		return false
	}
	c.tallied = now
	t.Time = now.UTC()
	c.told.fill(c, t, plan, now)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.attacks {
		if (a.counted || a.reported != 0) && len(seenClasses(a.Vector)) > 0 {
			t.Attacks = append(t.Attacks, wire.TallyAttack{ID: a.ID, Vector: a.Vector.String(), Dst: a.Dst.IP(), Bits: a.Bits, Port: a.Port,
				Rate: uint32(min(max(a.Value, uint64(a.ladder.arriving)), 1<<32-1)), Threshold: uint32(min(c.packetsOf(a), 1<<32-1))})
		}
	}
	t.Attacks = t.Attacks[:min(len(t.Attacks), wire.MaxTallyAttacks)]
	said := len(t.Dests)+len(t.Attacks) > 0
	due = said || c.said
	c.said = said
	return due
}

// orderMost is how long an order holds that no later one renews.
const orderMost = 30 * time.Second

// Order arms what the collector says is under attack, whether this sensor sees it or not. Each arming replaces the one before; an older
// one, replayed, changes nothing.
func (c *Control) Order(a *wire.Arming, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.Revision <= c.revision {
		return
	}
	c.revision, c.plan = a.Revision, a.Plan
	for _, have := range c.attacks {
		have.ordered = time.Time{}
	}
	for i := range a.Orders {
		o := &a.Orders[i]
		v, ok := threshold.VectorOf(o.Vector)
		if !ok || len(seenClasses(v)) == 0 || !o.Until.After(now) {
			continue
		}
		c.obey(v, o, now)
	}
}

func (c *Control) obey(v threshold.Vector, o *wire.Order, now time.Time) {
	d := threshold.Detection{ID: o.ID, Vector: v, Dst: decode.AddrFrom(o.Dst), Bits: o.Bits, Port: o.Port}
	k := keyOf(&d)
	a := c.attacks[k]
	if a == nil {
		if len(c.attacks) >= maxAttacks {
			return
		}
		d.Proto, d.Since, d.Time, d.Window = protocolOf(v, &d.Dst), now.UnixNano(), now.UnixNano(), int64(time.Second)
		d.Threshold, d.Method = uint64(o.Threshold), "told by the collector: "+o.Why
		a = &attack{Detection: d}
		c.attacks[k] = a
		c.o.Log.Warn("armed by the collector", "id", o.ID, "vector", o.Vector, "dst", o.Dst, "why", o.Why)
	}
	a.ordered = o.Until
	if most := now.Add(orderMost); a.ordered.After(most) {
		a.ordered = most
	}
	if !a.counted && a.reported == 0 {
		a.Value, a.Peak = o.Rate, max(a.Peak, o.Rate)
	}
}

func protocolOf(v threshold.Vector, dst *decode.Addr) uint8 {
	switch v {
	case threshold.UDPFlood, threshold.Amplification:
		return decode.ProtoUDP
	case threshold.ICMPFlood:
		return protocol(threshold.FloodICMP, dst)
	case threshold.FragmentFlood:
		return 0
	}
	return decode.ProtoTCP
}
