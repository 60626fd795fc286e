package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// SingleMTU is the largest MTU whose frames fit one buffer of the native XDP hook of every driver; ENA's is the smallest
// (ENA_XDP_MAX_MTU: a page less headers, headroom and tail).
const SingleMTU = 3498

// What a driver can do in XDP (include/uapi/linux/netdev.h, enum netdev_xdp_act).
const (
	actTransmit         = 1 << 2 // frames redirected from other interfaces
	actReceiveSeveral   = 1 << 5 // frames of several buffers
	actTransmitSeveral  = 1 << 6 // both
	netdevDevGet        = 1      // NETDEV_CMD_DEV_GET
	netdevIfindex       = 1      // NETDEV_A_DEV_IFINDEX
	netdevFeatures      = 3      // NETDEV_A_DEV_XDP_FEATURES
	netdevFamilyVersion = 1
)

// Jumbo is the error of an interface whose frames of several buffers cannot be inspected inline: AF_XDP takes such since Linux 6.6, and the
// driver must receive them in XDP and, redirecting in mode bridge, send them. Some drivers say what they can send only once a program is
// attached: before that, a driver that says that it can send none is believed to be one.
func Jumbo(dev *net.Interface, mode Mode) error {
	if !haveChains() {
		return errors.New("the kernel takes no frames of several buffers in AF_XDP: Linux 6.6 or later does")
	}
	can, err := xdpFeatures(dev)
	if err != nil {
		return err
	}
	switch {
	case can&actReceiveSeveral == 0:
		return errors.New("its driver takes no frames of several buffers in XDP")
	case mode == ModeBridge && can&(actTransmit|actTransmitSeveral) == actTransmit:
		return errors.New("its driver sends no frames of several buffers from XDP")
	}
	return nil
}

// haveChains reports whether AF_XDP knows XDP_USE_SG. Flags are looked at before the interface, which does not exist.
func haveChains() bool {
	fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return errors.Is(unix.Bind(fd, &unix.SockaddrXDP{Flags: unix.XDP_COPY | unix.XDP_USE_SG, Ifindex: 1<<31 - 1}), unix.ENODEV)
}

// genericHeader is struct genlmsghdr. nl.Genlmsg leaves its reserved bytes undefined, and the kernel refuses a message in which they are not 0.
type genericHeader [nl.SizeofGenlmsg]byte

func (genericHeader) Len() int            { return nl.SizeofGenlmsg }
func (h genericHeader) Serialize() []byte { return h[:] }

// xdpFeatures asks the kernel what the driver can do (Documentation/netlink/specs/netdev.yaml).
func xdpFeatures(dev *net.Interface) (uint64, error) {
	family, err := netlink.GenlFamilyGet("netdev")
	if err != nil {
		return 0, fmt.Errorf("XDP features of %s: %w", dev.Name, err)
	}
	req := nl.NewNetlinkRequest(int(family.ID), unix.NLM_F_ACK)
	req.AddData(genericHeader{netdevDevGet, netdevFamilyVersion})
	req.AddData(nl.NewRtAttr(netdevIfindex, nl.Uint32Attr(uint32(dev.Index))))
	answers, err := req.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil {
		return 0, fmt.Errorf("XDP features of %s: %w", dev.Name, err)
	}
	for _, answer := range answers {
		if len(answer) < nl.SizeofGenlmsg {
			continue
		}
		attrs, err := nl.ParseRouteAttr(answer[nl.SizeofGenlmsg:])
		if err != nil {
			return 0, fmt.Errorf("XDP features of %s: %w", dev.Name, err)
		}
		for _, a := range attrs {
			if a.Attr.Type == netdevFeatures && len(a.Value) >= 8 {
				return binary.NativeEndian.Uint64(a.Value), nil
			}
		}
	}
	return 0, fmt.Errorf("XDP features of %s: the kernel tells none", dev.Name)
}
