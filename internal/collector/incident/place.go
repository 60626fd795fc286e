package incident

import (
	"net/netip"
	"time"
)

// key finds the incident that an alert belongs to.
type key struct {
	by   byte
	addr netip.Addr
	sid  uint32
}

const (
	byFlood     = 'f' // addr: target
	byNetwork   = 'n' // addr: first address of the /24 or /64 that is flooded
	bySource    = 's' // addr
	byVictim    = 'v' // addr: a target that an attack may have succeeded on
	bySame      = 't' // sid, addr: target
	byEverybody = 'w' // sid
)

// place finds the incident of an alert, nil if it begins one.
func (t *Tracker) place(a *alert) *live {
	if a.found != nil && floods(a.found.Vector) {
		return t.get(floodKey(a), a)
	}
	if !a.Handshake {
		for _, addr := range []netip.Addr{a.dst, a.src} { // the target's answers, too
			for _, k := range []key{{by: byFlood, addr: addr}, {by: byNetwork, addr: networkOf(addr)}} {
				if in := t.get(k, a); in != nil {
					return in
				}
			}
		}
	}
	if in := t.get(key{by: bySource, addr: a.src}, a); in != nil {
		return in
	}
	if in := t.get(key{by: byVictim, addr: a.src}, a); in != nil && a.kind.tactic != "" {
		return in
	}
	if in := t.get(key{by: bySource, addr: a.dst}, a); in != nil {
		if in.targets.has(a.src.String()) {
			return in
		}
		if a.breaksIn() && distance(in.First, a.Time) <= merging { // what it was, is known after what it did
			t.enter(in, key{by: bySource, addr: a.src})
			return in
		}
	}
	if in := t.get(key{by: bySame, addr: a.dst, sid: a.SID}, a); in != nil {
		if !a.Handshake || in.Kind == Distributed || in.rivals >= ownSources {
			if in.Kind == Intrusion {
				in.spreads(Distributed, a.Time)
			}
			return in
		}
		in.rivals++
	}
	if in := t.get(key{by: byEverybody, sid: a.SID}, a); in != nil {
		return in
	}
	return nil
}

func floodKey(a *alert) key {
	if a.found.Vector == "carpet-bombing" {
		return key{by: byNetwork, addr: networkOf(a.dst)}
	}
	return key{by: byFlood, addr: a.dst}
}

// networkOf is the first address of what a carpet of floods covers.
func networkOf(a netip.Addr) netip.Addr {
	bits := 24
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr()
}

// get returns the incident of a key if the alert is near enough to it in time.
func (t *Tracker) get(k key, a *alert) *live {
	if k.by != byEverybody && !k.addr.IsValid() {
		return nil
	}
	in := t.index[k]
	if in == nil || !in.Active {
		return nil
	}
	quiet := t.opt.Quiet
	if a.Time.Sub(in.Last) > quiet || in.First.Sub(a.Time) > quiet || in.Last.Sub(in.First) > maxSpan {
		return nil
	}
	return in
}

// begin makes an incident of an alert.
func (t *Tracker) begin(a *alert) *live {
	if len(t.active) >= maxActive {
		t.endOldest()
	}
	in := newLive(newID(), a.Time.UTC())
	in.Kind, in.began = Intrusion, a.SID
	switch {
	case a.found != nil && floods(a.found.Vector):
		in.Kind = Flood
	case a.SID == StormSID:
		in.Kind = Automation
	case t.begun[a.SID] >= ownIncidents:
		in.Kind = Widespread
	}
	t.stats.opened++
	t.active[in.ID] = in
	t.begun[a.SID]++
	t.file(in, a)
	if in.Kind == Flood {
		t.takeOver(in, a)
	}
	return in
}

// file enters a new incident under the keys by which further alerts find it.
func (t *Tracker) file(in *live, a *alert) {
	switch in.Kind {
	case Flood:
		t.enter(in, floodKey(a))
		return
	case Widespread, Automation:
		t.enter(in, key{by: byEverybody, sid: a.SID})
		return
	}
	t.enter(in, key{by: bySource, addr: a.src})
	t.enterSame(in, a)
	if a.dst.IsValid() {
		if t.byTarget[a.dst] == nil {
			t.byTarget[a.dst] = map[*live]bool{}
		}
		t.byTarget[a.dst][in] = true
		in.target = a.dst
	}
}

// learn files an incident under what an alert that joined it says: the next signature on a target, a victim.
func (t *Tracker) learn(in *live, a *alert) {
	switch in.Kind {
	case Intrusion:
		t.enterSame(in, a)
		if a.breaksIn() {
			t.enter(in, key{by: byVictim, addr: a.dst})
		}
	case Flood:
		if a.found != nil && floods(a.found.Vector) {
			t.enter(in, floodKey(a))
		}
	}
}

// enterSame leaves the incident that was first with a signature on a target: it counts its rivals.
func (t *Tracker) enterSame(in *live, a *alert) {
	if k := (key{by: bySame, addr: a.dst, sid: a.SID}); t.get(k, a) == nil {
		t.enter(in, k)
	}
}

func (t *Tracker) enter(in *live, k key) {
	if k.by != byEverybody && !k.addr.IsValid() || t.index[k] == in {
		return
	}
	if len(in.keys) >= maxKeys {
		return
	}
	t.index[k] = in
	in.keys = append(in.keys, k)
}

// takeOver joins a flood with what its packets set off before it was recognised: incidents of its target alone, without a
// handshake.
func (t *Tracker) takeOver(flood *live, a *alert) {
	for in := range t.byTarget[a.dst] {
		if in == flood || in.handshake || in.targets.Distinct > 1 || in.State != StateOpen || distance(in.First, a.Time) > merging || len(in.Vectors) > 0 {
			continue
		}
		flood.merge(in)
		t.drop(in)
		flood.gone = append(flood.gone, in.ID)
		t.stats.merged++
	}
}

func distance(a, b time.Time) time.Duration { return a.Sub(b).Abs() }

// drop takes an incident out of memory.
func (t *Tracker) drop(in *live) {
	delete(t.active, in.ID)
	for _, k := range in.keys {
		if t.index[k] == in {
			delete(t.index, k)
		}
	}
	if t.begun[in.began]--; t.begun[in.began] <= 0 {
		delete(t.begun, in.began)
	}
	if set := t.byTarget[in.target]; set != nil {
		if delete(set, in); len(set) == 0 {
			delete(t.byTarget, in.target)
		}
	}
}
