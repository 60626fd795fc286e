package floods

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/internal/lab/fleet"
)

var anybody6 = netip.MustParsePrefix("2001:db8:bad:1::/64")

// carpets spreads floods over a network, 1,000 packets a second to each address as far as the machine makes them, and measures the time
// until they are found.
func carpets(w io.Writer, f *fleet.Fleet) error {
	for _, flood := range []lab.Flood{
		{Kind: lab.SYNFlood, Src: anybody, Spread: netip.PrefixFrom(f.Server.Addr, 24).Masked()},
		{Kind: lab.UDPFlood, Src: anybody6, Spread: netip.PrefixFrom(f.Server.Addr6, 120).Masked(), Payload: 16},
	} {
		flood.From, flood.Dst, flood.Rate = f.Attacker, netip.AddrPortFrom(flood.Spread.Addr(), 53), 256_000
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		sent, start := make(chan uint64, 1), time.Now()
		var failed error
		go func() {
			n, err := flood.Run(ctx, 0)
			failed = err
			sent <- n
		}()
		found := on(ctx, f.Inline, "carpet-bombing", flood.Spread.Addr())
		took := time.Since(start)
		time.Sleep(time.Second)
		cancel()
		n := <-sent
		if failed != nil {
			return failed
		}
		rate := float64(n) / time.Since(start).Seconds()
		if !found {
			fmt.Fprintf(w, "%v carpet of %s, %.0f packets/s: NOT found within 10 s\n", flood.Kind, flood.Spread, rate)
			continue
		}
		fmt.Fprintf(w, "%v carpet of %s, %.0f packets/s: found after %d ms\n", flood.Kind, flood.Spread, rate, took.Milliseconds())
	}
	return nil
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
func pulses(w io.Writer, f *fleet.Fleet) error {
	fmt.Fprint(w, "SYN pulses of 20,000 packets/s for 1 s, every 10 s: dropped in the kernel")
	a := f.Server.Addr.As4()
	a[3] = 240
	for range 4 {
		before, err := f.Inline.FloodDrops()
		if err != nil {
			return err
		}
		sent, err := lab.Flood{Kind: lab.SYNFlood, From: f.Attacker, Dst: netip.AddrPortFrom(netip.AddrFrom4(a), 80), Src: anybody, Rate: 20_000}.Run(context.Background(), time.Second)
		if err != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond) // what is on its way
		after, err := f.Inline.FloodDrops()
		if err != nil {
			return err
		}
		fmt.Fprintf(w, " %.1f %%", 100*float64(after-before)/float64(max(sent, 1)))
		time.Sleep(8800 * time.Millisecond)
	}
	fmt.Fprintln(w)
	return nil
}

// mixed sends four vectors at once at the server and the proxy, while clients that were there before and clients that come only now ask both.
func mixed(w io.Writer, f *fleet.Fleet) error {
	for _, victim := range []*lab.Host{f.Server, f.Proxy} {
		server, err := lab.StartHTTPServer(victim.Namespace, netip.AddrPortFrom(victim.Addr, 80))
		if err != nil {
			return err
		}
		ask := func(from *lab.Host, rate int) *lab.HTTPClient {
			return lab.StartHTTPClient(lab.HTTPClientConfig{NS: from.Namespace, URL: "http://" + server.Addr.String() + "/", Rate: rate})
		}
		known := ask(f.Client, 50)
		time.Sleep(5 * time.Second)
		before := known.Stats()
		ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
		failed := make(chan error, 1)
		go func() {
			udp := netip.AddrPortFrom(victim.Addr, 4444)
			_, err := lab.Mixed(ctx, 0,
				lab.Flood{Kind: lab.SYNFlood, From: f.Attacker, Src: anybody, Dst: server.Addr, Rate: 15_000},
				lab.Flood{Kind: lab.UDPFlood, From: f.Attacker, Src: anybody, Dst: udp, Rate: 10_000, Payload: 200},
				lab.Flood{Kind: lab.UDPFlood, From: f.Attacker, Src: anybody, SrcPort: 11211, Dst: udp, Rate: 5000, Payload: 1200},
				lab.Flood{Kind: lab.FragmentFlood, From: f.Attacker, Src: anybody, Dst: udp, Rate: 5000, Payload: 512})
			failed <- err
		}()
		time.Sleep(2 * time.Second)
		fresh := ask(f.Attacker, 50)
		<-ctx.Done()
		cancel()
		newcomer, old := fresh.Stop(), known.Stop()
		server.Close()
		if err := <-failed; err != nil {
			return err
		}
		share := func(ok, failed int) float64 { return 100 * float64(ok) / float64(max(ok+failed, 1)) }
		fmt.Fprintf(w, "SYN, UDP, memcached answers and fragments together, 35,000 packets/s, at %s: %.1f %% of a known client's requests answered, p99 %v; %.1f %% of a new client's, p99 %v\n",
			victim.Addr, share(old.OK-before.OK, old.Failed-before.Failed), old.P99.Round(time.Millisecond), share(newcomer.OK, newcomer.Failed), newcomer.P99.Round(time.Millisecond))
	}
	return nil
}
