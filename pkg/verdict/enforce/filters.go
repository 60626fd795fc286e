package enforce

import (
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weir-ips/weir/bpf"
)

// DropLike drops packets to dst that look like f, for so long; with bpf.PrintObserve it counts them. Those of known-good
// sources pass, unless f says bpf.PrintEveryone. f's counters and Expires are not read; a maximum of 0 is none. Doing it
// again for the same Value, Mask and ranges prolongs it, with other flags and rule if so wished, and keeps the counters.
func (e *Enforcer) DropLike(dst netip.Addr, f bpf.Fingerprint, life time.Duration) error {
	f = normal(f)
	if f.Mask == (bpf.Features{}) && f.MinLength == 0 && f.MaxLength == 1<<16-1 && f.MinTTL == 0 && f.MaxTTL == 1<<8-1 {
		return fmt.Errorf("enforce: drop like: a fingerprint for %v looks like every packet: it needs a mask or a range", dst)
	}
	if err := e.sensor.Can(bpf.FeatureFingerprint); err != nil {
		return fmt.Errorf("enforce: drop like: %w", err)
	}
	e.arming.Lock()
	defer e.arming.Unlock()
	i, filter, err := e.filter(dst)
	if err != nil {
		return err
	}
	at := e.place(filter, &f)
	if at == nil {
		return fmt.Errorf("enforce: drop like: %v has %d fingerprints, the limit", dst, bpf.Prints)
	}
	if !same(at, &f) {
		*at = f // nobody reads it: see place
	}
	at.Flags, at.Rule = f.Flags, f.Rule
	atomic.StoreUint32(&at.Expires, e.end(life))
	e.startStep(i, bpf.StepFingerprint, life)
	return nil
}

// normal is f as the kernel compares it.
func normal(f bpf.Fingerprint) bpf.Fingerprint {
	f.Packets, f.Bytes, f.Expires = 0, 0, 0
	if f.MaxLength == 0 {
		f.MaxLength = 1<<16 - 1
	}
	if f.MaxTTL == 0 {
		f.MaxTTL = 1<<8 - 1
	}
	return f
}

// same reports whether two fingerprints look for the same.
func same(a, b *bpf.Fingerprint) bool {
	return a.Value == b.Value && a.Mask == b.Mask && a.MinLength == b.MinLength && a.MaxLength == b.MaxLength &&
		a.MinTTL == b.MinTTL && a.MaxTTL == b.MaxTTL
}

// place finds the slot of f, or one that has been free long enough; nil if there is none.
func (e *Enforcer) place(filter *bpf.Filter, f *bpf.Fingerprint) *bpf.Fingerprint {
	for i := range filter.Prints {
		if same(&filter.Prints[i], f) {
			return &filter.Prints[i]
		}
	}
	now := e.clock.Tick(e.clock.Now())
	for i := range filter.Prints {
		if at := &filter.Prints[i]; at.Expires == 0 || int32(now-at.Expires) > restTicks {
			return at
		}
	}
	return nil
}

// restTicks is how long a fingerprint or filter is left alone after its end: no packet that met it is still on its way through XDP.
const restTicks = 3

// LiftLike ends DropLike.
func (e *Enforcer) LiftLike(dst netip.Addr, f bpf.Fingerprint) {
	f = normal(f)
	e.arming.Lock()
	defer e.arming.Unlock()
	i, now := e.dest(dst, false), e.clock.Tick(e.clock.Now())
	filter := e.filterAt(i)
	if filter == nil {
		return
	}
	left := false
	for n := range filter.Prints {
		at := &filter.Prints[n]
		if same(at, &f) && int32(at.Expires-now) > 0 {
			atomic.StoreUint32(&at.Expires, now)
		}
		left = left || int32(at.Expires-now) > 0
	}
	if !left {
		e.stopStep(i, bpf.StepFingerprint)
	}
}

