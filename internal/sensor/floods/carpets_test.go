package floods

import (
	"net/netip"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/threshold"
)

// TestAThinCarpetIsFoundInAWiderNetwork spreads an attack so thin that no /24 shows it, and has all its addresses limited.
func TestAThinCarpetIsFoundInAWiderNetwork(t *testing.T) {
	s := newScene(t, nil)
	var hosts []netip.Addr
	for i := range 16 {
		for n := range 64 {
			hosts = append(hosts, netip.AddrFrom4([4]byte{10, 1, byte(i), byte(n)}))
		}
	}
	s.pass(time.Second, bpf.ClassSYN, 3, hosts...)
	if s.phases() != "carpet-bombing start" || len(s.armed) != 3*len(hosts) {
		t.Fatalf("%s; %d armed", s.phases(), len(s.armed))
	}
	if list := s.Attacks(); len(list) != 1 || list[0].Network() != netip.MustParsePrefix("10.1.0.0/20") || list[0].Sources != 1024 {
		t.Errorf("%+v", list)
	}
	s.pass(30*time.Second, bpf.ClassSYN, 0)
	if s.phases() != "carpet-bombing start, carpet-bombing end" || len(s.armed) != 0 {
		t.Errorf("%s; %d armed", s.phases(), len(s.armed))
	}
}

// TestHandshakesAreNoCarpet has many clients come to every server of a network.
func TestHandshakesAreNoCarpet(t *testing.T) {
	s := newScene(t, nil)
	var hosts []netip.Addr
	for i := range byte(100) {
		hosts = append(hosts, netip.AddrFrom4([4]byte{10, 1, 2, i}))
	}
	client := decode.AddrFrom(netip.MustParseAddr("198.51.100.7"))
	for range 30 {
		for _, server := range hosts {
			for range 30 {
				s.Handshake(client, decode.AddrFrom(server))
			}
		}
		s.pass(lookEvery, bpf.ClassSYN, 30, hosts...)
	}
	if s.phases() != "" {
		t.Errorf("30,000 clients a second: %s", s.phases())
	}
}

// TestACarpetOverOneHost spreads an attack over the addresses of the host that the sensor runs on.
func TestACarpetOverOneHost(t *testing.T) {
	for _, c := range []struct {
		name     string
		class    bpf.Class
		n        uint32 // to each address in a tenth of a second
		hosts    byte
		accepted uint64 // by the host, in a tenth of a second
		told     string
	}{
		{"SYNs", bpf.ClassSYN, 60, 8, 0, "carpet-bombing start"},
		{"SYNs to three addresses", bpf.ClassSYN, 90, 3, 0, ""},
		{"clients", bpf.ClassSYN, 60, 8, 460, ""},
		{"datagrams", bpf.ClassUDP, 400, 8, 0, "carpet-bombing start"},
		{"answers", bpf.ClassUDP, 100, 8, 0, ""},
	} {
		var host HostCounters
		s := newScene(t, func(o *Options) {
			o.OneSide, o.Host = true, func() (HostCounters, error) { host.Accepted += c.accepted; return host, nil }
			o.Floods.Floors[threshold.FloodUDP] = 5000
		})
		var own []netip.Addr
		for i := range c.hosts {
			own = append(own, netip.AddrFrom4([4]byte{10, 1, 2, i}))
		}
		s.pass(2*time.Second, c.class, c.n, own...)
		if s.phases() != c.told {
			t.Errorf("%s: told %q, want %q", c.name, s.phases(), c.told)
		}
		if armed := s.armed[armKey{own[0], c.class}]; (armed > 0) != (c.told != "") {
			t.Errorf("%s: a limit of %d", c.name, armed)
		}
	}
}
