package enforce

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/verdict"
)

// Protect makes list, and verdict.AlwaysProtected, the sources that are never blocked: XDP lets their packets through
// whatever else it holds against them, from the next packet on, and verdicts on them are refused. Those that were there
// already are lifted.
func (e *Enforcer) Protect(list []verdict.Protected) error {
	e.lock()
	defer e.mu.Unlock()
	e.guard.Protect(list)
	want := map[netip.Prefix]bool{}
	for _, p := range append(verdict.AlwaysProtected(), list...) {
		if src := p.Prefix.Masked(); onWire(src) {
			want[prefixOf(src.Addr().As16(), bits128(src))] = true
		}
	}
	if len(want) > bpf.MaxGuards {
		return fmt.Errorf("enforce: %d never-block prefixes, the limit is %d", len(want), bpf.MaxGuards)
	}
	for p := range want {
		if e.guarded[p] {
			continue
		}
		e.presence.raise(p, bpf.HasGuard)
		if err := e.maps.Guard.Put(prefixKey(p), uint32(1)); err != nil {
			return fmt.Errorf("enforce: never-block %v: %w", p, err)
		}
		e.guarded[p] = true
	}
	for p := range e.guarded {
		if want[p] {
			continue
		}
		if err := e.maps.Guard.Delete(prefixKey(p)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("enforce: never-block %v no more: %w", p, err)
		}
		delete(e.guarded, p)
	}
	return e.liftRefused()
}

// onWire reports whether a prefix's addresses can be a packet's honest source. Loopback and multicast cannot: to guard them
// would open a way in for forged ones.
func onWire(p netip.Prefix) bool {
	a := p.Addr()
	return !a.IsLoopback() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// liftRefused lifts the verdicts that the guard would not let in now because of their source.
func (e *Enforcer) liftRefused() error {
	var refused []*verdict.Entry
	for entry := range e.table.All() {
		var r *verdict.Refusal
		if errors.As(e.guard.Check(&entry.Verdict, e.wall, verdict.Counts{}), &r) && r.Rule == verdict.NeverBlock {
			refused = append(refused, entry)
		}
	}
	var errs []error
	for _, entry := range refused {
		e.table.Remove(entry.ID)
		errs = append(errs, e.lift(entry))
	}
	return errors.Join(errs...)
}

// Protected are the never-block prefixes that XDP guards.
func (e *Enforcer) Protected() []netip.Prefix {
	e.lock()
	defer e.mu.Unlock()
	var list []netip.Prefix
	for p := range e.guarded {
		list = append(list, p)
	}
	return list
}
