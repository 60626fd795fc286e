package bpf

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// mountBPFFS gives the test a bpf file system of its own.
func mountBPFFS(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Fatalf("mount bpf file system: %v (run as root)", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// enterNetNS moves the test's thread into a network namespace of its own. The thread is given up with the test.
func enterNetNS(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	ns, err := netns.New()
	if err != nil {
		t.Fatalf("network namespace: %v (run as root)", err)
	}
	t.Cleanup(func() { ns.Close() })
}

// veth makes a pair whose names are w0 and w1, both up.
func veth(t *testing.T) {
	t.Helper()
	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "w0"}, PeerName: "w1"}))
	for _, name := range []string{"w0", "w1"} {
		up(t, name)
	}
}

func up(t *testing.T, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	must(t, err)
	must(t, netlink.LinkSetUp(l))
	return l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// inject sends the frame n times from the interface.
func inject(t *testing.T, ifname string, frame []byte, n int) {
	t.Helper()
	l, err := netlink.LinkByName(ifname)
	must(t, err)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	for range n {
		must(t, unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: l.Attrs().Index, Halen: 6}))
	}
}

// awaitDrops waits until n packets in all were dropped for their source.
func awaitDrops(t *testing.T, s *Sensor, n uint64) {
	t.Helper()
	var got uint64
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		c, err := s.Counters()
		must(t, err)
		if got = c.Drops[ReasonSource]; got == n {
			return
		}
	}
	t.Fatalf("%d packets dropped, want %d", got, n)
}

// TestLifeCycle follows a sensor through its start, its death, its successor and its end.
func TestLifeCycle(t *testing.T) {
	o := Options{Mode: ModeHost, Name: "w0", BPFFS: mountBPFFS(t), Sources: 64, Flows: 64}
	enterNetNS(t)
	veth(t)
	first, err := Load(o)
	must(t, err)
	if first.Adopted() {
		t.Error("the first sensor adopted maps")
	}
	mode, err := first.Attach("w0")
	if err != nil || mode != "native" {
		t.Fatalf("attached %q, %v", mode, err)
	}
	r := &rig{TB: t, Sensor: first, t: first.Tables()}
	r.source(bad4, Verdict{Action: actDrop})
	seed := first.Control().Seed
	inject(t, "w1", from(bad4), 10)
	awaitDrops(t, first, 10)
	must(t, first.Close())
	inject(t, "w1", from(bad4), 10) // nobody is there, the verdict holds

	second, err := Load(o)
	must(t, err)
	defer second.Close()
	if !second.Adopted() || second.Control().Seed != seed {
		t.Error("the second sensor did not adopt the maps")
	}
	awaitDrops(t, second, 20)
	if mode, err = second.Attach("w0"); err != nil || mode != "native" {
		t.Fatalf("attached %q, %v", mode, err)
	}
	inject(t, "w1", from(bad4), 10)
	awaitDrops(t, second, 30)

	must(t, second.Detach())
	attached := true
	for deadline := time.Now().Add(5 * time.Second); attached && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		l := up(t, "w0") // older kernels let go of a link a moment after its last reference
		attached = l.Attrs().Xdp != nil && l.Attrs().Xdp.Attached
	}
	if attached {
		t.Error("a program is still attached")
	}
	if _, err := os.Stat(o.folder()); err == nil {
		t.Errorf("%s still exists", o.folder())
	}
}

// TestOtherCapacity checks that maps of another size are replaced, and the program with them, without a gap.
func TestOtherCapacity(t *testing.T) {
	o := Options{Mode: ModeHost, Name: "w0", BPFFS: mountBPFFS(t), Sources: 64, Flows: 64}
	enterNetNS(t)
	veth(t)
	first, err := Load(o)
	must(t, err)
	_, err = first.Attach("w0")
	must(t, err)
	must(t, first.Close())
	o.Sources = 1 << 10
	second, err := Load(o)
	must(t, err)
	defer second.Close()
	if second.Adopted() {
		t.Error("maps of another size were adopted")
	}
	_, err = second.Attach("w0")
	must(t, err)
	r := &rig{TB: t, Sensor: second, t: second.Tables()}
	r.source(bad4, Verdict{Action: actDrop})
	inject(t, "w1", from(bad4), 5)
	awaitDrops(t, second, 5)
	must(t, second.Detach())
}

