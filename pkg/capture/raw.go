package capture

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// Raw sends whole IP packets, in anybody's name, by this host's routes: to another host, or to one of its own sockets.
type Raw struct{ four, six int }

// OpenRaw opens the sockets, in the calling thread's network namespace.
func OpenRaw() (*Raw, error) {
	r := &Raw{four: -1, six: -1}
	var err error
	if r.four, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW); err != nil {
		return nil, explainXSK(os.NewSyscallError("socket", err))
	}
	if r.six, err = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW); err != nil {
		return r, nil // a host without IPv6 gets no IPv6 packets to answer
	}
	if err := unix.SetsockoptInt(r.six, unix.SOL_IPV6, unix.IPV6_HDRINCL, 1); err != nil {
		r.Close()
		return nil, os.NewSyscallError("setsockopt", err)
	}
	return r, nil
}

// Send sends an IP packet; false if the host would not.
func (r *Raw) Send(packet []byte) bool {
	switch {
	case len(packet) >= 20 && packet[0]>>4 == 4:
		return unix.Sendto(r.four, packet, 0, &unix.SockaddrInet4{Addr: [4]byte(packet[16:20])}) == nil
	case len(packet) >= 40 && packet[0]>>4 == 6 && r.six >= 0:
		to := &unix.SockaddrInet6{Addr: [16]byte(packet[24:40])}
		return unix.Sendto(r.six, packet[:min(len(packet), 40+int(binary.BigEndian.Uint16(packet[4:])))], 0, to) == nil
	}
	return false
}

// Close closes the sockets.
func (r *Raw) Close() error {
	for _, fd := range []int{r.four, r.six} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	return nil
}
