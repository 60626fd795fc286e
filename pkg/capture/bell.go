package capture

import (
	"errors"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// bell wakes a goroutine that waits for frames in poll. It costs a system call only when somebody sleeps.
type bell struct {
	fd     int
	asleep atomic.Bool
}

func newBell() (*bell, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	return &bell{fd: fd}, nil
}

// ring wakes who sleeps. What the sleeper is to find must have been shown before.
func (b *bell) ring() {
	if b.asleep.Load() && b.asleep.CompareAndSwap(true, false) {
		one := [8]byte{1} // in any byte order more than none
		// It cannot fail: the counter is far from full.
		_, _ = unix.Write(b.fd, one[:])
	}
}

// rest says that the owner goes to sleep; it must look once more for what it waits for before it does.
func (b *bell) rest() { b.asleep.Store(true) }

// wake says that the owner is awake. rung: poll has found the bell readable.
func (b *bell) wake(rung bool) error {
	b.asleep.Store(false)
	if !rung {
		return nil
	}
	var count [8]byte
	if _, err := unix.Read(b.fd, count[:]); err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
		return os.NewSyscallError("read", err)
	}
	return nil
}

func (b *bell) close() error { return os.NewSyscallError("close", unix.Close(b.fd)) }
