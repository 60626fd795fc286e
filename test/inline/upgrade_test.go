package inline

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/lab"
)

// TestUpgradeLosesNothing has the sensor replace itself again and again while every packet goes through inspection.
func TestUpgradeLosesNothing(t *testing.T) {
	const upgrades, rate = 5, 5000
	for _, k := range []struct {
		name, settings string
		topology       func(*lab.Lab, lab.Options) (*lab.Topology, error)
	}{
		{"gwlb with one queue", "mode: gwlb\ninterfaces: [eth0]\n", lab.GWLBTopology},
		{"gwlb with two queues", "mode: gwlb\ninterfaces: [eth0]\n", func(l *lab.Lab, o lab.Options) (*lab.Topology, error) { o.Queues = 2; return lab.GWLBTopology(l, o) }},
		{"bridge", fmt.Sprintf(bridgeSettings, "closed"), lab.BridgeTopology},
	} {
		t.Run(k.name, func(t *testing.T) {
			topology, err := k.topology(newLab(t), lab.Options{})
			check(t, err)
			s := startSensor(t, topology.Sensor.Namespace, dropRules, k.settings+"floods: {udp-per-second: 1000000}\n")
			stop := stream(t, topology, rate)
			for i := range upgrades {
				time.Sleep(300 * time.Millisecond)
				check(t, s.cmd.Process.Signal(syscall.SIGUSR2))
				s.await("another program is up", func() bool {
					log, err := os.ReadFile(s.log)
					return err == nil && strings.Count(string(log), "sensor is up") == i+2
				})
			}
			sent, got := stop()
			if sent < rate || got != sent {
				t.Errorf("of %d packets %d arrived", sent, got)
			}
			if st, err := s.Status(); err != nil || !st.Adopted || st.Traffic.Lost > 0 || st.Traffic.Inspected == 0 {
				t.Errorf("%+v, %v", st, err)
			}
			dropsInline(t, topology)
		})
	}
}

// TestUpgradeIsRefused keeps the running program when the installed one does not accept its rules.
func TestUpgradeIsRefused(t *testing.T) {
	topology, err := lab.GWLBTopology(newLab(t), lab.Options{})
	check(t, err)
	s := startSensor(t, topology.Sensor.Namespace, dropRules, "mode: gwlb\ninterfaces: [eth0]\n")
	rules := strings.Replace(s.config, "sensor.yaml", "t.rules", 1)
	check(t, os.WriteFile(rules, []byte("drop nonsense\n"), 0o600))
	check(t, s.cmd.Process.Signal(syscall.SIGUSR2))
	s.await("the refusal is in the log", func() bool {
		log, err := os.ReadFile(s.log)
		return err == nil && strings.Contains(string(log), "no upgrade") && strings.Contains(string(log), "t.rules:1")
	})
	dropsInline(t, topology)
}

// stream sends numbered datagrams at a rate until stopped, and counts which arrive.
func stream(t *testing.T, topology *lab.Topology, rate int) (stop func() (sent, got int)) {
	t.Helper()
	l, err := topology.Server.ListenPacket("udp", netip.AddrPortFrom(topology.Server.Addr, 5000).String())
	check(t, err)
	check(t, l.(*net.UDPConn).SetReadBuffer(8<<20))
	conn, err := topology.Client.Dial(context.Background(), "udp", l.LocalAddr().String())
	check(t, err)
	arrived := make(chan int, 1)
	go func() {
		seen := map[uint32]bool{}
		buf := make([]byte, 2000)
		for {
			n, _, err := l.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				arrived <- len(seen)
				return
			}
			if n >= 4 {
				seen[binary.BigEndian.Uint32(buf)] = true
			}
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	go func() {
		n := 0
		b := make([]byte, 200)
		for start := time.Now(); ctx.Err() == nil; time.Sleep(time.Millisecond) {
			for due := int(time.Since(start).Seconds() * float64(rate)); n < due; n++ {
				binary.BigEndian.PutUint32(b, uint32(n))
				if _, err := conn.Write(b); err != nil {
					t.Errorf("datagram %d: %v", n, err)
				}
			}
		}
		done <- n
	}()
	return func() (int, int) {
		cancel()
		sent := <-done
		time.Sleep(500 * time.Millisecond) // what is on its way
		conn.Close()
		l.Close()
		return sent, <-arrived
	}
}
