package floods

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/internal/lab/fleet"
)

// carpets spreads 256,000 packets a second over 256 addresses, and measures the time until they are found.
func carpets(w io.Writer, v victim) error {
	for _, kind := range []lab.FloodKind{lab.SYNFlood, lab.UDPFlood} {
		flood := v.flood(kind, netip.AddrPortFrom(v.network().Addr(), 53), 256_000)
		flood.Spread = v.network()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		before, err := v.sensor.Status()
		if err != nil {
			cancel()
			return err
		}
		done, start := make(chan error, 1), time.Now()
		go func() {
			_, err := flood.RunLive(ctx, 0)
			done <- err
		}()
		found := on(ctx, v.sensor, "carpet-bombing", flood.Spread.Addr())
		took := time.Since(start)
		time.Sleep(time.Second)
		after, err := v.sensor.Status()
		rate := float64(after.Traffic.Kernel-before.Traffic.Kernel) / time.Since(start).Seconds()
		cancel()
		if err := errors.Join(err, <-done); err != nil {
			return err
		}
		what := fmt.Sprintf("%s: %v carpet of %s, %.0f packets/s arrived", v.name, kind, flood.Spread, rate)
		if !found {
			fmt.Fprintf(w, "%s: NOT found within 10 s\n", what)
			continue
		}
		fmt.Fprintf(w, "%s: found after %d ms\n", what, took.Milliseconds())
		if err := over(v.sensor); err != nil {
			return err
		}
	}
	return nil
}

// over waits until no attack is on.
func over(s *fleet.Sensor) error {
	for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		list, err := s.Attacks()
		if err != nil || len(list) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after 90 s still on: %+v", list[0])
		}
	}
}

// on waits until the sensor says that the attack is on.
func on(ctx context.Context, s *fleet.Sensor, vector string, dst netip.Addr) bool {
	for ctx.Err() == nil {
		list, err := s.Attacks()
		for _, a := range list {
			if err == nil && a.Vector == vector && a.Dst != nil && *a.Dst == dst {
				return true
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	return false
}

// pulses sends a second's flood every ten seconds, and counts what of each is dropped.
func pulses(w io.Writer, v victim) error {
	const rate = 100_000
	fmt.Fprintf(w, "%s: SYN pulses of %d packets/s for 1 s, every 10 s: dropped in the kernel", v.name, rate)
	for range 4 {
		before, err := v.sensor.FloodDrops()
		if err != nil {
			return err
		}
		sent, err := v.flood(lab.SYNFlood, netip.AddrPortFrom(v.beside(240), 80), rate).RunLive(context.Background(), time.Second)
		if err != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond) // what is on its way
		after, err := v.sensor.FloodDrops()
		if err != nil {
			return err
		}
		fmt.Fprintf(w, " %.1f %%", 100*float64(after-before)/float64(max(sent, 1)))
		time.Sleep(8800 * time.Millisecond)
	}
	fmt.Fprintln(w)
	return nil
}

// mixed sends four vectors at once, while a client that was there before and one that comes only now ask.
func mixed(w io.Writer, v victim) error {
	server, err := lab.StartHTTPServer(v.host.Namespace, netip.AddrPortFrom(v.addr(), 80))
	if err != nil {
		return err
	}
	defer server.Close()
	ask := func(from *lab.Host, rate int) *lab.HTTPClient {
		return lab.StartHTTPClient(lab.HTTPClientConfig{NS: from.Namespace, URL: "http://" + server.Addr.String() + "/", Rate: rate})
	}
	known := ask(v.fleet.Client, 50)
	time.Sleep(5 * time.Second)
	before := known.Stats()
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	udp := netip.AddrPortFrom(v.addr(), 4444)
	reflected, fragments := v.flood(lab.UDPFlood, udp, 20_000), v.flood(lab.FragmentFlood, udp, 20_000)
	reflected.SrcPort, reflected.Payload, fragments.Payload = 11211, 1200, 512
	failed := make(chan error, 1)
	go func() {
		_, err := lab.MixedLive(ctx, 0, v.flood(lab.SYNFlood, server.Addr, 40_000), v.flood(lab.UDPFlood, udp, 20_000), reflected, fragments)
		failed <- err
	}()
	time.Sleep(2 * time.Second)
	fresh := ask(v.fleet.Attacker, 50)
	<-ctx.Done()
	newcomer, old := fresh.Stop(), known.Stop()
	if err := <-failed; err != nil {
		return err
	}
	fmt.Fprintf(w, "%s: SYN, UDP, memcached answers and fragments together, 100,000 packets/s: %s of a known client's requests answered, p99 %v; %s of a new client's, p99 %v\n",
		v.name, share(old.OK-before.OK, old.Failed-before.Failed), old.P99.Round(time.Millisecond), share(newcomer.OK, newcomer.Failed), newcomer.P99.Round(time.Millisecond))
	return nil
}

func share(ok, failed int) string {
	return fmt.Sprintf("%d of %d (%.1f %%)", ok, ok+failed, 100*float64(ok)/float64(max(ok+failed, 1)))
}
