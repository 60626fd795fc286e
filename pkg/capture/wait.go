package capture

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// pollIn waits until fd is readable or wait has passed.
func pollIn(wait time.Duration, fd int) error {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	return poll(wait, fds[:])
}

func poll(wait time.Duration, fds []unix.PollFd) error {
	ts := unix.NsecToTimespec(int64(wait))
	_, err := unix.Ppoll(fds, &ts, nil)
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	return err
}

// monotonic converts CLOCK_MONOTONIC to Unix time. The offset is asked for once a second: two clocks cannot be read at one instant,
// and an offset that trembles would put neighbouring packets out of order.
type monotonic struct {
	ahead int64 // Unix time - monotonic, ns
	asked time.Time
}

func (m *monotonic) offset() int64 {
	now := time.Now()
	if m.asked.IsZero() || now.Sub(m.asked) >= time.Second {
		m.ahead, m.asked = clock(unix.CLOCK_REALTIME)-clock(unix.CLOCK_MONOTONIC), now
	}
	return m.ahead
}

func clock(id int32) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0 // both clocks have been there since Linux 2.6
	}
	return ts.Nano()
}
