package enforce

import (
	"net/netip"

	"github.com/weir-ips/weir/bpf"
)

// bits128 is a prefix's length in the 128-bit form.
func bits128(p netip.Prefix) uint8 {
	if p.Addr().Is4() {
		return uint8(96 + p.Bits())
	}
	return uint8(p.Bits())
}

// exact reports whether a source has a cell of its own: an IPv4 address, an IPv6 address, an IPv6 /64.
func exact(p netip.Prefix) bool {
	return p.IsSingleIP() || p.Addr().Is6() && p.Bits() == 64
}

func prefixKey(p netip.Prefix) bpf.PrefixKey {
	return bpf.PrefixKey{Plen: uint32(bits128(p)), Addr: p.Addr().As16()}
}

// prefixOf is the prefix of an address in the 128-bit form.
func prefixOf(addr [16]byte, plen uint8) netip.Prefix {
	a := netip.AddrFrom16(addr)
	if a.Is4In6() && plen >= 96 {
		return netip.PrefixFrom(a.Unmap(), int(plen)-96)
	}
	return netip.PrefixFrom(a, int(plen))
}

// mask has the first plen bits set.
func mask(plen uint8) (m [16]byte) {
	for i := range plen {
		m[i/8] |= 0x80 >> (i % 8)
	}
	return m
}

// hasPorts reports whether XDP reads ports of the protocol.
func hasPorts(proto uint8) bool { return proto == 6 || proto == 17 || proto == 132 }

// tuple names a flow as XDP does; initiatorB reports that src is end B.
func tuple(tenant uint64, src, dst netip.AddrPort, proto uint8) (t bpf.Tuple, initiatorB bool) {
	sport, dport := src.Port(), dst.Port()
	if !hasPorts(proto) {
		sport, dport = 0, 0
	}
	return bpf.NewTuple(tenant, src.Addr().As16(), dst.Addr().As16(), sport, dport, proto)
}
