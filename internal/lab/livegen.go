package lab

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// The engine of live floods: an XDP program fills each frame in, and BPF_PROG_TEST_RUN in live-frame mode sends it (Linux 5.18,
// Documentation/bpf/bpf_prog_run.rst). A call costs little processor time but takes some 20 ms to end, so several are on their way.
const (
	liveBatch   = 64      // frames at a time; a quarter of a veth ring
	liveChunk   = 1 << 18 // what one system call sends if nobody says otherwise
	liveCallers = 8       // of a flood with a rate
	liveTick    = 4 * time.Millisecond
)

// RunLive is Run by the kernel: several times as fast, well above a million packets a second on one processor, for benchmarks. The other
// end of the cable needs an XDP program: without one its interface takes no such frames, and when its ring is full they are lost. Bytes of payload behind the first 8 are the
// same in all packets.
func (f Flood) RunLive(ctx context.Context, duration time.Duration) (sent uint64, err error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	l, err := f.load()
	if err != nil {
		return 0, fmt.Errorf("lab: live %v flood: %w", f.Kind, err)
	}
	defer func() { err = errors.Join(err, l.objects.Close()) }()
	if l.index, err = f.From.Index(f.Dev); err != nil {
		return 0, err
	}
	if duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, duration)
		defer cancel()
	}
	for {
		n, err := f.livePulse(ctx, l)
		sent += n
		if err != nil {
			return sent, fmt.Errorf("lab: live %v flood: %w", f.Kind, err)
		}
		if pause(ctx, f.Off); ctx.Err() != nil {
			return sent, nil
		}
	}
}

// liveFlood is a program with its template.
type liveFlood struct {
	objects   floodObjects
	frame     []byte
	index     int // of the interface
	processor int // that sends; -1: any
}

func (f *Flood) load() (*liveFlood, error) {
	frame, plan := f.plan()
	spec, err := loadFlood()
	if err != nil {
		return nil, err
	}
	var head [20]uint64 // of src/flood.bpf.c
	binary.Decode(append(bytes.Clone(frame), make([]byte, 160)...), binary.LittleEndian, &head)
	if err := errors.Join(spec.Variables[floodVarPlan].Set(plan), spec.Variables[floodVarHead].Set(head)); err != nil {
		return nil, err
	}
	l := &liveFlood{frame: frame, processor: -1}
	if err := spec.LoadAndAssign(&l.objects, nil); err != nil {
		return nil, err
	}
	seeds := make([]uint64, ebpf.MustPossibleCPU())
	rng := rand.New(rand.NewPCG(f.Seed, 0x6c697665))
	for i := range seeds {
		seeds[i] = rng.Uint64()
	}
	if err := l.objects.State.Put(uint32(0), seeds); err != nil {
		return nil, errors.Join(err, l.objects.Close())
	}
	return l, nil
}

// livePulse sends until ctx ends or, with pulses, for one of them.
func (f *Flood) livePulse(ctx context.Context, l *liveFlood) (uint64, error) {
	if f.On > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.On)
		defer cancel()
	}
	if f.Rate == 0 {
		return f.liveFast(ctx, l)
	}
	return f.livePaced(ctx, l)
}

// liveFast sends as fast as one processor can, one burst at least.
func (f *Flood) liveFast(ctx context.Context, l *liveFlood) (sent uint64, err error) {
	burst := uint32(liveChunk)
	if f.Burst > 0 {
		burst = uint32(f.Burst)
	}
	for {
		if err := l.send(f.From.Namespace, burst); err != nil {
			return sent, err
		}
		if sent += uint64(burst); ctx.Err() != nil {
			return sent, nil
		}
	}
}

