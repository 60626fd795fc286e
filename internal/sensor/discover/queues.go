package discover

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Queues returns how many receive queues an interface has in use (ethtool's combined and rx channels); 1 when its driver
// does not tell.
func Queues(name string) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	// struct ethtool_channels (kernel, include/uapi/linux/ethtool.h): the command, four maxima, four counts.
	channels := struct {
		cmd                                 uint32
		maxRX, maxTX, maxOther, maxCombined uint32
		rx, tx, other, combined             uint32
	}{cmd: unix.ETHTOOL_GCHANNELS}
	var req struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(req.name[:unix.IFNAMSIZ-1], name)
	req.data = unsafe.Pointer(&channels)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
	switch {
	case errno == unix.EOPNOTSUPP:
		return 1, nil
	case errno != 0:
		return 0, fmt.Errorf("ask %s for its queues: %w", name, errno)
	}
	return max(int(channels.combined+channels.rx), 1), nil
}
