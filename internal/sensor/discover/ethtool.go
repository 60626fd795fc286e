package discover

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ethtool asks an interface's driver (kernel, include/uapi/linux/ethtool.h). request is one of its structures, which the kernel
// fills in.
func ethtool(name string, request unsafe.Pointer) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	var req struct { // struct ifreq
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(req.name[:unix.IFNAMSIZ-1], name)
	req.data = request
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
	runtime.KeepAlive(request)
	if errno != 0 {
		return fmt.Errorf("ask the driver of %s: %w", name, errno)
	}
	return nil
}

// Driver is the name of an interface's driver; "" when it does not tell.
func Driver(name string) (string, error) {
	info := struct {
		cmd    uint32
		driver [32]byte
		_      [160]byte
	}{cmd: unix.ETHTOOL_GDRVINFO}
	if err := ethtool(name, unsafe.Pointer(&info)); err != nil {
		if errors.Is(err, unix.EOPNOTSUPP) {
			return "", nil
		}
		return "", err
	}
	return text(info.driver[:]), nil
}

// statistics is a set of strings: ETH_SS_STATS.
const statistics = 1

// Counters are what `ethtool -S` shows of an interface; none when its driver counts nothing.
func Counters(name string) (map[string]uint64, error) {
	set := struct {
		cmd, _ uint32
		mask   uint64
		count  uint32
	}{cmd: unix.ETHTOOL_GSSET_INFO, mask: 1 << statistics}
	if err := ethtool(name, unsafe.Pointer(&set)); err != nil {
		if errors.Is(err, unix.EOPNOTSUPP) {
			return nil, nil
		}
		return nil, err
	}
	n := int(set.count)
	if n == 0 || set.mask == 0 {
		return nil, nil
	}
	const length = 32                          // ETH_GSTRING_LEN
	names := make([]uint64, (12+n*length+7)/8) // struct ethtool_gstrings: command, set, length, the strings
	head := (*[3]uint32)(unsafe.Pointer(&names[0]))
	*head = [3]uint32{unix.ETHTOOL_GSTRINGS, statistics, uint32(n)}
	if err := ethtool(name, unsafe.Pointer(&names[0])); err != nil {
		return nil, err
	}
	values := make([]uint64, 1+n) // struct ethtool_stats: command, length, the numbers
	(*(*[2]uint32)(unsafe.Pointer(&values[0]))) = [2]uint32{unix.ETHTOOL_GSTATS, uint32(n)}
	if err := ethtool(name, unsafe.Pointer(&values[0])); err != nil {
		return nil, err
	}
	strings := unsafe.Slice((*byte)(unsafe.Pointer(&names[0])), len(names)*8)[12:]
	out := make(map[string]uint64, n)
	for i := range n {
		out[text(strings[i*length:][:length])] = values[1+i]
	}
	return out, nil
}

// text is a C string.
func text(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}
