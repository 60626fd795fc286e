package inline

import (
	"encoding/binary"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/lab"
)

// TestZeroCopy runs the sensor with zero-copy mode on a network card, of two with a cable between them that WEIR_CARDS names, without on a
// veth, which has no such mode. XDP sends back all that comes: be it that the driver loses that in zero-copy mode, the sensor must find
// out, and then nothing may be lost.
func TestZeroCopy(t *testing.T) {
	near, far := cards(t)
	s := startSensor(t, far.NS, dropRules, "mode: gwlb\ninterfaces: ["+far.Name+"]\nzero-copy: true\n")
	check(t, s.KillSwitch(true)) // XDP sends back all, by itself
	wire, err := lab.OpenWire(near.NS, near.Name)
	check(t, err)
	t.Cleanup(func() { check(t, wire.Close()) })
	sent, lost := 0, 0
	for whole, start := 0, time.Now(); whole < 10; { // batches in a row of which all came back
		if time.Since(start) > time.Minute {
			t.Fatalf("after a minute of %d frames %d are still lost", sent, lost)
		}
		back := echoes(t, wire, near, far, 20)
		sent, lost, whole = sent+20, lost+20-back, whole+1
		if back < 20 {
			whole = 0
		}
	}
	log, err := os.ReadFile(s.log)
	check(t, err)
	told := strings.Contains(string(log), "all sockets go to copy mode")
	if told != (lost > 0) {
		t.Errorf("%d frames of %d were lost, and the sensor found that out: %v", lost, sent, told)
	}
	t.Logf("zero-copy: of %d frames that XDP sent back %d were lost before all came; the driver was found out: %v", sent, lost, told)
}

var (
	balancer = netip.MustParsePrefix("10.77.9.1/24")
	target   = netip.MustParsePrefix("10.77.9.10/24")
)

// cards are the load balancer's end of a cable, and the sensor's.
func cards(t *testing.T) (near, far lab.End) {
	t.Helper()
	l := newLab(t)
	lb, err := l.Namespace("lb")
	check(t, err)
	sensor, err := l.Namespace("sensor")
	check(t, err)
	for _, n := range []*lab.Namespace{lb, sensor} { // which would speak of its own accord
		check(t, n.Sysctl("net/ipv6/conf/default/disable_ipv6", "1"))
	}
	if first, second, ok := strings.Cut(os.Getenv("WEIR_CARDS"), ","); ok {
		near, err = lb.Take(first, balancer)
		check(t, err)
		far, err = sensor.Take(second, target)
	} else {
		near, far, err = l.Cable(lab.End{NS: lb, Name: "eth0", Addrs: []netip.Prefix{balancer}, Pass: true},
			lab.End{NS: sensor, Name: "eth0", Addrs: []netip.Prefix{target}})
	}
	check(t, err)
	return near, far
}

// echoes sends n frames as the load balancer and returns how many come back.
func echoes(t *testing.T, wire *lab.Wire, near, far lab.End, n int) (back int) {
	t.Helper()
	g := lab.Geneve{SrcMAC: [6]byte(near.MAC), DstMAC: [6]byte(far.MAC), Src: balancer.Addr(), Dst: target.Addr(), SrcPort: 4000, Endpoint: 7, Cookie: 9}
	inner := make([]byte, 60)
	copy(inner, []byte{0x45, 0, 0, 60, 0, 0, 0x40, 0, 64, 17, 0, 0, 198, 51, 100, 10, 10, 77, 1, 10, 0x30, 0x39, 0, 53, 0, 40})
	frame := make([]byte, 200)
	frame = frame[:g.Wrap(frame, inner)]
	for range n {
		_, err := wire.Send(frame)
		check(t, err)
	}
	for idle := 0; back < n && idle < 6; /* 100 ms each */ {
		f, err := wire.Recv()
		check(t, err)
		switch {
		case f == nil:
			idle++
		case len(f) == len(frame) && binary.BigEndian.Uint16(f[36:]) == 6081:
			back++
		}
	}
	return back
}
