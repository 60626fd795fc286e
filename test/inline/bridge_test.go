package inline

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/lab"
)

const bridgeSettings = "mode: bridge\ninterfaces: [eth0, eth1]\non-failure: %s\n"

const dropRules = `drop tcp any any -> any any (msg:"evil"; content:"evil-payload"; sid:1;)
`

func TestBridge(t *testing.T) {
	for _, queues := range []int{1, 2} {
		t.Run(fmt.Sprint(queues, " queues"), func(t *testing.T) {
			topology, err := lab.BridgeTopology(newLab(t), lab.Options{Queues: queues})
			check(t, err)
			s := startSensor(t, topology.Sensor.Namespace, dropRules, fmt.Sprintf(bridgeSettings, "open"))
			transfers(t, topology)
			dropsInline(t, topology)
			if st, err := s.Status(); err != nil || st.Traffic.Inspected == 0 || st.Traffic.Lost > 0 {
				t.Errorf("%+v, %v", st.Traffic, err)
			}
		})
	}
}

func TestBridgeRejects(t *testing.T) {
	topology, err := lab.BridgeTopology(newLab(t), lab.Options{})
	check(t, err)
	startSensor(t, topology.Sensor.Namespace, rejectRules, fmt.Sprintf(bridgeSettings, "open"))
	testReject(t, topology.Client, topology.Server)
}

// TestBridgeWithoutItsSensor kills the process: by policy the program goes on moving packets, or stops.
func TestBridgeWithoutItsSensor(t *testing.T) {
	for policy, open := range map[string]bool{"open": true, "closed": false} {
		t.Run(policy, func(t *testing.T) {
			topology, err := lab.BridgeTopology(newLab(t), lab.Options{})
			check(t, err)
			s := startSensor(t, topology.Sensor.Namespace, dropRules, fmt.Sprintf(bridgeSettings, policy))
			transfers(t, topology)
			if st, err := s.Status(); err != nil || st.Traffic.Abandoned > 0 {
				t.Errorf("the first of its kind: %+v, %v", st.Traffic, err)
			}
			const waiting = 20
			check(t, s.cmd.Process.Signal(syscall.SIGSTOP))
			s.await("the sensor has stopped", func() bool {
				stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
				return err == nil && bytes.Contains(stat, []byte(") T "))
			})
			stray, err := topology.Client.Dial(context.Background(), "udp", netip.AddrPortFrom(topology.Server.Addr, 9).String())
			check(t, err)
			for range waiting {
				_, err := stray.Write([]byte("lost in the socket"))
				check(t, err)
			}
			stray.Close()
			time.Sleep(100 * time.Millisecond)
			s.signal(syscall.SIGKILL)
			time.Sleep(2500 * time.Millisecond) // longer than the lease
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			l, err := topology.Server.Listen("tcp", netip.AddrPortFrom(topology.Server.Addr, 0).String())
			check(t, err)
			defer l.Close()
			conn, err := topology.Client.Dial(ctx, "tcp", l.Addr().String())
			if (err == nil) != open {
				t.Errorf("a new connection without the sensor: %v", err)
			}
			if conn != nil {
				conn.Close()
			}
			s.start() // takes over what is there
			// What connections that were closing said meanwhile waited too.
			if st, err := s.Status(); err != nil || st.Traffic.Abandoned < waiting || st.Traffic.Abandoned > 20*waiting {
				t.Errorf("%d packets waited for the process that was killed: %+v, %v", waiting, st.Traffic, err)
			}
			transfers(t, topology)
		})
	}
}

// transfers moves a megabyte each way over both versions of IP.
func transfers(t *testing.T, topology *lab.Topology) {
	t.Helper()
	for _, addr := range []netip.Addr{topology.Server.Addr, topology.Server.Addr6} {
		near, far := connect(t, topology.Client, topology.Server, addr)
		moves(t, near, far)
		moves(t, far, near)
		near.Close()
		far.Close()
	}
}

// moves sends a megabyte.
func moves(t *testing.T, from, to net.Conn) {
	t.Helper()
	sent := make(chan error, 1)
	go func() { _, err := from.Write(make([]byte, 1<<20)); sent <- err }()
	to.SetReadDeadline(time.Now().Add(20 * time.Second))
	buf := make([]byte, 1<<16)
	for total := 0; total < 1<<20; {
		n, err := to.Read(buf)
		if total += n; err != nil {
			t.Fatalf("%v: after %d bytes: %v", to.LocalAddr(), total, err)
		}
	}
	check(t, <-sent)
}

// dropsInline sends what a rule drops: not a byte of it may arrive.
func dropsInline(t *testing.T, topology *lab.Topology) {
	t.Helper()
	for _, addr := range []netip.Addr{topology.Server.Addr, topology.Server.Addr6} {
		near, far := connect(t, topology.Client, topology.Server, addr)
		_, err := near.Write([]byte("an evil-payload"))
		check(t, err)
		far.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := far.Read(make([]byte, 100)); err == nil {
			t.Errorf("%v: %d bytes of what a rule drops arrived", addr, n)
		}
	}
}
