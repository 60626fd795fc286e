// Package sdnotify tells the service manager how a program is: ready, reloading, alive, stopping (sd_notify(3)). Without a
// service manager that listens, everything here does nothing.
package sdnotify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// Messages of sd_notify(3).
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
	watchdog = "WATCHDOG=1"
)

// Send gives the service manager one or more assignments, a line each. It is nil when nobody asked for them.
func Send(state string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify the service manager at %s: %w", path, err)
	}
	_, err = conn.Write([]byte(state))
	return errors.Join(err, conn.Close())
}

// Status is the assignment that `systemctl status` shows.
func Status(words string) string { return "STATUS=" + words }

// Watchdog tells the service manager that the program lives, twice in each of its watchdog's periods (WatchdogSec), as long as
// alive says so, until ctx ends. It returns at once when there is no watchdog.
func Watchdog(ctx context.Context, alive func() bool) error {
	period, err := watchdogPeriod(os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID"), os.Getpid())
	if err != nil || period == 0 {
		return err
	}
	tick := time.NewTicker(period / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if !alive() {
				continue
			}
			if err := Send(watchdog); err != nil {
				return err
			}
		}
	}
}

// watchdogPeriod reads the watchdog's environment (sd_watchdog_enabled(3)); 0 when it is not meant for this process.
func watchdogPeriod(usec, forPID string, pid int) (time.Duration, error) {
	if usec == "" || forPID != "" && forPID != strconv.Itoa(pid) {
		return 0, nil
	}
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 || n > int64(24*time.Hour/time.Microsecond) {
		return 0, fmt.Errorf("WATCHDOG_USEC=%q is not a number of microseconds of at most a day", usec)
	}
	return time.Duration(n) * time.Microsecond, nil
}
