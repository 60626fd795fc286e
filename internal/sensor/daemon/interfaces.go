package daemon

import (
	"github.com/vishvananda/netlink"
)

// InterfaceStats are the metrics of what an interface itself has lost, which XDP never sees, and sent: the kernel's counters since it is there.
type InterfaceStats struct {
	RxDropped uint64 // no room, or longer than the MTU
	RxErrors  uint64 // among others of length
	RxMissed  uint64 // no buffer
	TxPackets uint64 // sent, by XDP and AF_XDP too
	TxDropped uint64
	TxErrors  uint64
}

// interfaceStats reads them; none of an interface that is gone.
func interfaceStats(name string) InterfaceStats {
	link, err := netlink.LinkByName(name)
	if err != nil || link.Attrs().Statistics == nil {
		return InterfaceStats{}
	}
	s := link.Attrs().Statistics
	return InterfaceStats{RxDropped: s.RxDropped, RxErrors: s.RxErrors, RxMissed: s.RxMissedErrors, TxPackets: s.TxPackets, TxDropped: s.TxDropped, TxErrors: s.TxErrors}
}
