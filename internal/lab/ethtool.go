package lab

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ifreq is struct ifreq with its data pointer (linux/if.h).
type ifreq struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

// ethtoolValue is struct ethtool_value (linux/ethtool.h).
type ethtoolValue struct{ cmd, data uint32 }

// offloadsOff turns off what makes a frame on a veth differ from one on a wire: checksums left to hardware, segments left to be
// cut, and segments joined on receipt. It acts in the calling thread's namespace.
func offloadsOff(name string) error {
	for _, feature := range []struct {
		cmd  uint32
		name string
	}{
		{unix.ETHTOOL_STXCSUM, "tx-checksumming"},
		{unix.ETHTOOL_STSO, "tcp-segmentation-offload"},
		{unix.ETHTOOL_SGSO, "generic-segmentation-offload"},
		{unix.ETHTOOL_SGRO, "generic-receive-offload"},
	} {
		if err := ethtool(name, feature.cmd, 0); err != nil {
			return fmt.Errorf("turning off %s: %w", feature.name, err)
		}
	}
	return nil
}

func ethtool(name string, cmd, data uint32) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req := &ifreq{data: unsafe.Pointer(&ethtoolValue{cmd, data})}
	copy(req.name[:unix.IFNAMSIZ-1], name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(req)))
	if errno != 0 {
		return errno
	}
	return nil
}
