package enforce

import (
	"fmt"
	"net/netip"

	"github.com/weir-ips/weir/bpf"
)

// targets keeps one entry for each destination that verdicts are narrowed to, however many name it.
type targets struct {
	maps  []bpf.Target
	index map[netip.Prefix]uint32
	uses  []int
	free  []uint32
}

func newTargets(maps []bpf.Target) targets {
	return targets{maps: maps, index: map[netip.Prefix]uint32{}, uses: make([]int, 1, 16)}
}

// take returns the index of a destination; 0 for any destination.
func (t *targets) take(dst netip.Prefix) (uint32, error) {
	if !dst.IsValid() || dst.Bits() == 0 {
		return 0, nil
	}
	dst = prefixOf(dst.Masked().Addr().As16(), bits128(dst))
	i, ok := t.index[dst]
	if !ok {
		switch {
		case len(t.free) > 0:
			i = t.free[len(t.free)-1]
			t.free = t.free[:len(t.free)-1]
		case len(t.uses) < len(t.maps):
			i = uint32(len(t.uses))
			t.uses = append(t.uses, 0)
		default:
			return 0, fmt.Errorf("verdicts are narrowed to %d destinations, the limit", len(t.index))
		}
		t.index[dst] = i
		t.maps[i] = bpf.Target{Addr: dst.Addr().As16(), Mask: mask(bits128(dst))}
	}
	t.uses[i]++
	return i, nil
}

// release gives one use back.
func (t *targets) release(i uint32) {
	if i == 0 {
		return
	}
	if t.uses[i]--; t.uses[i] == 0 {
		delete(t.index, t.prefix(i))
		t.free = append(t.free, i)
	}
}

func (t *targets) prefix(i uint32) netip.Prefix {
	plen := uint8(0)
	for _, b := range t.maps[i].Mask {
		for ; b != 0; b <<= 1 {
			plen++
		}
	}
	return prefixOf(t.maps[i].Addr, plen)
}

// adopt notes a use that an earlier process left.
func (t *targets) adopt(i uint32) {
	for uint32(len(t.uses)) <= i {
		t.uses = append(t.uses, 0)
	}
	if t.uses[i] == 0 {
		t.index[t.prefix(i)] = i
	}
	t.uses[i]++
}
