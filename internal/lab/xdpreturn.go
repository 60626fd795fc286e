package lab

import (
	"fmt"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// progLoad is the head of union bpf_attr for BPF_PROG_LOAD (linux/bpf.h).
type progLoad struct {
	progType uint32
	insnCnt  uint32
	insns    unsafe.Pointer // 64 bits wide, as on every machine the lab runs on
	license  unsafe.Pointer
	_        [5]uint32 // logging, version: zero
	flags    uint32
	_        [6]uint32 // name, interface: zero
}

// XDP actions (linux/bpf.h).
const (
	xdpDrop = 1
	xdpPass = 2
)

// oneBuffer is an MTU above which a veth's frames may need several buffers, which takes a program that says it can bear that.
const oneBuffer = 3498

// loadReturn loads a program that returns action: mov r0, action; exit (Linux, instruction-set.rst). Two instructions by hand, so
// that Require can tell a kernel without BPF from one that a library does not like.
func loadReturn(action uint64, flags uint32) (fd int, err error) {
	program := [2]uint64{action<<32 | 0xb7, 0x95}
	license := [...]byte{'M', 'I', 'T', 0}
	attr := progLoad{
		progType: unix.BPF_PROG_TYPE_XDP,
		insnCnt:  uint32(len(program)),
		insns:    unsafe.Pointer(&program),
		license:  unsafe.Pointer(&license),
		flags:    flags,
	}
	for {
		r, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
		switch errno {
		case 0:
			return int(r), nil
		case unix.EAGAIN: // a signal came meanwhile, such as those that the Go runtime preempts with
		default:
			return -1, errno
		}
	}
}

// attachReturn attaches a program that returns action to link in the driver. It stays until the interface goes.
func (n *Namespace) attachReturn(link netlink.Link, action uint64) error {
	flags := uint32(0)
	if link.Attrs().MTU > oneBuffer {
		flags = unix.BPF_F_XDP_HAS_FRAGS
	}
	fd, err := loadReturn(action, flags)
	if err != nil {
		return fmt.Errorf("loading an XDP program: %w", err)
	}
	defer unix.Close(fd)
	return n.Run(func() error {
		if err := netlink.LinkSetXdpFdWithFlags(link, fd, unix.XDP_FLAGS_DRV_MODE); err != nil {
			return fmt.Errorf("attaching an XDP program: %w", err)
		}
		return nil
	})
}
