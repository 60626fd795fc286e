package capture_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/pkg/capture"
)

// rig is a cable between a load balancer and a sensor with the program at its end.
type rig struct {
	near   lab.End // the load balancer's
	far    lab.End // the sensor's
	wire   *lab.Wire
	sensor *bpf.Sensor
	index  int

	sources []capture.Source // of deal
	xsks    []*capture.XSK   // likewise
}

var (
	balancer = netip.MustParseAddr("10.77.9.1")
	target   = netip.MustParseAddr("10.77.9.10")
)

func newRig(t testing.TB, o bpf.Options) *rig { return newRigWith(t, o, 1, false) }

const jumboMTU = 8500 + 68 // what a load balancer sends

// jumboRig is a rig whose frames may lie in several buffers.
func jumboRig(t testing.TB, queues int) *rig {
	t.Helper()
	if !bpf.HaveFrags() {
		t.Skip("needs Linux 5.18, which has XDP for frames of several buffers")
	}
	r := newRigWith(t, bpf.Options{Mode: bpf.ModeGWLB, Frags: true}, queues, false)
	if err := r.far.NS.Run(func() error {
		dev, err := net.InterfaceByName(r.far.Name)
		if err != nil {
			return err
		}
		return bpf.Jumbo(dev, bpf.ModeGWLB)
	}); err != nil {
		t.Skip(err)
	}
	return r
}

// newRigWith makes more receive queues than one, or has the load balancer's end drop all that comes back.
func newRigWith(t testing.TB, o bpf.Options, queues int, sink bool) *rig {
	t.Helper()
	l := newLab(t)
	near, err := l.Namespace("lb")
	check(t, err)
	far, err := l.Namespace("sensor")
	check(t, err)
	for _, n := range []*lab.Namespace{near, far} { // which would speak of its own accord
		check(t, n.Sysctl("net/ipv6/conf/default/disable_ipv6", "1"))
	}
	mtu := 2000
	if o.Frags {
		mtu = jumboMTU
	}
	lb, appliance, err := l.Cable(
		lab.End{NS: near, Name: "eth0", Addrs: []netip.Prefix{netip.PrefixFrom(balancer, 24)}, MTU: mtu, Pass: !sink, Sink: sink, Queues: queues},
		lab.End{NS: far, Name: "eth0", Addrs: []netip.Prefix{netip.PrefixFrom(target, 24)}, MTU: mtu, Queues: queues})
	check(t, err)
	return rigOn(t, o, lb, appliance)
}

// rigOn attaches the program to the sensor's end of a cable.
func rigOn(t testing.TB, o bpf.Options, near, far lab.End) *rig {
	t.Helper()
	r := &rig{near: near, far: far}
	var err error
	o.Name, o.NoPin, o.Sources, o.Flows = far.Name, true, 1024, 1024
	r.sensor, err = bpf.Load(o)
	check(t, err)
	closeAfter(t, r.sensor.Close)
	check(t, far.NS.Run(func() error {
		mode, err := r.sensor.Attach(far.Name)
		if err == nil && mode != "native" {
			t.Errorf("the program is attached %s; want native", mode)
		}
		return err
	}))
	r.index, err = far.NS.Index(far.Name)
	check(t, err)
	r.wire, err = lab.OpenWire(near.NS, near.Name)
	check(t, err)
	closeAfter(t, r.wire.Close)
	return r
}

// newLab skips the test without root, and only then.
func newLab(t testing.TB) *lab.Lab {
	t.Helper()
	name := strings.ToLower(strings.ReplaceAll(t.Name(), "/", ""))
	l, err := lab.New(name[:min(len(name), 20)])
	if err != nil && os.Geteuid() != 0 {
		t.Skip(err)
	}
	check(t, err)
	closeAfter(t, l.Close)
	return l
}

func (r *rig) open(t testing.TB, cfg capture.XSKConfig) *capture.XSK {
	t.Helper()
	cfg.Ifindex, cfg.Sockets, cfg.Credit = r.index, r.sensor.Sockets(), r.sensor.Credit(cfg.Queue)
	var x *capture.XSK
	check(t, r.far.NS.Run(func() (err error) {
		x, err = capture.OpenXSK(cfg)
		return err
	}))
	closeAfter(t, x.Close)
	return x
}

