package sdnotify

import (
	"context"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// manager is a service manager's socket.
func manager(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return conn
}

func receive(t *testing.T, conn *net.UnixConn, within time.Duration) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 256)
	n, err := conn.Read(b)
	if err != nil {
		return ""
	}
	return string(b[:n])
}

func TestSend(t *testing.T) {
	conn := manager(t)
	if err := Send(Ready + "\n" + Status("inspecting")); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, conn, time.Second); got != "READY=1\nSTATUS=inspecting" {
		t.Errorf("the manager got %q", got)
	}
}

func TestSendToNobody(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := Send(Ready); err != nil {
		t.Errorf("without a manager: %v", err)
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if err := Send(Ready); err == nil {
		t.Error("a manager that is gone was not noticed")
	}
}

// TestWatchdog must be silent exactly while the program says that it is stuck.
func TestWatchdog(t *testing.T) {
	conn := manager(t)
	t.Setenv("WATCHDOG_USEC", "40000")
	t.Setenv("WATCHDOG_PID", "")
	ctx, cancel := context.WithCancel(t.Context())
	var alive atomic.Bool
	done := make(chan error)
	go func() { done <- Watchdog(ctx, alive.Load) }()
	if got := receive(t, conn, 150*time.Millisecond); got != "" {
		t.Errorf("stuck, and yet it said %q", got)
	}
	alive.Store(true)
	if got := receive(t, conn, 2*time.Second); got != "WATCHDOG=1" {
		t.Errorf("alive, and it said %q", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWatchdogPeriod(t *testing.T) {
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
		bad       bool
	}{
		{"", "", 0, false},
		{"2000000", "", 2 * time.Second, false},
		{"2000000", "7", 2 * time.Second, false},
		{"2000000", "8", 0, false},
		{"-1", "", 0, true},
		{"soon", "", 0, true},
		{"9223372036854775807", "", 0, true},
	} {
		got, err := watchdogPeriod(c.usec, c.pid, 7)
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("WATCHDOG_USEC=%q WATCHDOG_PID=%q: %v, %v", c.usec, c.pid, got, err)
		}
	}
}
