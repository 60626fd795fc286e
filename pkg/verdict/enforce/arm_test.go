package enforce

import (
	"net/netip"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
)

// TestArmedDestinationsGiveWay arms many more destinations than there are counters, one after the other, ended in either way.
func TestArmedDestinationsGiveWay(t *testing.T) {
	for _, c := range []struct {
		name string
		life time.Duration
		end  func(*rig, netip.Addr)
	}{
		{"disarmed", time.Minute, func(r *rig, a netip.Addr) { r.Disarm(a, bpf.ClassUDP) }},
		{"expired", -time.Second, func(*rig, netip.Addr) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, bpf.Options{})
			for n := range 1000 {
				a := netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)})
				if err := r.Arm(a, bpf.ClassUDP, 1000, c.life); err != nil {
					t.Fatalf("destination %d: %v", n, err)
				}
				c.end(r, a)
			}
		})
	}
}
