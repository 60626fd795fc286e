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
	four, six             []uint64
	coarseFour, coarseSix []uint64 // a bit for each neighbourhood of neighbourhoods
	control               *bpf.Control
}

func presenceOf(t *bpf.Tables, generation uint32) presence {
	const six = bpf.Presence6Words + bpf.Presence6Short
	g := int(generation)
	return presence{t.Presence4[g*bpf.Presence4Words:][:bpf.Presence4Words], t.Presence6[g*six:][:six],
		t.Coarse.Four[g][:], t.Coarse.Six[g][:], t.Control}
}

func (p presence) clear() {
	clear(p.four)
	clear(p.six)
	clear(p.coarseFour)
	clear(p.coarseSix)
}

// copy makes p say what from says.
func (p presence) copy(from presence) {
	copy(p.four, from.four)
	copy(p.six, from.six)
	copy(p.coarseFour, from.coarseFour)
	copy(p.coarseSix, from.coarseSix)
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
		at, bit := bpf.Coarse4(addr)
		for range 1 << max(0, 16-bits) {
			atomic.OrUint64(&p.coarseFour[at], bit)
			if bit <<= 1; bit == 0 {
				at, bit = at+1, 1
			}
		}
	case bits >= 48:
		at, bit := bpf.Coarse6(addr)
		atomic.OrUint64(&p.coarseSix[at], bit)
		raise(p.six, bpf.Presence6Cell(p.control.Seed, addr), level)
	default: // shorter ones are known by their first 16 bits
		first := bpf.Presence6Words*32 + int(binary.BigEndian.Uint16(addr[:]))
		for i := range 1 << max(0, 16-bits) {
			raise(p.six, first+i, level)
		}
		atomic.OrUint64(&p.control.Shorter6, shorter(addr[0], bits))
	}
}

// shorter has the bits of Control.Shorter6 that an IPv6 prefix of bits bits touches; first is its first byte.
func shorter(first byte, bits int) (mask uint64) {
	for i := range 1 << max(0, 6-bits) {
		mask |= 1 << (int(first>>2) + i)
	}
	return mask
}

func raise(words []uint64, cell int, level uint64) {
	w, shift := &words[cell/32], cell%32*2
	if *w>>shift&3 < level {
		atomic.StoreUint64(w, *w&^(3<<shift)|level<<shift)
	}
}
