package floods

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// knownEvery is how often the host's own connections are read; a source stays known for several times as long.
const knownEvery = 500 * time.Millisecond

// WatchPeers reports, again and again until ctx ends, the remote ends of the host's TCP connections: sources that have completed a
// handshake with this very host, which nobody can do from a forged address. Under a SYN flood they are let through first.
// On its own interface XDP sees one direction only, so a handshake cannot be judged from the packets there.
func WatchPeers(ctx context.Context, good func(netip.Addr)) {
	tick := time.NewTicker(knownEvery)
	defer tick.Stop()
	for {
		for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
			// A kernel without inet_diag leaves the set empty: all sources are then strangers, which is the safe side.
			sockets, err := netlink.SocketDiagTCP(family)
			if err != nil {
				continue
			}
			for _, s := range sockets {
				if a, ok := remote(s); ok {
					good(a)
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// States of a TCP socket in which the handshake is complete (kernel, include/net/tcp_states.h).
const (
	tcpSynSent    = 2
	tcpSynRecv    = 3
	tcpClose      = 7
	tcpListen     = 10
	tcpNewSynRecv = 12
)

// remote returns the far end of a socket whose handshake is complete.
func remote(s *netlink.Socket) (netip.Addr, bool) {
	switch s.State {
	case tcpSynSent, tcpSynRecv, tcpClose, tcpListen, tcpNewSynRecv:
		return netip.Addr{}, false
	}
	return addr(s.ID.Destination)
}

func addr(ip net.IP) (netip.Addr, bool) {
	a, ok := netip.AddrFromSlice(ip)
	return a.Unmap(), ok && !a.IsUnspecified() && !a.IsLoopback()
}
