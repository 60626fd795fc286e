package inline

import (
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/weir-ips/weir/internal/lab"
)

// TestFragmentsWithSeveralWorkers has the router cut TCP segments into IP fragments. A rule's pattern begins in a whole segment and ends in
// fragments: only the worker that has the connection can find it, so the fragments must come to that one. The lab's load balancer takes
// no later fragment of TCP, which has no ports; the choice of the worker is the same.
func TestFragmentsWithSeveralWorkers(t *testing.T) {
	topology, err := lab.BridgeTopology(newLab(t), lab.Options{Queues: 2})
	check(t, err)
	check(t, topology.VPC.Run(func() error { // the router's interface towards the sensor
		link, err := netlink.LinkByName(topology.Server.RouterDev)
		if err != nil {
			return err
		}
		return netlink.LinkSetMTU(link, 576)
	}))
	s := startSensor(t, topology.Sensor.Namespace, dropRules, fmt.Sprintf(bridgeSettings, "open")+"workers: 4\n")
	for range 6 { // ports that would have chosen any worker
		inFragments(t, topology, "harmless", true)
		inFragments(t, topology, "payload", false)
	}
	st, err := s.Status()
	if err != nil || st.Traffic.Alerts < 6 || st.Traffic.Lost+st.Traffic.Uninspected > 0 {
		t.Errorf("%+v, %v", st.Traffic, err)
	}
}

// inFragments says "evil-", and then a text and more in a segment that the router cuts.
func inFragments(t *testing.T, topology *lab.Topology, text string, arrives bool) {
	t.Helper()
	near, far := connect(t, topology.Client, topology.Server, topology.Server.Addr)
	defer near.Close()
	defer far.Close()
	mayCut(t, near)
	says(t, near, far, "evil-")
	text += strings.Repeat(".", 1300)
	_, err := near.Write([]byte(text))
	check(t, err)
	wait := 300 * time.Millisecond
	if arrives {
		wait = 5 * time.Second
	}
	far.SetReadDeadline(time.Now().Add(wait))
	got := make([]byte, len(text))
	switch n, err := io.ReadFull(far, got); {
	case arrives && (err != nil || string(got) != text):
		t.Errorf("%d of %d bytes arrived of what is harmless: %v", n, len(text), err)
	case !arrives && n > 0:
		t.Errorf("%d bytes arrived of what a rule drops", n)
	}
}

// mayCut lets routers cut a connection's packets (ip(7), IP_MTU_DISCOVER).
func mayCut(t *testing.T, conn net.Conn) {
	t.Helper()
	raw, err := conn.(syscall.Conn).SyscallConn()
	check(t, err)
	var fault error
	check(t, raw.Control(func(fd uintptr) {
		fault = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_MTU_DISCOVER, syscall.IP_PMTUDISC_DONT)
	}))
	check(t, fault)
}
