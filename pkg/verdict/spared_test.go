package verdict

import (
	"net/netip"
	"testing"
)

func TestSpared(t *testing.T) {
	prefixes := func(list ...string) (out []Protected) {
		for _, p := range list {
			out = append(out, Protected{netip.MustParsePrefix(p), "test"})
		}
		return out
	}
	s := NewSpared(prefixes("10.0.0.1/32", "fd00::/16"), prefixes("203.0.113.7/32", "2001:db8::/32"))
	for _, k := range []struct {
		src, dst     string
		packet, flow bool
	}{
		{"198.51.100.1", "10.0.0.9", false, false},
		{"10.0.0.1", "198.51.100.1", true, false},  // found: as a source
		{"198.51.100.1", "10.0.0.1", false, false}, // and not as a destination: a host is defended
		{"::ffff:10.0.0.1", "198.51.100.1", true, false},
		{"203.0.113.7", "198.51.100.1", true, true}, // named: both
		{"198.51.100.1", "203.0.113.7", true, true},
		{"fd00::5", "2001:db9::1", true, false},
		{"2001:db9::1", "2001:db8::1", true, true},
		{"169.254.169.254", "198.51.100.1", true, false}, // always
		{"127.0.0.1", "198.51.100.1", false, false},      // nothing honest comes from there
		{"224.0.0.1", "198.51.100.1", false, false},
	} {
		src, dst := netip.MustParseAddr(k.src), netip.MustParseAddr(k.dst)
		if got := s.Spares(src, dst); got != k.packet {
			t.Errorf("%v to %v: packet spared %v, want %v", src, dst, got, k.packet)
		}
		if got := s.SparesFlow(src, dst); got != k.flow {
			t.Errorf("%v and %v: conversation spared %v, want %v", src, dst, got, k.flow)
		}
	}
}
