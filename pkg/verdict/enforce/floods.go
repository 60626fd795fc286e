package enforce

import (
	"fmt"
	"iter"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/weir-ips/weir/bpf"
)

// Destination is what XDP has counted to one address.
type Destination struct {
	Way     int // of the table, where it is found again as long as Addr and Claims are the same
	Addr    netip.Addr
	Claims  uint8 // changes when the counters start anew for another address
	Armed   uint8 // bit by bpf.Class
	Steps   uint8 // bit by bpf.Step
	Fixed   bool
	Packets [bpf.Classes]uint32 // cumulative; they wrap, so subtract
	Bytes   uint64
}

// Destinations iterates over the counted destinations. Nothing is locked: numbers are those of the moment each is read.
func (e *Enforcer) Destinations() iter.Seq[Destination] {
	return func(yield func(Destination) bool) {
		for i := range e.maps.Dests {
			d := &e.maps.Dests[i]
			if atomic.LoadUint32(&d.Last) == 0 && d.Fixed == 0 {
				continue
			}
			out := Destination{
				Way: i, Addr: netip.AddrFrom16(d.Addr).Unmap(), Claims: d.Claims, Armed: d.Armed, Steps: d.Steps, Fixed: d.Fixed != 0,
				Bytes: atomic.LoadUint64(&d.Bytes),
			}
			for class := range out.Packets {
				out.Packets[class] = atomic.LoadUint32(&d.Packets[class])
			}
			if d.Claims == out.Claims && !yield(out) {
				return
			}
		}
	}
}

// dest finds an address's counters, claiming a way for it if it has none and make is set; -1 if there is none.
func (e *Enforcer) dest(addr netip.Addr, make bool) int {
	a := addr.As16()
	sets := uint64(len(e.maps.Dests) / bpf.DestWays)
	base := int(bpf.HashAddr(e.maps.Control.Seed, a)%sets) * bpf.DestWays
	free, now := -1, e.clock.Tick(e.clock.Now())
	for i := base; i < base+bpf.DestWays; i++ {
		d := &e.maps.Dests[i]
		if d.Addr == a {
			return i
		}
		if e.mayClaim(i, now) && (free < 0 || now-atomic.LoadUint32(&d.Last) > bpf.DestIdle) {
			free = i
		}
	}
	if !make || free < 0 {
		return -1
	}
	d := &e.maps.Dests[free]
	d.Fixed = fixedArmed // XDP claims it no more
	*d = bpf.Dest{Addr: a, Fixed: fixedArmed, Claims: d.Claims + 1}
	return free
}

// Why XDP may not give a destination's counters to another: dest.fixed.
const (
	fixedWatched = 1 // for good
	fixedArmed   = 2 // while it is armed
)

// mayClaim reports whether way i may be given to another destination: it is neither watched nor armed, or its limits have expired
// because nobody renewed them.
func (e *Enforcer) mayClaim(i int, now uint32) bool {
	d := &e.maps.Dests[i]
	if d.Fixed == fixedWatched {
		return false
	}
	for class := range bpf.Classes {
		if d.Armed>>class&1 == 1 && int32(e.maps.Arms[i].Expires[class]-now) > 0 {
			return false
		}
	}
	return !e.steps(i, now)
}

// Watch gives each address counters of its own that no other can take.
func (e *Enforcer) Watch(addrs []netip.Addr) error {
	e.arming.Lock()
	defer e.arming.Unlock()
	for _, a := range addrs {
		i := e.dest(a, true)
		if i < 0 {
			return fmt.Errorf("enforce: watch %v: all %d ways of its set are taken by others", a, bpf.DestWays)
		}
		e.maps.Dests[i].Fixed = fixedWatched
	}
	return nil
}

// Arm limits packets of a class to a destination to rate per second for so long, known-good sources aside. Arming it again
// changes rate and end. Of SYNs only those are let through, at that rate, that are repeated a second later as every client does:
// forged ones are not.
func (e *Enforcer) Arm(dst netip.Addr, class bpf.Class, rate uint32, life time.Duration) error {
	if int(class) >= bpf.Classes {
		return fmt.Errorf("enforce: arm %v: class %d is unknown", dst, class)
	}
	e.arming.Lock()
	defer e.arming.Unlock()
	i, err := e.fix(dst)
	if err != nil {
		return err
	}
	window := e.clock.Length() << bpf.ArmWindow
	arm := &e.maps.Arms[i]
	arm.Budget[class] = uint32(uint64(rate) * uint64(window) / uint64(time.Second))
	arm.Expires[class] = e.end(life)
	e.maps.Dests[i].Armed |= 1 << class
	if class == bpf.ClassSYN {
		e.startStep(i, bpf.StepFirst, life)
	}
	return nil
}

// fix finds or claims a destination's counters and keeps XDP from giving them to another.
func (e *Enforcer) fix(dst netip.Addr) (int, error) {
	i := e.dest(dst, true)
	if i < 0 {
		return i, fmt.Errorf("enforce: arm %v: all %d ways of its set are taken by others", dst, bpf.DestWays)
	}
	if e.maps.Dests[i].Fixed == 0 {
		e.maps.Dests[i].Fixed = fixedArmed
	}
	return i, nil
}

// end is the tick at which something ends that begins now.
func (e *Enforcer) end(life time.Duration) uint32 { return e.clock.Tick(e.clock.Now()+life) + 1 }

// Disarm ends Arm. A destination that is armed no more gives its counters up when others need them.
func (e *Enforcer) Disarm(dst netip.Addr, class bpf.Class) {
	e.arming.Lock()
	defer e.arming.Unlock()
	i := e.dest(dst, false)
	if i < 0 || int(class) >= bpf.Classes {
		return
	}
	d := &e.maps.Dests[i]
	d.Armed &^= 1 << class
	if class == bpf.ClassSYN {
		d.Steps &^= 1 << bpf.StepFirst
	}
	e.unfix(d)
}

// unfix lets others have the counters of a destination that is armed no more.
func (e *Enforcer) unfix(d *bpf.Dest) {
	if d.Armed == 0 && d.Steps == 0 && d.Fixed == fixedArmed {
		d.Fixed = 0
	}
}

// MarkGood notes that a source has completed a handshake: it passes armed destinations first for the next minutes.
func (e *Enforcer) MarkGood(src netip.Addr) {
	half := atomic.LoadUint32(&e.maps.Control.Good) & 1
	at, bit := bpf.Coarse6(src.As16())
	if src.Unmap().Is4() {
		at, bit = bpf.Coarse4(src.As16())
	}
	atomic.OrUint64(&e.maps.Coarse.Good[at][half], bit)
	i, mask := bpf.GoodBits(e.maps.Control.Seed, src.As16())
	atomic.OrUint64(&e.maps.Good[i].Bits[half], mask)
}

// ageGood empties the older half of the known-good bits and fills that from now on.
func (e *Enforcer) ageGood(now time.Time) {
	half := 1 - e.maps.Control.Good&1
	for i := range e.maps.Good {
		atomic.StoreUint64(&e.maps.Good[i].Bits[half], 0)
	}
	for i := range e.maps.Coarse.Good {
		atomic.StoreUint64(&e.maps.Coarse.Good[i][half], 0)
	}
	atomic.StoreUint32(&e.maps.Control.Good, half)
	e.good = now
}