// TestOldABI takes over the link that a sensor of another ABI left, and one of an interface that is gone.
func TestOldABI(t *testing.T) {
	o := Options{Mode: ModeHost, Name: "w0", BPFFS: mountBPFFS(t), Sources: 64, Flows: 64}
	enterNetNS(t)
	veth(t)
	old := filepath.Join(o.BPFFS, "weir", "v0", "w0")
	must(t, os.MkdirAll(old, 0o700))
	l, err := link.AttachXDP(link.XDPOptions{Program: pass(t, "sensor"), Interface: up(t, "w0").Attrs().Index})
	must(t, err)
	must(t, l.Pin(filepath.Join(old, "link_w0")))
	must(t, l.Close())

	s, err := Load(o)
	must(t, err)
	defer s.Close()
	_, err = s.Attach("w0")
	must(t, err)
	if _, err := os.Stat(filepath.Join(o.folder(), "link_w0")); err != nil {
		t.Errorf("link not pinned in its new place: %v", err)
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("the old version's maps are still pinned in %s: %v", old, err)
	}
	must(t, s.Close())

	must(t, netlink.LinkDel(up(t, "w0")))
	veth(t) // the same names, another interface
	s, err = Load(o)
	must(t, err)
	defer s.Close()
	_, err = s.Attach("w0")
	must(t, err)
	r := &rig{TB: t, Sensor: s, t: s.Tables()}
	r.source(bad4, Verdict{Action: actDrop})
	inject(t, "w1", from(bad4), 3)
	awaitDrops(t, s, 3)
	must(t, s.Detach())
}

// pass is a program that lets everything through.
func pass(t *testing.T, name string) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: name, Type: ebpf.XDP, AttachType: ebpf.AttachXDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpPass), asm.Return()}})
	must(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}

func TestForeignProgram(t *testing.T) {
	enterNetNS(t)
	veth(t)
	l, err := link.AttachXDP(link.XDPOptions{Program: pass(t, "somebody"), Interface: up(t, "w0").Attrs().Index})
	must(t, err)
	s := mustLoad(t, Options{Mode: ModeHost, Sources: 64, Flows: 64})
	if _, err = s.Attach("w0"); err == nil || !strings.Contains(err.Error(), `w0 already carries XDP program "somebody"`) {
		t.Errorf("error %v, want the program named", err)
	}
	must(t, l.Close())
	_, err = s.Attach("w0")
	must(t, err)
}

// TestGeneric attaches to an interface whose driver knows nothing of XDP.
func TestGeneric(t *testing.T) {
	enterNetNS(t)
	s := mustLoad(t, Options{Mode: ModeHost, Sources: 64, Flows: 64})
	if mode, err := s.Attach("lo"); err != nil || mode != "generic" {
		t.Errorf("attached %q, %v", mode, err)
	}
	must(t, s.Detach())
	if _, err := s.Attach("w9"); err == nil || !strings.Contains(err.Error(), "interface w9") {
		t.Errorf("error %v, want the interface named", err)
	}
}

