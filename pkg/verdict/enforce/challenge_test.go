package enforce

import (
	"context"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/lab"
)

// wire is a client and a server in namespaces of their own, with our program before the server.
type wire struct {
	t              *testing.T
	client, server *lab.Namespace
	near, far      lab.End
	*Enforcer
	counters func() bpf.Counters
}

func newWire(t *testing.T) *wire {
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces")
	}
	l, err := lab.New("challenge")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	w := &wire{t: t}
	for host, ns := range map[string]**lab.Namespace{"client": &w.client, "server": &w.server} {
		if *ns, err = l.Namespace(host); err != nil {
			t.Fatal(err)
		}
	}
	w.near, w.far, err = l.Cable(
		lab.End{NS: w.client, Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.77.8.1/24"), netip.MustParsePrefix("fd77::1/64")}, Pass: true},
		lab.End{NS: w.server, Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.77.8.10/24"), netip.MustParsePrefix("fd77::10/64")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct{ dst, via string }{{"0.0.0.0/0", "10.77.8.1"}, {"::/0", "fd77::1"}} { // hosts have a way back to whoever asks
		if err := w.server.Route(netip.MustParsePrefix(r.dst), netip.MustParseAddr(r.via), "eth0"); err != nil {
			t.Fatal(err)
		}
	}
	s, err := bpf.Load(bpf.Options{Mode: bpf.ModeHost, Name: "challenge", NoPin: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if w.Enforcer, err = New(s, Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Enforcer.Close() })
	w.counters = func() bpf.Counters {
		c, err := s.Counters()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	index, err := w.server.Index("eth0")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.server.Run(func() error {
		x, err := link.AttachXDP(link.XDPOptions{Program: s.Program(), Interface: index, Flags: link.XDPDriverMode})
		if err == nil {
			t.Cleanup(func() { x.Close() })
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return w
}

// serve accepts connections and greets.
func (w *wire) serve(address string) {
	l, err := w.server.Listen("tcp", address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("hello"))
			c.Close()
		}
	}()
}

// connect returns how long a new connection took to be greeted.
func (w *wire) connect(address string) time.Duration {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	start := time.Now()
	c, err := w.client.Dial(ctx, "tcp", address)
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	var greeting [5]byte
	if _, err := c.Read(greeting[:]); err != nil || string(greeting[:]) != "hello" {
		w.t.Fatalf("greeted with %q, %v", greeting, err)
	}
	return time.Since(start)
}

// stat is a counter of the server's TCP (/proc/net/snmp, RFC 4022) or its extensions (/proc/net/netstat).
func (w *wire) stat(file, table, name string) (value string) {
	w.t.Helper()
	var b []byte
	if err := w.server.Run(func() (err error) {
		b, err = os.ReadFile("/proc/thread-self/net/" + file)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != table {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i := range names {
			if names[i] == name {
				return fields[i]
			}
		}
	}
	w.t.Fatalf("no %s %s in %s", table, name, file)
	return ""
}

// TestClientsProveThemselves has a real client connect to a server that is armed, over both versions of IP, while SYNs with forged
// sources come; none of those reaches the server.
func TestClientsProveThemselves(t *testing.T) {
	for _, c := range []struct {
		step   bpf.Step
		proved func(bpf.Counters) uint64
	}{
		{bpf.StepChallenge, func(c bpf.Counters) uint64 { return c.Drops[bpf.ReasonProof] }},
		{bpf.StepCookie, func(c bpf.Counters) uint64 { return c.Paths[bpf.PathProved] }},
	} {
		t.Run(c.step.String(), func(t *testing.T) {
			w := newWire(t)
			servers := []string{"10.77.8.10:443", "[fd77::10]:443"}
			for _, server := range servers {
				w.serve(server)
				if err := w.take(netip.MustParseAddrPort(server).Addr(), c.step); err != nil {
					t.Fatal(err)
				}
			}
			sent := w.underFlood(func() {
				for _, server := range servers {
					first := w.connect(server)
					again := w.connect(server)
					t.Logf("%s: first connection after %v, next after %v", server, first, again)
				}
				time.Sleep(300 * time.Millisecond)
			})
			got := w.counters()
			if c.proved(got) < 2 || got.Paths[bpf.PathChallenged] < sent*98/100 || sent < 500 {
				t.Errorf("%d forged SYNs sent, %d answered, %d sources proved", sent, got.Paths[bpf.PathChallenged], c.proved(got))
			}
			if n := w.stat("snmp", "Tcp:", "PassiveOpens"); n != "4" {
				t.Errorf("the server has opened %s connections, want 4", n)
			}
			if n, err := strconv.Atoi(w.stat("snmp", "Tcp:", "InSegs")); err != nil || n > 100 {
				t.Errorf("%d segments have reached the server, %v: forged SYNs are among them", n, err)
			}
		})
	}
}

// take takes the step in the server's namespace, which for cookies must first be told to accept them.
func (w *wire) take(dst netip.Addr, step bpf.Step) (err error) {
	if step == bpf.StepCookie {
		if err := w.server.Sysctl("net/ipv4/tcp_syncookies", "1"); err != nil {
			return err
		}
		refused := w.server.Run(func() error { return w.TakeStep(dst, step, time.Hour) })
		if refused == nil || !strings.Contains(refused.Error(), "must be 2") {
			w.t.Errorf("a host that takes no cookies of others: %v", refused)
		}
		if err := w.server.Sysctl("net/ipv4/tcp_syncookies", "2"); err != nil {
			return err
		}
	}
	return w.server.Run(func() error { return w.TakeStep(dst, step, time.Hour) })
}

// underFlood does something while SYNs with forged sources come to both servers, and returns how many did.
func (w *wire) underFlood(do func()) (sent uint64) {
	flood := func(src, dst string) lab.Flood {
		return lab.Flood{Kind: lab.SYNFlood, From: &lab.Host{Namespace: w.client, MAC: [6]byte(w.near.MAC), RouterMAC: [6]byte(w.far.MAC)},
			Src: netip.MustParsePrefix(src), Dst: netip.MustParseAddrPort(dst), Rate: 2000}
	}
	ctx, cancel := context.WithCancel(context.Background())
	flooded := make(chan uint64, 1)
	go func() {
		n, err := lab.Mixed(ctx, time.Minute, flood("64.0.0.0/3", "10.77.8.10:443"), flood("2001:db8::/32", "[fd77::10]:443"))
		if err != nil {
			w.t.Error(err)
		}
		flooded <- n
	}()
	time.Sleep(200 * time.Millisecond)
	do()
	cancel()
	return <-flooded
}
