package capture

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// rebind makes the socket anew, in copy mode, on the descriptor that it has: who polls it need not know. Nothing may be on loan.
func (x *XSK) rebind() error {
	x.giveUp.Store(false)
	if err := x.retire(); err != nil {
		return err
	}
	x.lastCounts()
	fresh, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return explainXSK(os.NewSyscallError("socket", err))
	}
	err = errors.Join(x.unmap(), unix.Close(x.memory), unix.Dup3(fresh, x.fd, unix.O_CLOEXEC), unix.Close(fresh))
	x.memory, x.spare, x.proof, x.cfg.ZeroCopy = -1, nil, 0, false
	if err != nil {
		return os.NewSyscallError("leaving zero-copy mode", err)
	}
	for _, step := range []func() error{x.register, x.size, x.mapRings, x.bind, x.prime, x.announce} {
		if err := step(); err != nil {
			return explainXSK(err)
		}
	}
	return nil
}