// TestJumbo attaches the program for frames of several buffers to an interface with a large MTU, where that for one buffer gets the
// generic hook, and checks that it judges what lies in several.
func TestJumbo(t *testing.T) {
	if !HaveFrags() {
		t.Skip("needs Linux 5.18: frames of several buffers")
	}
	enterNetNS(t)
	veth(t)
	for _, name := range []string{"w0", "w1"} {
		must(t, netlink.LinkSetMTU(up(t, name), 9000))
	}
	one := mustLoad(t, Options{Mode: ModeHost, Sources: 64, Flows: 64})
	if mode, err := one.Attach("w0"); err == nil && mode != "generic" {
		t.Errorf("attached %q: a frame of 9000 bytes fits one buffer here, and this test shows nothing", mode)
	}
	must(t, one.Detach())
	for _, mode := range []Mode{ModeGWLB, ModeBridge} { // inline the generic hook is no way out
		one := mustLoad(t, Options{Mode: mode, Sources: 64, Flows: 64})
		if how, err := one.Attach("w0"); err == nil || !strings.Contains(err.Error(), "ip link set dev w0 mtu 3498") {
			t.Errorf("%v: attached %q with frames of 9000 bytes and a program for one buffer: %v", mode, how, err)
		}
	}
	s := mustLoad(t, Options{Mode: ModeHost, Sources: 64, Flows: 64, Frags: true})
	if mode, err := s.Attach("w0"); err != nil || mode != "native" {
		t.Fatalf("attached %q, %v", mode, err)
	}
	r := &rig{TB: t, Sensor: s, t: s.Tables()}
	r.source(bad4, Verdict{Action: actDrop})
	inject(t, "w1", eth(ethIP4, ip4(bad4, server4, protoUDP, udp(9, 9, make([]byte, 8900)))), 3)
	awaitDrops(t, s, 3)
	if c := r.counters(); c.Drops[ReasonSource] != 3 || c.Drops[ReasonBadIP] != 0 {
		t.Errorf("drops %v", c.Drops)
	}
	must(t, s.Detach())
}

// TestRefusals checks that what cannot be is said in one sentence that names it.
func TestRefusals(t *testing.T) {
	for want, o := range map[string]Options{
		"mode mode(7)":               {Mode: 7, Name: "x"},
		"name \"\"":                  {Mode: ModeHost},
		"name \"../x\"":              {Mode: ModeHost, Name: "../x"},
		"ring bytes 5000":            {Mode: ModeHost, Name: "x", RingBytes: 5000},
		"rings 65":                   {Mode: ModeHost, Name: "x", Rings: 65},
		"is not a bpf file system":   {Mode: ModeHost, Name: "x", BPFFS: t.TempDir()},
		"mount a bpf file system":    {Mode: ModeHost, Name: "x", BPFFS: "/nowhere"},
		"snap length -1: must be 1 ": {Mode: ModeHost, Name: "x", SnapLen: -1},
	} {
		if _, err := Load(o); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: error %v, want %q", o, err, want)
		}
	}
}

// TestUnprivileged loads as nobody, in a process of its own.
func TestUnprivileged(t *testing.T) {
	if os.Getenv("WEIR_TEST_UNPRIVILEGED") != "" {
		_, err := Load(Options{Mode: ModeHost, Name: "x", NoPin: true})
		if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "run as root") {
			t.Errorf("error %v, want permission and what to do", err)
		}
		return
	}
	self := filepath.Join(t.TempDir(), "bpf.test")
	copyFile(t, os.Args[0], self)
	must(t, os.Chmod(filepath.Dir(filepath.Dir(self)), 0o755))
	cmd := exec.Command(self, "-test.run=^TestUnprivileged$")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "WEIR_TEST_UNPRIVILEGED=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	must(t, err)
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	must(t, err)
	_, err = io.Copy(out, in)
	must(t, err)
	must(t, out.Close())
}

func TestClock(t *testing.T) {
	for _, hz := range []int64{100, 250, 300, 1000} {
		for _, up := range []time.Duration{time.Second, time.Hour, 400 * 24 * time.Hour} {
			jiffies := int64(uint32(-300*hz)) + int64(up/time.Millisecond)*hz/1000
			c, err := newClock(jiffies, up)
			if err != nil || c.hz != hz {
				t.Errorf("HZ %d up %v: %+v %v", hz, up, c, err)
				continue
			}
			if got := c.Tick(up); got != uint32(jiffies>>c.shift) {
				t.Errorf("HZ %d up %v: tick %d, XDP has %d", hz, up, got, uint32(jiffies>>c.shift))
			}
			if l := c.Length(); l < 50*time.Millisecond || l > 100*time.Millisecond {
				t.Errorf("HZ %d: a tick lasts %v", hz, l)
			}
			if back := c.Time(c.Tick(up)); back > up || up-back > c.Length() {
				t.Errorf("HZ %d up %v: tick begins at %v", hz, up, back)
			}
		}
	}
	if _, err := newClock(12345, time.Hour); err == nil {
		t.Error("no error for jiffies that fit no HZ")
	}
}
