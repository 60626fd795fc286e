package enforce

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"

	"github.com/weir-ips/weir/bpf"
)

// presence tells XDP what a neighbourhood may hold, in one generation's words. Levels only rise until the words are built
// anew: one too high costs a look-up, nothing else.
type presence struct {
	four, six []uint64
	seed      uint64
}

func presenceOf(t *bpf.Tables, generation uint32) presence {
	const six = bpf.Presence6Words + bpf.Presence6Short
	g := int(generation)
	return presence{t.Presence4[g*bpf.Presence4Words:][:bpf.Presence4Words], t.Presence6[g*six:][:six], t.Control.Seed}
}

func (p presence) clear() {
	clear(p.four)
	clear(p.six)
}

// raise sets the level of every neighbourhood that prefix touches to at least level.
func (p presence) raise(prefix netip.Prefix, level uint64) {
	addr := prefix.Addr().As16()
	switch bits := prefix.Bits(); {
	case prefix.Addr().Is4():
		first := bpf.Presence4Cell(addr)
		for i := range 1 << max(0, 24-bits) {
			raise(p.four, first+i, level)
		}
	case bits >= 48:
		raise(p.six, bpf.Presence6Cell(p.seed, addr), level)
	default: // shorter ones are known by their first 16 bits
		first := bpf.Presence6Words*32 + int(binary.BigEndian.Uint16(addr[:]))
		for i := range 1 << max(0, 16-bits) {
			raise(p.six, first+i, level)
		}
	}
}

func raise(words []uint64, cell int, level uint64) {
	w, shift := &words[cell/32], cell%32*2
	if *w>>shift&3 < level {
		atomic.StoreUint64(w, *w&^(3<<shift)|level<<shift)
	}
}
