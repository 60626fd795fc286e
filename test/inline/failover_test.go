package inline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"

	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/pkg/verdict"
)

// probed is a load balancer that asks a sensor's /healthz five times a second and believes two answers in a row.
func probed(o lab.Options) lab.Options {
	o.Health = lab.HealthCheck{Port: 8080, Path: "/healthz", Interval: 200 * time.Millisecond, Timeout: 2 * time.Second}
	return o
}

// behind starts a sensor behind the load balancer.
func behind(t *testing.T, h *lab.Host, onFailure string) *sensor {
	t.Helper()
	return startSensor(t, h.Namespace, dropRules, fmt.Sprintf("mode: gwlb\ninterfaces: [eth0]\non-failure: %s\nhealth: {listen: %s:8080}\n", onFailure, h.Addr))
}

// TestRebalanceKeepsConversations kills one of two sensors: the load balancer gives its conversations to the other in mid-stream, which
// carries them on and inspects them.
func TestRebalanceKeepsConversations(t *testing.T) {
	topology, err := lab.GWLBTopology(newLab(t), probed(lab.Options{Spare: true, Balancer: lab.GWLBConfig{Rebalance: true}}))
	check(t, err)
	first, second := behind(t, topology.Sensor, "closed"), behind(t, topology.Spare, "closed")
	check(t, topology.WaitHealthy(10*time.Second))
	const conversations = 12
	var near, far [conversations]net.Conn
	for i := range near {
		near[i], far[i] = connect(t, topology.Client, topology.Server, topology.Server.Addr)
		says(t, near[i], far[i], "before")
	}
	inspected := func(s *sensor) uint64 { st, err := s.Status(); check(t, err); return st.Traffic.Inspected }
	if a, b := inspected(first), inspected(second); a == 0 || b == 0 {
		t.Fatalf("the sensors inspected %d and %d packets: conversations are not spread", a, b)
	}
	before := inspected(second)
	first.signal(syscall.SIGKILL)
	unhealthy(t, topology, 1)
	for i := range near {
		says(t, near[i], far[i], "after the change")
		says(t, far[i], near[i], "and the way back")
	}
	if n := inspected(second) - before; n < conversations*2 { // its figures may lag behind by what has just passed
		t.Errorf("the other sensor inspected %d packets of %d conversations", n, conversations)
	}
	silent(t, near[0], far[0], "an evil-payload")
	silent(t, near[1], far[1], "an evil-payload")
	if s := topology.GWLB.Stats(); s.Dropped() > 0 {
		t.Errorf("broke the load balancer's rules: %+v", s)
	}
}

// TestHealthTurnsBadWithinTwoProbes lets a sensor fail in the ways that leave its host alive; the load balancer must know after two probes.
func TestHealthTurnsBadWithinTwoProbes(t *testing.T) {
	for name, fail := range map[string]func(*testing.T, *sensor){
		"killed": func(_ *testing.T, s *sensor) { s.signal(syscall.SIGKILL) },
		"its program is off the interface": func(t *testing.T, s *sensor) {
			st, err := s.Status()
			check(t, err)
			pins, err := filepath.Glob(fmt.Sprintf("/sys/fs/bpf/weir/v*/%s/link_eth0", st.ID))
			if err != nil || len(pins) != 1 {
				t.Fatalf("pinned links %v, %v", pins, err)
			}
			l, err := link.LoadPinnedLink(pins[0], nil)
			check(t, err)
			defer l.Close()
			check(t, l.Detach())
		},
		"the kill switch is on": func(t *testing.T, s *sensor) { check(t, s.KillSwitch(true)) },
	} {
		t.Run(name, func(t *testing.T) {
			topology, err := lab.GWLBTopology(newLab(t), probed(lab.Options{}))
			check(t, err)
			s := behind(t, topology.Sensor, "open")
			check(t, topology.WaitHealthy(10*time.Second))
			fail(t, s)
			before := topology.GWLB.Stats().Probes
			unhealthy(t, topology, 1)
			if n := topology.GWLB.Stats().Probes - before; n > 3 { // one may have been on its way
				t.Errorf("the load balancer knew after %d probes", n)
			}
		})
	}
}

// unhealthy waits until the load balancer sees n targets ill.
func unhealthy(t *testing.T, topology *lab.Topology, n int) {
	t.Helper()
	for start := time.Now(); topology.GWLB.Stats().UnHealthyHostCount != n; time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatalf("after 10 s still %+v", topology.GWLB.Stats())
		}
	}
}

