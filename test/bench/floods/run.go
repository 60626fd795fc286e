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
	each := func(policy string, measure func(victim) error) error {
		for i := range 4 { // each with a fleet of its own: what one leaves behind must not be another's
			if err := inFleet(dir, policy, func(f *fleet.Fleet) error { return measure(victims(f)[i]) }); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.Join(
		each("enforce", func(v victim) error { return errors.Join(onsets(w, v, 4*runs), pulses(w, v)) }),
		each("enforce", func(v victim) error { return carpets(w, v) }),
		each("enforce", func(v victim) error { return mixed(w, v) }),
		each("enforce", func(v victim) error { return served(w, v, "enforce") }),
		each("observe", func(v victim) error { return served(w, v, "observe") }))
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

// onsets measures, for one destination after the other, the time from a flood's first packet to the first that the kernel drops, and until
// a sensor that sees nothing of it is armed.
func onsets(w io.Writer, v victim, n int) error {
	var dropped, armed []time.Duration
	for i := range n {
		here, there, err := onset(v, netip.AddrPortFrom(v.beside(byte(20+i%200)), 80))
		if err != nil {
			return err
		}
		dropped, armed = append(dropped, here), append(armed, there)
	}
	fmt.Fprintf(w, "%s: SYN flood of 50,000 packets/s from random sources, %d onsets:\n", v.name, n)
	for _, m := range []struct {
		what string
		took []time.Duration
	}{{"to first drop in the kernel", dropped}, {"until another sensor, which sees nothing of it, is armed", armed}} {
		slices.Sort(m.took)
		ms := func(p int) int64 { return m.took[(len(m.took)-1)*p/100].Milliseconds() }
		fmt.Fprintf(w, "  first packet %s: p50 %d ms, p90 %d ms, p99 %d ms, most %d ms\n", m.what, ms(50), ms(90), ms(99), ms(100))
	}
	return nil
}

// onset returns how long it took until the first packet was dropped, and until the other sensor was armed, too.
func onset(v victim, dst netip.AddrPort) (dropped, armed time.Duration, err error) {
	before, err := v.sensor.FloodDrops()
	if err != nil {
		return 0, 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	start := time.Now()
	go func() {
		_, err := v.flood(lab.SYNFlood, dst, 50_000).RunLive(ctx, 0)
		done <- err
	}()
	for ctx.Err() == nil && dropped == 0 {
		now, err := v.sensor.FloodDrops()
		if err != nil {
			return 0, 0, err
		}
		if now > before {
			dropped = time.Since(start)
			break
		}
		time.Sleep(time.Millisecond)
	}
	if on(ctx, v.other, "syn-flood", dst.Addr()) {
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
	for _, p := range []netip.Prefix{anybody, anybody6} {
		err := netlink.RouteAdd(&netlink.Route{
			Dst:  &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())},
			Type: unix.RTN_BLACKHOLE,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// served counts a client's new connections during a spoofed SYN flood as fast as the machine makes one. The victim's
// kernel has no SYN cookies and prefers nobody, as much that is flooded.
func served(w io.Writer, v victim, policy string) error {
	for _, key := range [][2]string{{"net/ipv4/tcp_syncookies", "0"}, {"net/ipv4/tcp_no_metrics_save", "1"}} {
		if err := v.host.Sysctl(key[0], key[1]); err != nil {
			return err
		}
	}
	if err := v.fleet.VPC.Run(swallow); err != nil {
		return err
	}
	server, err := lab.StartHTTPServer(v.host.Namespace, netip.AddrPortFrom(v.addr(), 80))
	if err != nil {
		return err
	}
	defer server.Close()
	client := lab.HTTPClientConfig{NS: v.fleet.Client.Namespace, URL: "http://" + server.Addr.String() + "/", Rate: 50, Timeout: 2 * time.Second}
	known := lab.StartHTTPClient(client)
	time.Sleep(3 * time.Second)
	before, start := known.Stats(), time.Now()
	flood := v.flood(lab.SYNFlood, server.Addr, 0)
	flood.Burst = 1 << 16
	arrived, err := v.sensor.Status()
	if err != nil {
		return err
	}
	if _, err = flood.RunLive(context.Background(), 6*time.Second); err != nil {
		return err
	}
	took, after := time.Since(start).Seconds(), known.Stop()
	now, err := v.sensor.Status()
	if err != nil {
		return err
	}
	sent := now.Traffic.Kernel - arrived.Traffic.Kernel
	fmt.Fprintf(w, "%s, policy %s, no SYN cookies: %.0f SYNs/s for %.0f s; %s requests of a client with new connections answered within 2 s, p99 %v\n",
		v.name, policy, float64(sent)/took, took, share(after.OK-before.OK, after.Failed-before.Failed), after.P99.Round(time.Millisecond))
	return nil
}
