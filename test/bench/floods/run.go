package floods

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/deploy"
	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/internal/lab/fleet"
)

// Run prints the figures to w; each onset is measured runs times on each of a few destinations.
func Run(w io.Writer, runs int) error {
	if err := lab.Require(); err != nil {
		fmt.Fprintln(w, "not measured:", err)
		return nil
	}
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-o", dir, "./cmd/sensor", "./cmd/collector")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	for _, measure := range []func(*fleet.Fleet) error{
		func(f *fleet.Fleet) error { return errors.Join(onsets(w, f, 4*runs), pulses(w, f)) },
		func(f *fleet.Fleet) error { return carpets(w, f) },
		func(f *fleet.Fleet) error { return mixed(w, f) },
	} { // each with a fleet of its own: what one leaves behind must not be another's
		if err := inFleet(dir, "enforce", measure); err != nil {
			return err
		}
	}
	for _, policy := range []string{"enforce", "observe"} {
		if err := inFleet(dir, policy, func(f *fleet.Fleet) error { return served(w, f, policy) }); err != nil {
			return err
		}
	}
	return nil
}

// inFleet runs f with a fleet of its own.
func inFleet(bin, policy string, f func(*fleet.Fleet) error) (err error) {
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	rules := filepath.Join(dir, "weir.rules")
	if err := os.WriteFile(rules, []byte(deploy.Rules), 0o600); err != nil {
		return err
	}
	console, err := freePort()
	if err != nil {
		return err
	}
	running, err := fleet.Start(fleet.Options{Name: "bench", Bin: bin, Dir: dir, Rules: rules, Console: console, Policy: policy, Flows: 4_000_000})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, running.Close()) }()
	return f(running)
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// anybody is where spoofed sources lie.
var anybody = netip.MustParsePrefix("192.0.0.0/5")

// onsets measures, for one destination after the other behind the load balancer, the time from a flood's first packet to the first
// that the kernel drops.
func onsets(w io.Writer, f *fleet.Fleet, n int) error {
	var dropped, armed []time.Duration
	for i := range n {
		a := f.Server.Addr.As4()
		a[3] = byte(20 + i%200)
		here, there, err := onset(f, netip.AddrPortFrom(netip.AddrFrom4(a), 80))
		if err != nil {
			return err
		}
		dropped, armed = append(dropped, here), append(armed, there)
	}
	fmt.Fprintf(w, "SYN flood of 20,000 packets/s from random sources, gwlb mode, %d onsets:\n", n)
	for what, took := range map[string][]time.Duration{"to first drop in the kernel": dropped, "until another sensor, which sees nothing of it, is armed": armed} {
		slices.Sort(took)
		ms := func(p int) int64 { return took[(len(took)-1)*p/100].Milliseconds() }
		fmt.Fprintf(w, "  first packet %s: p50 %d ms, p90 %d ms, p99 %d ms, most %d ms\n", what, ms(50), ms(90), ms(99), ms(100))
	}
	fmt.Fprintln(w)
	return nil
}

// onset returns how long it took until the first packet was dropped, and until the sensor on the proxy was armed, too.
func onset(f *fleet.Fleet, dst netip.AddrPort) (dropped, armed time.Duration, err error) {
	before, err := f.Inline.FloodDrops()
	if err != nil {
		return 0, 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	start := time.Now()
	go func() {
		_, err := lab.Flood{Kind: lab.SYNFlood, From: f.Attacker, Dst: dst, Src: anybody, Rate: 20_000, Seed: uint64(dst.Addr().As4()[3])}.Run(ctx, 0)
		done <- err
	}()
	for ctx.Err() == nil && dropped == 0 {
		now, err := f.Inline.FloodDrops()
		if err != nil {
			return 0, 0, err
		}
		if now > before {
			dropped = time.Since(start)
			break
		}
		time.Sleep(time.Millisecond)
	}
	if on(ctx, f.Host, "syn-flood", dst.Addr()) {
		armed = time.Since(start)
	}
	cancel()
	err = <-done
	if dropped == 0 || armed == 0 {
		return 0, 0, errors.Join(fmt.Errorf("the flood of %s was not stopped within 10 s", dst), err)
	}
	time.Sleep(300 * time.Millisecond) // what is on its way
	return dropped, armed, err
}

// swallow makes the router lose what is sent to forged addresses, as the Internet does: its errors would tell the victim to
// forget their handshakes.
func swallow() error {
	return netlink.RouteAdd(&netlink.Route{
		Dst:  &net.IPNet{IP: net.IP(anybody.Addr().AsSlice()), Mask: net.CIDRMask(anybody.Bits(), 32)},
		Type: unix.RTN_BLACKHOLE,
	})
}

// served counts a client's new connections to the proxy during a spoofed SYN flood as fast as the machine makes one. The proxy's
// kernel has no SYN cookies and prefers nobody, as much that is flooded.
func served(w io.Writer, f *fleet.Fleet, policy string) error {
	for _, key := range [][2]string{{"net/ipv4/tcp_syncookies", "0"}, {"net/ipv4/tcp_no_metrics_save", "1"}} {
		if err := f.Proxy.Sysctl(key[0], key[1]); err != nil {
			return err
		}
	}
	if err := f.VPC.Run(swallow); err != nil {
		return err
	}
	proxy, err := lab.StartHTTPServer(f.Proxy.Namespace, netip.AddrPortFrom(f.Proxy.Addr, 80))
	if err != nil {
		return err
	}
	defer proxy.Close()
	client := lab.HTTPClientConfig{NS: f.Client.Namespace, URL: "http://" + proxy.Addr.String() + "/", Rate: 50, Timeout: 2 * time.Second}
	known := lab.StartHTTPClient(client)
	time.Sleep(2 * time.Second)
	before := known.Stats()
	ctx, cancel := context.WithTimeout(context.Background(), 6*time.Second)
	defer cancel()
	start := time.Now()
	sent, err := lab.Flood{Kind: lab.SYNFlood, From: f.Attacker, Dst: proxy.Addr, Src: anybody, Seed: 1}.Run(ctx, 0)
	took := time.Since(start).Seconds()
	after := known.Stop()
	if err != nil {
		return err
	}
	seen, err := f.Host.Status()
	if err != nil {
		return err
	}
	asked := after.OK + after.Failed - before.OK - before.Failed
	ok := after.OK - before.OK
	fmt.Fprintf(w, "policy %s, host mode, no SYN cookies: %.0f SYNs/s for %.0f s, %d reach the sensor; %d of %d requests of a client with new connections answered within 2 s (%.1f %%), p99 %v\n",
		policy, float64(sent)/took, took, seen.Traffic.Kernel, ok, asked, 100*float64(ok)/float64(max(asked, 1)), after.P99.Round(time.Millisecond))
	return nil
}