// livePaced sends what is due every few milliseconds, by whichever caller is free. All have one processor: two at once would overrun
// the peer's ring, which only one of them empties.
func (f *Flood) livePaced(ctx context.Context, l *liveFlood) (uint64, error) {
	l.processor = runtime.NumCPU() - 1
	var sent atomic.Uint64
	var callers sync.WaitGroup
	bursts, errs := make(chan uint32), make([]error, liveCallers)
	for i := range errs {
		callers.Go(func() {
			for n := range bursts {
				err := l.send(f.From.Namespace, n)
				if err == nil {
					sent.Add(uint64(n))
				}
				errs[i] = errors.Join(errs[i], err)
			}
		})
	}
	start, given := time.Now(), uint64(0)
	tick := time.NewTicker(liveTick)
	defer tick.Stop()
	for ctx.Err() == nil {
		if due := uint64(time.Since(start).Seconds()*float64(f.Rate)) + 1; due > given {
			select {
			case bursts <- uint32(due - given):
				given = due
			case <-ctx.Done():
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	close(bursts)
	callers.Wait()
	return sent.Load(), errors.Join(errs...)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// xdpMd is struct xdp_md (linux/bpf.h).
type xdpMd struct{ Data, DataEnd, DataMeta, IngressIfindex, RxQueueIndex, EgressIfindex uint32 }

// send makes so many frames leave the interface, which is one of n.
func (l *liveFlood) send(n *Namespace, frames uint32) error {
	return n.Run(func() error {
		if err := onProcessor(l.processor); err != nil {
			return err
		}
		_, err := l.objects.Flood.Run(&ebpf.RunOptions{
			Data: l.frame, Repeat: frames, BatchSize: min(frames, liveBatch), Flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES,
			Context: &xdpMd{DataEnd: uint32(len(l.frame)), IngressIfindex: uint32(l.index)},
		})
		return err
	})
}

// onProcessor has the calling thread run there alone.
func onProcessor(cpu int) error {
	if cpu < 0 {
		return nil
	}
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("processor %d: %w", cpu, err)
	}
	return nil
}

// plan is struct plan of src/flood.bpf.c.
type plan struct {
	Src, SrcRandom, Dst, DstRandom [4]uint32
	SumIP, SumL4                   uint32
	Size, IP, Check, SportAt       uint16
	Sport                          uint16
	WordsAt                        [3]uint16
	HeadAt                         uint16
	Version, Pseudo                uint8
}

// plan returns a frame of the flood, zero in all that differs from frame to frame, and what the program needs to know of it.
func (f *Flood) plan() ([]byte, *plan) {
	b := make([]byte, maxFrame)
	b = b[:f.put(b, rand.New(rand.NewPCG(f.Seed, 0)))]
	p := &plan{IP: ethLen, Version: 4, Src: words(f.Src.Masked().Addr()), Dst: words(f.Spread.Masked().Addr()), SrcRandom: hostBits(f.Src), DstRandom: hostBits(f.Spread)}
	l4 := ethLen + ipv4Len
	if f.Src.Addr().Is6() {
		p.Version, l4 = 6, ethLen+ipv6Len
		p.Pseudo = 1
		clear(b[ethLen+7 : ethLen+8])
		clear(b[ethLen+8 : l4])
	} else {
		clear(b[ethLen+4 : ethLen+6])
		b[ethLen+8] = 0
		clear(b[ethLen+10 : l4])
	}
	f.fields(p, l4, len(b))
	for at, size := range map[uint16]uint16{p.Check: 2, p.SportAt: 2, p.WordsAt[0]: 4, p.WordsAt[1]: 4, p.WordsAt[2]: 4, p.HeadAt: 8} {
		if at > 0 {
			clear(b[at : at+size])
		}
	}
	p.SumIP, p.SumL4 = memorySum(b[ethLen:l4]), memorySum(b[l4:])
	if p.Pseudo == 1 {
		p.SumL4 += uint32(binary.LittleEndian.Uint16([]byte{0, f.protocol()})) + uint32(binary.LittleEndian.Uint16([]byte{byte((len(b) - l4) >> 8), byte(len(b) - l4)}))
	}
	if f.Outer != nil {
		b = f.wrapped(p, b)
	}
	p.Size = uint16(len(b))
	return b, p
}

// fields says what else differs, and which bytes the transport checksum lies in.
func (f *Flood) fields(p *plan, l4, size int) {
	at := func(n int) uint16 { return uint16(l4 + n) }
	payload := 0
	switch f.Kind {
	case SYNFlood, BareSYNFlood:
		p.Pseudo, p.Check, p.SportAt, p.WordsAt[0] = 1, at(16), at(0), at(4)
	case SYNACKFlood, ACKFlood:
		p.Pseudo, p.Check, p.SportAt, p.WordsAt[0], p.WordsAt[1] = 1, at(16), at(0), at(4), at(8)
	case UDPFlood:
		p.Pseudo, p.Check, p.SportAt, payload = 1, at(6), at(0), udpLen
	case ICMPFlood:
		p.Check, p.WordsAt[0], payload = at(2), at(4), icmpLen
	case GREFlood:
		p.Pseudo, payload = 0, 4
	case FragmentFlood:
		if p.Pseudo = 0; p.Version == 6 {
			p.WordsAt[0], payload = at(4), 8
		}
	}
	if payload > 0 && l4+payload+8 <= size || f.Kind == FragmentFlood {
		p.HeadAt = at(payload)
	}
	p.Sport = binary.LittleEndian.Uint16([]byte{byte(f.SrcPort >> 8), byte(f.SrcPort)})
}

// protocol is what the pseudo header says.
func (f *Flood) protocol() uint8 {
	switch f.Kind {
	case UDPFlood:
		return unix.IPPROTO_UDP
	case ICMPFlood:
		return unix.IPPROTO_ICMPV6
	}
	return unix.IPPROTO_TCP
}

// wrapped puts the frame into a tunnel, and moves the fields along.
func (f *Flood) wrapped(p *plan, b []byte) []byte {
	out := make([]byte, len(b)+encapsulation)
	f.Outer.Wrap(out, b[ethLen:])
	p.IP += encapsulation
	for _, at := range []*uint16{&p.Check, &p.SportAt, &p.WordsAt[0], &p.WordsAt[1], &p.WordsAt[2], &p.HeadAt} {
		if *at > 0 {
			*at += encapsulation
		}
	}
	return out
}

// words is an address as it lies in a packet, by words of a little-endian machine, as all that run the program are.
func words(a netip.Addr) (w [4]uint32) {
	for i, b := 0, a.AsSlice(); i*4 < len(b); i++ {
		w[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return w
}

// hostBits has the bits of a prefix's addresses that differ, laid out as words does.
func hostBits(p netip.Prefix) (w [4]uint32) {
	var b [16]byte
	for bit := p.Bits(); bit < p.Addr().BitLen(); bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	for i := range w {
		w[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return w
}

// memorySum adds up 16-bit words as they lie in memory: one's-complement sums do not mind byte order (RFC 1071 §2).
func memorySum(b []byte) (s uint32) {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(binary.LittleEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0])
	}
	return s
}
