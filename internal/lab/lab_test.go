package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netns"
)

func TestRequire(t *testing.T) {
	if os.Geteuid() != 0 {
		if err := Require(); err == nil || !strings.Contains(err.Error(), "root") {
			t.Errorf("without root: %v; want an error that says so", err)
		}
		return
	}
	mounted, err := bpffsMounted()
	if err != nil {
		t.Fatal(err)
	}
	switch err := Require(); {
	case mounted && err != nil:
		t.Error(err)
	case !mounted && (err == nil || err.Error() != "lab: no BPF file system at /sys/fs/bpf: mount -t bpf bpf /sys/fs/bpf"):
		t.Errorf("without bpffs: %v", err)
	}
}

// TestMountBPFFS mounts in a mount namespace of its own: the machine's is left alone.
func TestMountBPFFS(t *testing.T) {
	needRoot(t)
	if os.Getenv("WEIR_LAB_MOUNT") != "" {
		undo, err := MountBPFFS()
		if err != nil {
			t.Fatal(err)
		}
		if err := Require(); err != nil {
			t.Error(err)
		}
		if again, err := MountBPFFS(); err != nil || again() != nil {
			t.Error("mounting what is mounted:", err)
		}
		if ok, err := bpffsMounted(); !ok || err != nil {
			t.Error("the second undo took the first mount away")
		}
		if err := undo(); err != nil {
			t.Error(err)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestMountBPFFS$", "-test.v")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	cmd.Env = append(os.Environ(), "WEIR_LAB_MOUNT=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestMountBPFFS") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestCloseRemovesAll(t *testing.T) {
	l := newLab(t)
	top, err := FullTopology(l, Options{Management: true})
	if err != nil {
		t.Fatal(err)
	}
	pattern := filepath.Join(netnsDir, fmt.Sprintf("weir-%d-closeremovesall-*", os.Getpid()))
	if names, err := filepath.Glob(pattern); err != nil || len(names) != 6 {
		t.Errorf("namespaces %v, %v; want 6", names, err)
	}
	order := ""
	l.OnClose(func() error { order += "b"; return nil })
	l.OnClose(func() error { order += "a"; return nil })
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if names, _ := filepath.Glob(pattern); len(names) != 0 || order != "ab" {
		t.Errorf("left: %v, closed in order %q", names, order)
	}
	for _, h := range []*Host{top.Sensor, top.Proxy} {
		a := h.Management.As4()
		if _, err := net.InterfaceByName(fmt.Sprintf("weir-%d-%d", a[2], a[3])); err == nil {
			t.Errorf("the link to %s is left on this machine", h.Host)
		}
	}
}

func TestFailureLeavesNothing(t *testing.T) {
	l := newLab(t)
	a, err := l.Namespace("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Namespace("a"); err == nil || !strings.Contains(err.Error(), "file exists") {
		t.Errorf("a second host of the same name: %v", err)
	}
	_, _, err = l.Cable(End{NS: a, Name: "eth0"}, End{NS: a, Name: "a-name-that-is-far-too-long"})
	if err == nil || !strings.HasPrefix(err.Error(), "lab: cable a/eth0 to a/a-name") {
		t.Errorf("a cable with an impossible name: %v", err)
	}
	if _, err := StartGWLB(GWLBConfig{NS: a, Consumer: "gwlbe", Appliance: "nothere", Addr: netip.MustParseAddr("10.0.0.1"), Targets: make([]Target, 1)}); err == nil {
		t.Error("a load balancer on an interface that is not there")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSweepRemovesTheDead(t *testing.T) {
	needRoot(t)
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("weir-%d-x-attacker", dead.Process.Pid)
	if err := onThread(func() error {
		h, err := netns.NewNamed(name)
		if err == nil {
			h.Close()
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	if _, err := l.Namespace("a"); err != nil {
		t.Fatal(err)
	}
	if err := sweep(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(netnsDir, name)); !os.IsNotExist(err) {
		t.Errorf("the dead process's namespace: %v; want none", err)
	}
	if _, err := os.Stat(l.namespaces[0].Path()); err != nil {
		t.Error("the living process's namespace went too:", err)
	}
}

func TestRunAndStart(t *testing.T) {
	l := newLab(t)
	n, err := l.Namespace("a")
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	var there string
	if err := n.Run(func() (err error) {
		there, err = os.Readlink("/proc/thread-self/ns/net")
		return err
	}); err != nil || there == here {
		t.Errorf("Run was in %s, we are in %s: %v", there, here, err)
	}
	cmd := exec.Command("readlink", "/proc/self/ns/net")
	var out strings.Builder
	cmd.Stdout = &out
	if err := n.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || strings.TrimSpace(out.String()) != there {
		t.Errorf("Start was in %q; want %q: %v", out.String(), there, err)
	}
}

func TestHostTopology(t *testing.T) {
	l := newLab(t)
	top, err := HostTopology(l, Options{Management: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []netip.Addr{top.Proxy.Addr, top.Proxy.Addr6} {
		at := netip.AddrPortFrom(addr, 80)
		server, err := StartHTTPServer(top.Proxy.Namespace, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, attack := range HTTPAttacks() {
			if err := attack.Send(context.Background(), top.Attacker.Namespace, at, 2*time.Second); err != nil {
				t.Error(err)
			}
		}
		from := top.Attacker.Addr
		if addr.Is6() {
			from = top.Attacker.Addr6
		}
		if n := server.SawFrom(from); n != len(HTTPAttacks()) || server.Saw("${jndi:ldap://") != 1 || server.Saw("nothing like it") != 0 {
			t.Errorf("%d requests, %d of log4shell", n, server.Saw("${jndi:ldap://"))
		}
		result, err := PortScan(context.Background(), top.Attacker.Namespace, addr, []uint16{79, 80, 81}, 1000, time.Second)
		if err != nil || result != (ScanResult{Open: 1, Closed: 2}) {
			t.Errorf("port scan: %+v, %v", result, err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}
	testManagement(t, top)
}

// testManagement: the machine itself and the proxy reach each other on the management link, and nobody else does.
func testManagement(t *testing.T, top *Topology) {
	t.Helper()
	collector, err := StartHTTPServer(mustRoot(t, top.Lab), netip.AddrPortFrom(top.Proxy.ManagementGateway, 0))
	if err == nil {
		err = collector.Close()
	}
	if err != nil {
		t.Error(err)
	}
	l, err := mustRoot(t, top.Lab).Listen("tcp", netip.AddrPortFrom(top.Proxy.ManagementGateway, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := top.Proxy.Dial(ctx, "tcp", l.Addr().String())
	if err != nil {
		t.Fatal("proxy to collector:", err)
	}
	conn.Close()
	if conn, err := top.Attacker.Dial(ctx, "tcp", l.Addr().String()); err == nil {
		conn.Close()
		t.Error("the attacker reaches the collector")
	}
}

func mustRoot(t *testing.T, l *Lab) *Namespace {
	t.Helper()
	n, err := l.root()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTwoLabsHaveTheirOwnManagement(t *testing.T) {
	needRoot(t)
	gateways := map[netip.Addr]bool{}
	for range 2 {
		l, err := New(fmt.Sprintf("two%d", len(gateways)))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		top, err := HostTopology(l, Options{Management: true})
		if err != nil {
			t.Fatal(err)
		}
		gateways[top.Proxy.ManagementGateway] = true
	}
	if len(gateways) != 2 {
		t.Errorf("gateways %v; want two", gateways)
	}
}
