package bpf

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// xdpTools runs a program of xdp-tools in the test's network namespace, with the pins of its own bpf file system.
type xdpTools struct {
	*testing.T
	bpffs string
}

func newXDPTools(t *testing.T, bpffs string) xdpTools {
	t.Helper()
	for _, tool := range []string{"xdp-loader", "xdp-filter"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s: apt-get install xdp-tools", tool)
		}
	}
	return xdpTools{t, bpffs}
}

func (x xdpTools) run(name string, args ...string) string {
	x.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LIBXDP_BPFFS="+x.bpffs)
	out, err := cmd.CombinedOutput()
	if err != nil {
		x.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// status is what xdp-loader says of an interface: the names of its parts, in order, each with its priority and actions.
func (x xdpTools) status(ifname string) (parts []string) {
	x.Helper()
	for line := range strings.Lines(x.run("xdp-loader", "status", ifname)) {
		if f := strings.Fields(line); len(f) > 5 && f[0] == "=>" {
			parts = append(parts, f[2]+" "+f[1]+" "+strings.Join(f[5:], " "))
		}
	}
	return parts
}

// id is the number by which xdp-loader knows a part.
func (x xdpTools) id(ifname, name string) string {
	x.Helper()
	for line := range strings.Lines(x.run("xdp-loader", "status", ifname)) {
		if f := strings.Fields(line); len(f) > 5 && f[2] == name {
			return f[3]
		}
	}
	x.Fatalf("xdp-loader knows no %s on %s", name, ifname)
	return ""
}

func (x xdpTools) expectStatus(want ...string) {
	x.Helper()
	if got := x.status("w0"); fmt.Sprint(got) != fmt.Sprint(want) {
		x.Errorf("xdp-loader status: %q, want %q", got, want)
	}
}

// another is a program that xdp-loader loads, libxdp's filter of UDP ports without any port in it: it counts what comes to it.
const another = "/usr/lib/x86_64-linux-gnu/bpf/xdpfilt_alw_udp.o"

// counted is how many packets a filter of xdp-tools has seen, by its own count.
func (x xdpTools) counted(name string) (n uint64) {
	x.Helper()
	iface, err := net.InterfaceByName("w0")
	must(x.T, err)
	d, _, err := current(x.bpffs, iface)
	must(x.T, err)
	defer d.close()
	for _, p := range d.parts {
		if p.name != name {
			continue
		}
		info, err := p.prog.Info()
		must(x.T, err)
		ids, _ := info.MapIDs()
		for _, id := range ids {
			m, err := ebpf.NewMapFromID(id)
			must(x.T, err)
			if info, err := m.Info(); err == nil && info.Name == "xdp_stats_map" {
				n += sumFirst(x.T, m)
			}
			m.Close()
		}
	}
	return n
}

// sumFirst adds up the first counter of all values of an array by processor: of packets.
func sumFirst(t *testing.T, m *ebpf.Map) (n uint64) {
	t.Helper()
	for key := range m.MaxEntries() {
		var values [][2]uint64
		must(t, m.Lookup(key, &values))
		for _, v := range values {
			n += v[0]
		}
	}
	return n
}

// awaitPackets waits until n packets in all have come to the sensor, which it drops or not.
func awaitPackets(t *testing.T, s *Sensor, n uint64) {
	t.Helper()
	var got uint64
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		c, err := s.Counters()
		must(t, err)
		if got = c.Paths[PathPackets]; got >= n {
			break
		}
	}
	if got != n {
		t.Errorf("%d packets came to the sensor, want %d", got, n)
	}
}

// noNoise has the interfaces send nothing by themselves.
func noNoise(t *testing.T) {
	t.Helper()
	for _, name := range []string{"w0", "w1"} {
		must(t, os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0o644))
	}
}

// takesParts reports whether the kernel takes programs of type EXT. Of one that does not it has seen that Attach says so, which is all
// that is asked of it; the kernels of test/kernels do.
func takesParts(t *testing.T, o Options) bool {
	t.Helper()
	s, err := Load(o)
	must(t, err)
	defer s.Close()
	part, err := s.loadPart()
	if err == nil {
		part.Close()
		return true
	}
	if _, err := s.Attach("w0"); err == nil || !strings.Contains(err.Error(), "the kernel must take programs of type EXT") {
		t.Errorf("error %v, want what the kernel lacks", err)
	}
	if l := up(t, "w0"); l.Attrs().Xdp != nil && l.Attrs().Xdp.Attached {
		t.Error("refused, and yet attached")
	}
	must(t, s.Detach())
	t.Logf("this kernel takes no programs of type EXT, and Attach says so: %v", err)
	return false
}