// TestOnFailureBehindLoadBalancer kills the only sensor. The load balancer goes on sending to it, as AWS's does, and the kernel half does
// what on-failure says: with open and static it sends packets back uninspected, and verdicts go on dropping; with closed nothing comes.
func TestOnFailureBehindLoadBalancer(t *testing.T) {
	for policy, open := range map[string]bool{"open": true, "static": true, "closed": false} {
		t.Run(policy, func(t *testing.T) {
			topology, err := lab.GWLBTopology(newLab(t), probed(lab.Options{}))
			check(t, err)
			s := behind(t, topology.Sensor, policy)
			check(t, topology.WaitHealthy(10*time.Second))
			near, far := connect(t, topology.Client, topology.Server, topology.Server.Addr)
			says(t, near, far, "inspected")
			_, err = s.AddVerdict(verdict.Verdict{Match: verdict.Match{Src: netip.PrefixFrom(topology.Attacker.Addr, 32)}, Action: verdict.Drop,
				Reason: "test", ExpiresAt: time.Now().Add(time.Hour)})
			check(t, err)
			if reaches(t, topology) {
				t.Error("a source with a verdict gets through")
			}
			s.signal(syscall.SIGKILL)
			unhealthy(t, topology, 1)
			time.Sleep(2500 * time.Millisecond) // longer than the lease
			if !open {
				silent(t, near, far, "must not pass")
				return
			}
			says(t, near, far, "an evil-payload that nobody inspects")
			for _, addr := range []netip.Addr{topology.Server.Addr, topology.Server.Addr6} {
				n, f := connect(t, topology.Client, topology.Server, addr)
				says(t, n, f, "a new connection")
			}
			if reaches(t, topology) {
				t.Error("a source with a verdict gets through without the sensor")
			}
			if d := topology.GWLB.Stats(); d.Dropped() > 0 {
				t.Errorf("broke the load balancer's rules: %+v", d)
			}
		})
	}
}

// reaches reports whether the attacker can connect to the server.
func reaches(t *testing.T, topology *lab.Topology) bool {
	t.Helper()
	l, err := topology.Server.Listen("tcp", netip.AddrPortFrom(topology.Server.Addr, 0).String())
	check(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
	defer cancel()
	conn, err := topology.Attacker.Dial(ctx, "tcp", l.Addr().String())
	if conn != nil {
		conn.Close()
	}
	return err == nil
}

// TestLoadBalancerForgets has the load balancer forget flows that the sensor remembers: late TCP data dies at the load balancer as in AWS,
// UDP comes back as a flow with another cookie, which the sensor's answers must carry.
func TestLoadBalancerForgets(t *testing.T) {
	const idle = time.Second
	topology, err := lab.GWLBTopology(newLab(t), lab.Options{Balancer: lab.GWLBConfig{TCPIdle: idle, OtherIdle: idle}})
	check(t, err)
	startSensor(t, topology.Sensor.Namespace, dropRules, "mode: gwlb\ninterfaces: [eth0]\n")
	near, far := connect(t, topology.Client, topology.Server, topology.Server.Addr)
	says(t, near, far, "in time")
	server, err := topology.Server.ListenPacket("udp", netip.AddrPortFrom(topology.Server.Addr, 5000).String())
	check(t, err)
	defer server.Close()
	client, err := topology.Client.Dial(context.Background(), "udp", server.LocalAddr().String())
	check(t, err)
	defer client.Close()
	ask := func() error {
		if _, err := client.Write([]byte("question")); err != nil {
			return err
		}
		buf := make([]byte, 100)
		server.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, from, err := server.ReadFrom(buf)
		if err != nil {
			return fmt.Errorf("the question: %w", err)
		}
		if _, err := server.WriteTo(buf[:n], from); err != nil {
			return err
		}
		client.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err = io.ReadFull(client, buf[:n])
		return err
	}
	check(t, ask())
	created := topology.GWLB.Stats().NewFlowCount
	time.Sleep(idle + 500*time.Millisecond)
	check(t, ask())
	if s := topology.GWLB.Stats(); s.NewFlowCount <= created {
		t.Errorf("the load balancer remembers the UDP flow: %+v", s)
	}
	rejected := topology.GWLB.Stats().RejectedFlowCount
	silent(t, near, far, "too late")
	if s := topology.GWLB.Stats(); s.RejectedFlowCount == rejected || s.Dropped() > 0 {
		t.Errorf("late data: %+v", s)
	}
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the server's end: %v", err)
	}
}