// DropUnasked drops UDP to dst from the source ports of amplifiers, at most bpf.FilterPorts, that dst has not sent to in the
// last seconds. In host mode XDP does not see what is sent: there known-good sources pass. Doing it again replaces the
// ports.
func (e *Enforcer) DropUnasked(dst netip.Addr, ports []uint16, life time.Duration) error {
	if len(ports) == 0 || len(ports) > bpf.FilterPorts || slices.Contains(ports, 0) {
		return fmt.Errorf("enforce: drop unasked: %d source ports for %v: must be 1 to %d, none of them 0", len(ports), dst, bpf.FilterPorts)
	}
	e.arming.Lock()
	defer e.arming.Unlock()
	i, filter, err := e.filter(dst)
	if err != nil {
		return err
	}
	var list [bpf.FilterPorts]uint16
	copy(list[:], ports)
	filter.Ports = list // a list half written holds ports of both
	e.startStep(i, bpf.StepUnasked, life)
	return nil
}

// TakeStep begins, or prolongs, a step that needs nothing but its name: bpf.StepSYNACK, StepSight, StepFirst, StepChallenge or
// StepCookie. StepChallenge brings StepCookie with it where that can be (bpf.Sensor.CanCookie), which clients notice less; where the
// program has no challenges StepFirst takes its place, with which a client repeats its SYN.
func (e *Enforcer) TakeStep(dst netip.Addr, step bpf.Step, life time.Duration) error {
	switch step {
	case bpf.StepSYNACK:
		if e.sensor.Options().Mode == bpf.ModeHost {
			return fmt.Errorf("enforce: step %v: in host mode XDP does not see what %v sends", step, dst)
		}
	case bpf.StepCookie:
		if err := e.sensor.CanCookie(); err != nil {
			return fmt.Errorf("enforce: step %v for %v: %w", step, dst, err)
		}
	case bpf.StepSight:
		if err := e.sensor.Can(bpf.FeatureFingerprint); err != nil {
			return fmt.Errorf("enforce: step %v for %v: %w", step, dst, err)
		}
	case bpf.StepChallenge:
		step = e.challenge()
	case bpf.StepFirst:
	default:
		return fmt.Errorf("enforce: step %v is not to be taken so", step)
	}
	e.arming.Lock()
	defer e.arming.Unlock()
	i, err := e.fix(dst)
	if err == nil && (step == bpf.StepSYNACK || step == bpf.StepSight) {
		_, _, err = e.filter(dst) // it holds their counters
	}
	if err != nil {
		return err
	}
	e.startStep(i, step, life)
	if step == bpf.StepChallenge && e.sensor.CanCookie() == nil {
		e.startStep(i, bpf.StepCookie, life)
	}
	return nil
}

// challenge is the step by which sources of SYNs prove themselves.
func (e *Enforcer) challenge() bpf.Step {
	if e.sensor.Can(bpf.FeatureChallenge) != nil {
		return bpf.StepFirst
	}
	return bpf.StepChallenge
}

// EndStep ends a step before its time, StepChallenge with StepCookie.
func (e *Enforcer) EndStep(dst netip.Addr, step bpf.Step) {
	e.arming.Lock()
	defer e.arming.Unlock()
	i := e.dest(dst, false)
	if i < 0 || step >= bpf.Steps {
		return
	}
	if step == bpf.StepChallenge {
		e.stopStep(i, bpf.StepCookie)
		step = e.challenge()
	}
	e.stopStep(i, step)
}

// Filter is a copy of what dst's packets are compared with, and of the counters; ok is false if there is nothing.
// Fingerprints whose Expires has passed are in it until others take their places: see InForce.
func (e *Enforcer) Filter(dst netip.Addr) (f bpf.Filter, ok bool) {
	e.arming.Lock()
	defer e.arming.Unlock()
	filter := e.filterAt(e.dest(dst, false))
	if filter == nil {
		return f, false
	}
	return *filter, true
}

// InForce reports whether a fingerprint, by its Expires, still holds.
func (e *Enforcer) InForce(f *bpf.Fingerprint) bool {
	return f.Expires != 0 && int32(f.Expires-e.clock.Tick(e.clock.Now())) > 0
}