// TestCoexist shares an interface with programs of xdp-tools that were there before and that come after, over a restart and until the
// end, and has xdp-loader look at it.
func TestCoexist(t *testing.T) {
	o := Options{Mode: ModeHost, Name: "w0", BPFFS: mountBPFFS(t), Sources: 64, Flows: 64, Coexist: true}
	enterNetNS(t)
	veth(t)
	noNoise(t)
	if !takesParts(t, o) {
		return
	}
	x := newXDPTools(t, o.BPFFS)
	x.run("xdp-filter", "load", "--features", "ipv4", "w0")
	x.run("xdp-filter", "ip", "--mode", "src", good4)
	first, err := Load(o)
	must(t, err)
	mode, err := first.Attach("w0")
	if want := "native, shared: xdpfilt_alw_ip (priority 10), sensor (priority 15)"; err != nil || mode != want {
		t.Fatalf("attached %q, %v, want %q", mode, err, want)
	}
	x.expectStatus("xdpfilt_alw_ip 10 XDP_PASS", "sensor 15 XDP_PASS")
	r := &rig{TB: t, Sensor: first, t: first.Tables()}
	r.source(bad4, Verdict{Action: actDrop})
	rounds := uint64(0)
	send := func(s *Sensor) {
		t.Helper()
		rounds++
		inject(t, "w1", from(good4), 5)       // xdp-filter drops these
		inject(t, "w1", from(bad4), 10)       // the sensor these
		inject(t, "w1", from("192.0.2.1"), 3) // and nobody these
		awaitDrops(t, s, 10*rounds)
		awaitPackets(t, s, 13*rounds)
		if n := x.counted("xdpfilt_alw_ip"); n != 18*rounds {
			t.Errorf("%d packets came to xdp-filter, want %d", n, 18*rounds)
		}
	}
	send(first)

	x.run("xdp-loader", "load", "--prio", "60", "--pin-path", filepath.Join(o.BPFFS, "another"), "w0", another)
	all := []string{"xdpfilt_alw_ip 10 XDP_PASS", "sensor 15 XDP_PASS", "xdpfilt_alw_udp 60 XDP_PASS"}
	x.expectStatus(all...)
	must(t, first.On("w0"))
	send(first)
	must(t, first.Close())
	inject(t, "w1", from(bad4), 10) // nobody is there, the verdict holds

	second, err := Load(o)
	must(t, err)
	defer second.Close()
	if !second.Adopted() {
		t.Error("the second sensor did not adopt the maps")
	}
	awaitDrops(t, second, 30)
	_, err = second.Attach("w0")
	must(t, err)
	x.expectStatus(all...)
	inject(t, "w1", from(good4), 5)
	inject(t, "w1", from(bad4), 10)
	inject(t, "w1", from("192.0.2.1"), 7)
	awaitDrops(t, second, 40)
	awaitPackets(t, second, 53)
	if n := x.counted("xdpfilt_alw_udp"); n != 10 {
		t.Errorf("%d packets came to the program behind the sensor, want 10", n)
	}
	x.run("xdp-loader", "unload", "w0", "--id", x.id("w0", "xdpfilt_alw_udp"))
	x.expectStatus(all[:2]...)
	must(t, second.On("w0"))

	must(t, second.Detach())
	x.expectStatus(all[0])
	inject(t, "w1", from(good4), 5)
	x.run("xdp-filter", "unload", "w0")
	x.expectStatus()
	expectClean(t, o)
}

// TestCoexistFirst has the sensor come first, xdp-filter take all programs off, and somebody who shares nothing in the way.
func TestCoexistFirst(t *testing.T) {
	o := Options{Mode: ModeHost, Name: "w0", BPFFS: mountBPFFS(t), Sources: 64, Flows: 64, Coexist: true, Priority: 5}
	enterNetNS(t)
	veth(t)
	if !takesParts(t, o) {
		return
	}
	x := newXDPTools(t, o.BPFFS)
	s, err := Load(o)
	must(t, err)
	defer s.Close()
	_, err = s.Attach("w0")
	must(t, err)
	x.expectStatus("sensor 5 XDP_PASS")
	x.run("xdp-filter", "load", "--features", "ipv4", "w0")
	x.expectStatus("sensor 5 XDP_PASS", "xdpfilt_alw_ip 10 XDP_PASS")
	alone := o
	alone.Coexist, alone.Name = false, "alone"
	other, err := Load(alone)
	must(t, err)
	if _, err = other.Attach("w0"); err == nil || !strings.Contains(err.Error(), "sensor (priority 5), xdpfilt_alw_ip (priority 10): join them") {
		t.Errorf("error %v, want who is there", err)
	}
	must(t, other.Detach())
	must(t, other.Close())
	x.run("xdp-filter", "unload", "w0")
	must(t, s.On("w0"))
	x.run("xdp-loader", "unload", "w0", "--all")
	if err := s.On("w0"); err == nil || !strings.Contains(err.Error(), "is not on it any more") {
		t.Errorf("error %v, want that it was taken off", err)
	}

	l, err := link.AttachXDP(link.XDPOptions{Program: pass(t, "somebody"), Interface: up(t, "w0").Attrs().Index})
	must(t, err)
	if _, err = s.Attach("w0"); err == nil || !strings.Contains(err.Error(), `"somebody"`) || !strings.Contains(err.Error(), "not made to share") {
		t.Errorf("error %v, want the program named", err)
	}
	must(t, l.Close())
	_, err = s.Attach("w0")
	must(t, err)
	must(t, Unpin(o.BPFFS, o.Name)) // as another process would
	x.expectStatus()
	expectClean(t, o)
}

// TestCoexistSwitch refuses to change between sharing and not while the program is attached.
func TestCoexistSwitch(t *testing.T) {
	o := Options{Mode: ModeHost, Name: "w0", BPFFS: mountBPFFS(t), Sources: 64, Flows: 64, Coexist: true}
	enterNetNS(t)
	veth(t)
	if !takesParts(t, o) {
		return
	}
	alone := o
	alone.Coexist = false
	s, err := Load(alone)
	must(t, err)
	_, err = s.Attach("w0")
	must(t, err)
	shared, err := Load(o)
	must(t, err)
	if _, err := shared.Attach("w0"); err == nil || !strings.Contains(err.Error(), "sensor detach") {
		t.Errorf("error %v, want what to do", err)
	}
	must(t, shared.Close())
	must(t, s.Detach())
	must(t, s.Close())
}

// expectClean checks that nothing is left pinned but libxdp's own folder and those of xdp-tools.
func expectClean(t *testing.T, o Options) {
	t.Helper()
	for _, pattern := range []string{"xdp/dispatch-*", "weir/v*/*"} {
		if left, err := filepath.Glob(filepath.Join(o.BPFFS, pattern)); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}