// frames are GENEVE frames as the load balancer sends them, each with its number and random bytes within.
func (r *rig) frames(n int) [][]byte { return r.framesTo(n, 1432) }

// framesTo are frames whose inner packets have up to most bytes, each hundredth that many.
func (r *rig) framesTo(n, most int) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	g := lab.Geneve{SrcMAC: [6]byte(r.near.MAC), DstMAC: [6]byte(r.far.MAC), Src: balancer, Dst: target, Endpoint: 7, Cookie: 9}
	frames := make([][]byte, n)
	for i := range frames {
		g.SrcPort, g.ID = uint16(1024+i%1000), uint16(i)
		size := 32 + rng.IntN(most-32)
		if i%100 == 0 {
			size = most
		}
		b := make([]byte, most+100)
		frames[i] = b[:g.Wrap(b, udpPacket(rng, size, uint32(i)))]
	}
	return frames
}

// udpPacket is an IPv4 UDP datagram of size bytes in all that carries number.
func udpPacket(rng *rand.Rand, size int, number uint32) []byte {
	p := make([]byte, size)
	copy(p, []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 198, 51, 100, 10, 10, 77, 1, 10, 0x30, 0x39, 0, 53})
	binary.BigEndian.PutUint16(p[2:], uint16(size))
	binary.BigEndian.PutUint16(p[24:], uint16(size-20))
	binary.BigEndian.PutUint32(p[28:], number)
	for i := 32; i < size; i++ {
		p[i] = byte(rng.Uint32())
	}
	return p
}

// swapped is what the load balancer wants back.
func swapped(frame []byte) []byte {
	b := bytes.Clone(frame)
	copy(b, frame[6:12])
	copy(b[6:], frame[:6])
	copy(b[26:], frame[30:34])
	copy(b[30:], frame[26:30])
	return b
}

// geneve reads GENEVE frames from the wire until count have come or nothing comes for a while.
func (r *rig) geneve(t testing.TB, count int) map[string]int {
	t.Helper()
	got := map[string]int{}
	for idle := 0; count > 0 && idle < 5; {
		f, err := r.wire.Recv()
		check(t, err)
		if f == nil {
			idle++
			continue
		}
		idle = 0
		if len(f) > 82 && binary.BigEndian.Uint16(f[36:]) == 6081 {
			got[string(f)]++
			count--
		}
	}
	return got
}

func compare(t testing.TB, got map[string]int, sent [][]byte) {
	t.Helper()
	missing := 0
	for _, f := range sent {
		want := string(swapped(f))
		if got[want] != 1 {
			missing++
		}
		delete(got, want)
	}
	if missing > 0 || len(got) > 0 {
		t.Errorf("of %d frames %d did not come back once and byte for byte; %d came that were not sent so", len(sent), missing, len(got))
	}
}

// pump runs the source until count frames have come, or none for 300 ms; judge sets fates.
func pump(t testing.TB, s capture.Source, count int, judge func(f *capture.Frame)) {
	t.Helper()
	frames := make([]capture.Frame, 64)
	for idle := 0; count > 0 && idle < 3; {
		n, err := s.Recv(frames, 100*time.Millisecond)
		check(t, err)
		if n == 0 {
			idle++
			continue
		}
		idle = 0
		count -= n
		for i := range frames[:n] {
			judge(&frames[i])
		}
		check(t, s.Done(frames[:n]))
	}
	if count != 0 {
		t.Errorf("%d frames fewer than expected came", count)
	}
}

// rest lets the source come to rest: buffers that were sent come back, and credit is mended.
func rest(t testing.TB, s capture.Source) {
	t.Helper()
	var frames [1]capture.Frame
	for range 3 {
		if n, err := s.Recv(frames[:], 20*time.Millisecond); n != 0 || err != nil {
			t.Fatalf("%d frames, error %v of a source at rest", n, err)
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func closeAfter(t testing.TB, f func() error) {
	t.Cleanup(func() {
		if err := f(); err != nil {
			t.Error(err)
		}
	})
}
