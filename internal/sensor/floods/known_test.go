package floods

import (
	"net"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestOnlyFinishedHandshakesMakeASourceGood(t *testing.T) {
	socket := func(state uint8, ip string) *netlink.Socket {
		return &netlink.Socket{State: state, ID: netlink.SocketID{Destination: net.ParseIP(ip)}}
	}
	for _, k := range []struct {
		s    *netlink.Socket
		want bool
	}{
		{socket(1, "198.51.100.1"), true},  // established
		{socket(6, "198.51.100.1"), true},  // time-wait
		{socket(3, "198.51.100.1"), false}, // syn-recv: a SYN alone proves nothing
		{socket(12, "198.51.100.1"), false},
		{socket(10, "0.0.0.0"), false}, // listening
		{socket(1, "127.0.0.1"), false},
	} {
		if a, ok := remote(k.s); ok != k.want || ok && a.String() != "198.51.100.1" {
			t.Errorf("state %d, %v: %v %v", k.s.State, k.s.ID.Destination, a, ok)
		}
	}
}
