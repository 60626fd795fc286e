package inline

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/lab"
)

const rejectRules = `reject tcp any any -> any any (msg:"sender"; content:"tell-me"; sid:1;)
rejectdst tcp any any -> any any (msg:"receiver"; content:"tell-them"; sid:2;)
rejectboth tcp any any -> any any (msg:"both"; content:"tell-all"; sid:3;)
reject udp any any -> any any (msg:"sender, UDP"; content:"tell-me"; sid:4;)
`

// TestRejectThroughTheTunnel resets connections in the way of a load balancer, which accepts the answers as the flow's own.
func TestRejectThroughTheTunnel(t *testing.T) {
	topology, err := lab.GWLBTopology(newLab(t), lab.Options{})
	check(t, err)
	startSensor(t, topology.Sensor.Namespace, rejectRules, "mode: gwlb\ninterfaces: [eth0]\n")
	testReject(t, topology.Client, topology.Server)
	if g := topology.GWLB.Stats(); g.Dropped() > 0 {
		t.Errorf("the load balancer dropped what the sensor sent: %+v", g)
	}
}

// TestRejectOnAHost resets connections whose packets have passed the sensor already.
func TestRejectOnAHost(t *testing.T) {
	topology, err := lab.HostTopology(newLab(t), lab.Options{})
	check(t, err)
	startSensor(t, topology.Proxy.Namespace, rejectRules, "mode: host\ninterfaces: [eth0]\n")
	testReject(t, topology.Client, topology.Proxy)
}

func testReject(t *testing.T, client, server *lab.Host) {
	for _, k := range []struct {
		name, payload  string
		client, server bool // who is told
	}{
		{"sender", "tell-me", true, false},
		{"receiver", "tell-them", false, true},
		{"both", "tell-all", true, true},
		{"nobody", "harmless", false, false},
	} {
		for family, addr := range map[string]netip.Addr{"IPv4": server.Addr, "IPv6": server.Addr6} {
			t.Run(k.name+"/"+family, func(t *testing.T) {
				near, far := connect(t, client, server, addr)
				_, err := near.Write([]byte(k.payload))
				check(t, err)
				if got := wasReset(near); got != k.client {
					t.Errorf("the client was reset: %v, want %v", got, k.client)
				}
				if got := wasReset(far); got != k.server {
					t.Errorf("the server was reset: %v, want %v", got, k.server)
				}
			})
		}
	}
	for family, addr := range map[string]netip.Addr{"IPv4": server.Addr, "IPv6": server.Addr6} {
		t.Run("UDP/"+family, func(t *testing.T) {
			l, err := server.ListenPacket("udp", netip.AddrPortFrom(addr, 53).String()) // which would be silent
			check(t, err)
			defer l.Close()
			conn, err := client.Dial(context.Background(), "udp", netip.AddrPortFrom(addr, 53).String())
			check(t, err)
			defer conn.Close()
			_, err = conn.Write([]byte("tell-me, please"))
			check(t, err)
			conn.SetReadDeadline(time.Now().Add(2 * time.Second))
			_, err = conn.Read(make([]byte, 1))
			if !errors.Is(err, syscall.EHOSTUNREACH) && !errors.Is(err, syscall.EACCES) {
				t.Errorf("the client reads %v; want the error of an ICMP message", err)
			}
		})
	}
}

// connect makes a TCP connection and returns both ends.
func connect(t *testing.T, client, server *lab.Host, addr netip.Addr) (near, far net.Conn) {
	t.Helper()
	l, err := server.Listen("tcp", netip.AddrPortFrom(addr, 0).String())
	check(t, err)
	defer l.Close()
	near, err = client.Dial(context.Background(), "tcp", l.Addr().String())
	check(t, err)
	t.Cleanup(func() { near.Close() })
	far, err = l.Accept()
	check(t, err)
	t.Cleanup(func() { far.Close() })
	return near, far
}

// wasReset reads until the connection is reset, or nothing has come for a while.
func wasReset(c net.Conn) bool {
	c.SetReadDeadline(time.Now().Add(700 * time.Millisecond))
	for {
		if _, err := c.Read(make([]byte, 100)); err != nil {
			return errors.Is(err, syscall.ECONNRESET) || strings.Contains(err.Error(), "reset")
		}
	}
}
