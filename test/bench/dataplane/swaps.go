package dataplane

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/verdict/enforce"
)

const programSwaps = 2000

// swaps measures how long a new verdict set takes, and whether new programs let anything through.
func (b *bench) swaps() error {
	if err := b.sets(); err != nil {
		return err
	}
	return b.programsUnderFlood()
}

// sets swaps a million sources for another million.
func (b *bench) sets() error {
	var keep closers
	defer keep.close()
	s, err := bpf.Load(bpf.Options{Mode: bpf.ModeHost, Name: "bench", NoPin: true, Sources: 1 << 21})
	if err != nil {
		return err
	}
	keep.add(s.Close)
	limits := verdict.DefaultLimits(1 << 22)
	e, err := enforce.New(s, enforce.Options{Limits: &limits})
	if err != nil {
		return err
	}
	keep.add(e.Close)
	halves := [][]verdict.Verdict{million(11), million(12)}
	var whole, swap []float64
	for i := range b.runs + 1 {
		start := time.Now()
		if err := e.Replace(1, uint64(i), halves[i&1]); err != nil {
			return err
		}
		if i > 0 {
			whole = append(whole, time.Since(start).Seconds()*1e3)
			swap = append(swap, e.Stats().LastSwap.Seconds()*1e3)
		}
	}
	b.add(row{"1 M verdicts swapped for another 1 M, written and in force", fmt.Sprintf("%.0f ms", median(swap)),
		fmt.Sprintf("checks and table: %.0f ms", median(whole)-median(swap)), "", "≤ 100 ms", "40 ms"})
	return nil
}

// programsUnderFlood replaces the program again and again while a flood from a listed prefix runs; every packet must be dropped.
func (b *bench) programsUnderFlood() error {
	var keep closers
	defer keep.close()
	c, err := newCable("benchswap", &keep)
	if err != nil {
		return err
	}
	sensors, err := twins(&keep)
	if err != nil {
		return err
	}
	attach := func(s *bpf.Sensor) error {
		return c.far.NS.Run(func() error { _, err := s.Attach("eth0"); return err })
	}
	if err := attach(sensors[0]); err != nil {
		return err
	}
	keep.add(sensors[0].Detach)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	type result struct {
		sent uint64
		err  error
	}
	done := make(chan result, 1)
	go func() {
		sent, err := c.synFlood().RunLive(ctx, 0)
		done <- result{sent, err}
	}()
	start := time.Now()
	for i := range programSwaps {
		if err := attach(sensors[(i+1)%2]); err != nil {
			return err
		}
	}
	took := time.Since(start)
	cancel()
	flood := <-done
	if flood.err != nil {
		return flood.err
	}
	counters, err := sensors[0].Counters()
	if err != nil {
		return err
	}
	leaked := int64(flood.sent - counters.Dropped())
	b.add(row{fmt.Sprintf("%d program swaps under a flood of %s, leaked", programSwaps, mpps(float64(flood.sent)/took.Seconds())), fmt.Sprint(leaked),
		fmt.Sprintf("of %d; a swap takes %v", flood.sent, (took / programSwaps).Round(100*time.Microsecond)), "", "0", "0"})
	if leaked != 0 {
		return fmt.Errorf("of %d packets from a listed prefix %d were not dropped", flood.sent, leaked)
	}
	return nil
}

// twins are two sensors on the same maps, which list the flood's sources.
func twins(keep *closers) (pair [2]*bpf.Sensor, err error) {
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return pair, err
	}
	keep.add(func() error { return os.Remove(dir) })
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		return pair, fmt.Errorf("mount bpf file system: %w", err)
	}
	keep.add(func() error { return unix.Unmount(dir, unix.MNT_DETACH) })
	for i := range pair {
		if pair[i], err = bpf.Load(bpf.Options{Mode: bpf.ModeHost, Name: "bench", BPFFS: dir}); err != nil {
			return pair, err
		}
		keep.add(pair[i].Close)
	}
	limits := verdict.DefaultLimits(1 << 16)
	e, err := enforce.New(pair[0], enforce.Options{Limits: &limits})
	if err != nil {
		return pair, err
	}
	keep.add(e.Close)
	return pair, listAll(e)
}

// listAll drops the flood's sources, /16 by /16: nobody may list anything wider.
func listAll(e *enforce.Enforcer) error {
	now := time.Now()
	var vs []verdict.Verdict
	for i := range 1 << 13 {
		a := netip.AddrFrom4([4]byte{64 + byte(i>>8), byte(i)})
		vs = append(vs, verdict.Verdict{ID: fmt.Sprint(i), Epoch: 1, Seq: uint64(i + 1), Match: verdict.Match{Src: netip.PrefixFrom(a, 16)},
			Action: verdict.Drop, Origin: verdict.OriginFeed, Reason: "listed", CreatedBy: "feed", CreatedAt: now, ExpiresAt: now.Add(time.Hour)})
	}
	return e.Replace(1, 1, vs)
}
