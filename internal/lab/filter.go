package lab

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// dropAll has the kernel drop everything that arrives at conn.
func dropAll(conn net.PacketConn) error {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return errors.New("not a socket")
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		program := [1]unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
		set = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &program[0]})
	})
	return errors.Join(err, set)
}