// startStep puts a step of destination i in force.
func (e *Enforcer) startStep(i int, step bpf.Step, life time.Duration) {
	atomic.StoreUint32(&e.maps.Arms[i].Until[step], e.end(life))
	e.maps.Dests[i].Steps |= 1 << step
	if asks(step) && e.sensor.Options().Mode != bpf.ModeHost {
		set(&e.maps.Control.Asking, true)
	}
}

// asks reports whether a step needs to know what its destination asked.
func asks(s bpf.Step) bool { return s == bpf.StepUnasked || s == bpf.StepSYNACK }

func (e *Enforcer) stopStep(i int, step bpf.Step) {
	d := &e.maps.Dests[i]
	d.Steps &^= 1 << step
	if now := e.clock.Tick(e.clock.Now()); int32(e.maps.Arms[i].Until[step]-now) > 0 {
		atomic.StoreUint32(&e.maps.Arms[i].Until[step], now)
	}
	e.unfix(d)
}

// steps reports whether a step of destination i is in force.
func (e *Enforcer) steps(i int, now uint32) bool {
	for step, until := range e.maps.Arms[i].Until {
		if e.maps.Dests[i].Steps>>step&1 == 1 && int32(until-now) > 0 {
			return true
		}
	}
	return false
}

// filter finds dst's filter, or gives it one.
func (e *Enforcer) filter(dst netip.Addr) (int, *bpf.Filter, error) {
	i, err := e.fix(dst)
	if err != nil {
		return i, nil, err
	}
	if f := e.filterAt(i); f != nil {
		return i, f, nil
	}
	for n := 1; n < len(e.maps.Filters); n++ {
		if f := &e.maps.Filters[n]; e.idle(n) {
			*f = bpf.Filter{Owner: uint32(i) + 1}
			atomic.StoreUint32(&e.maps.Arms[i].Filter, uint32(n))
			return i, f, nil
		}
	}
	e.unfix(&e.maps.Dests[i])
	return i, nil, fmt.Errorf("enforce: filter for %v: %d destinations have one, the limit", dst, bpf.Filters-1)
}

// filterAt is the filter of destination i; nil if it has none.
func (e *Enforcer) filterAt(i int) *bpf.Filter {
	if i < 0 {
		return nil
	}
	n := e.maps.Arms[i].Filter
	if n == 0 || int(n) >= len(e.maps.Filters) || e.maps.Filters[n].Owner != uint32(i)+1 {
		return nil
	}
	return &e.maps.Filters[n]
}

// idle reports whether filter n can be given to a destination: its owner is gone, or has done nothing with it for a while.
func (e *Enforcer) idle(n int) bool {
	owner := int(e.maps.Filters[n].Owner) - 1
	if owner < 0 || owner >= len(e.maps.Dests) || e.maps.Arms[owner].Filter != uint32(n) {
		return true
	}
	now := e.clock.Tick(e.clock.Now())
	for _, until := range e.maps.Arms[owner].Until {
		if until != 0 && int32(now-until) <= restTicks {
			return false
		}
	}
	return true
}

// forgetQuestions stops XDP from noting questions when no destination is armed any more against answers to none.
func (e *Enforcer) forgetQuestions() {
	if atomic.LoadUint32(&e.maps.Control.Asking) == 0 || !e.arming.TryLock() {
		return
	}
	defer e.arming.Unlock()
	now := e.clock.Tick(e.clock.Now())
	for n := range e.maps.Filters {
		owner := int(e.maps.Filters[n].Owner) - 1
		if owner < 0 || owner >= len(e.maps.Dests) {
			continue
		}
		for step, until := range e.maps.Arms[owner].Until {
			if asks(bpf.Step(step)) && e.maps.Dests[owner].Steps>>step&1 == 1 && int32(until-now) > 0 {
				return
			}
		}
	}
	set(&e.maps.Control.Asking, false)
}
