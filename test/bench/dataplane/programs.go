package dataplane

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/verdict/enforce"
)

const (
	listedSources = 1_000_000
	distinct      = 10_000_000 // sources of the random run
	xdpDrop       = 1
	xdpPass       = 2
)

// contender is a program with a packet, and the action it must take.
type contender struct {
	name   string
	prog   *ebpf.Program
	frame  []byte
	action uint32
	repeat int
	ns     []float64
}

// programs compares nanoseconds a packet by BPF_PROG_TEST_RUN, all programs taking turns.
func (b *bench) programs() error {
	var keep closers
	defer keep.close()
	ours, err := sensorWithList(&keep)
	if err != nil {
		return err
	}
	drop, err := bare(&keep)
	if err != nil {
		return err
	}
	listed, clean, clean6 := frame4("11.0.0.77"), frame4("203.0.113.9"), frame6()
	field := []*contender{
		{name: "bare", prog: drop, frame: clean, action: xdpDrop},
		{name: "listed", prog: ours, frame: listed, action: xdpDrop},
		{name: "clean", prog: ours, frame: clean, action: xdpPass},
		{name: "clean6", prog: ours, frame: clean6, action: xdpPass},
	}
	for name, p := range map[string]*ebpf.Program{"bare-random": drop, "random": ours} {
		r, err := randomSources(p, &keep)
		if err != nil {
			return err
		}
		field = append(field, &contender{name: name, prog: r, frame: clean, repeat: distinct})
	}
	peers, missing := xdpFilters(&keep, listed, clean)
	field = append(field, peers...)
	for range b.runs {
		for _, c := range field {
			if err := c.measure(); err != nil {
				return err
			}
		}
	}
	b.compare(field, missing)
	return nil
}

func (c *contender) measure() error {
	if c.repeat == 0 {
		c.repeat = 1_000_000
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := threadCPU() // the kernel's own figure is in whole nanoseconds, and counts what others used the processor for
	action, _, err := c.prog.Benchmark(c.frame, c.repeat, func() {})
	spent := threadCPU() - start
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	if c.action != 0 && action != c.action {
		return fmt.Errorf("%s: action %d, want %d", c.name, action, c.action)
	}
	c.ns = append(c.ns, float64(spent)/float64(c.repeat))
	return nil
}

func threadCPU() int64 {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) // cannot fail: the clock exists and ts is ours
	return ts.Nano()
}

func (b *bench) compare(field []*contender, missing error) {
	of := map[string]float64{}
	for _, c := range field {
		of[c.name] = median(c.ns)
	}
	line := func(what, ours, beside, peer, reach, aim string) {
		r := row{what: what, ours: ns(of[ours]), beside: peer, reach: reach, aim: aim}
		if p, ok := of[beside]; ok {
			r.beside, r.ratio = peer+" "+ns(p), times(of[ours]/p)
		} else {
			r.beside = fmt.Sprintf("%s: %v", peer, missing)
		}
		b.add(r)
	}
	line("listed source dropped, 1 M listed", "listed", "bare", "XDP_DROP", "≤ 2.5×", "≤ 2.0×")
	line("listed source dropped, 1 M listed", "listed", "ip/listed", "xdp-filter, IP only, 1 listed", "< 1×", "")
	line("listed source dropped, 1 M listed", "listed", "all/listed", "xdp-filter, all features", "< 1×", "")
	line("clean IPv4 through all stages", "clean", "bare", "XDP_DROP", "≤ 2×", "1.5×")
	line("clean IPv6 through all stages", "clean6", "bare", "XDP_DROP", "≤ 2×", "1.5×")
	line("clean IPv4 through all stages", "clean", "ip/clean", "xdp-filter, IP only", "", "")
	line("10 M distinct sources", "random", "bare-random", "XDP_DROP", "≤ 3×", "2×")
}

// sensorWithList is our program with a million verdicts in force.
func sensorWithList(keep *closers) (*ebpf.Program, error) {
	s, err := bpf.Load(bpf.Options{Mode: bpf.ModeHost, Name: "bench", NoPin: true, Sources: 1 << 21})
	if err != nil {
		return nil, err
	}
	keep.add(s.Close)
	e, err := enforce.New(s, enforce.Options{})
	if err != nil {
		return nil, err
	}
	keep.add(e.Close)
	return s.Program(), e.Replace(1, 1, million(11))
}

// million are verdicts of a feed on sources in a /8.
func million(net byte) []verdict.Verdict {
	now := time.Now()
	vs := make([]verdict.Verdict, listedSources)
	for i := range vs {
		a := netip.AddrFrom4([4]byte{net, byte(i >> 16), byte(i >> 8), byte(i)})
		vs[i] = verdict.Verdict{
			ID: fmt.Sprint(net, "-", i), Epoch: 1, Seq: uint64(i + 1), Match: verdict.Match{Src: netip.PrefixFrom(a, 32)}, Action: verdict.Drop,
			Origin: verdict.OriginFeed, Reason: "listed", CreatedBy: "feed", CreatedAt: now, ExpiresAt: now.Add(24 * time.Hour),
		}
	}
	return vs
}

// bare returns XDP_DROP and nothing else: the floor.
func bare(keep *closers) (*ebpf.Program, error) {
	return program(asm.Instructions{asm.Mov.Imm(asm.R0, xdpDrop), asm.Return()}, keep)
}

func program(code asm.Instructions, keep *closers) (*ebpf.Program, error) {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, AttachType: ebpf.AttachXDP, License: "GPL", Instructions: code})
	if err != nil {
		return nil, fmt.Errorf("load program: %w", err)
	}
	keep.add(p.Close)
	return p, nil
}

// randomSources writes the next IPv4 source of a long sequence into the packet and calls p.
func randomSources(p *ebpf.Program, keep *closers) (*ebpf.Program, error) {
	calls, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return nil, err
	}
	keep.add(calls.Close)
	if err := calls.Put(uint32(0), p); err != nil {
		return nil, err
	}
	return program(asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Word), // data
		asm.LoadMem(asm.R3, asm.R1, 4, asm.Word), // data_end
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, 34),
		asm.JGT.Reg(asm.R4, asm.R3, "out"),
		asm.LoadMem(asm.R5, asm.R2, 26, asm.Word),
		asm.Mul.Imm32(asm.R5, 1664525), // a linear congruence with a period of 2^32: no source comes twice
		asm.Add.Imm32(asm.R5, 1013904223),
		asm.StoreMem(asm.R2, 26, asm.R5, asm.Word),
		asm.LoadMapPtr(asm.R2, calls.FD()),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnTailCall.Call(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("out"),
		asm.Return(),
	}, keep)
}

// closers are what to undo, the last first.
type closers []func() error

func (c *closers) add(f func() error) { *c = append(*c, f) }

func (c *closers) close() error {
	var errs []error
	for i := len(*c) - 1; i >= 0; i-- {
		errs = append(errs, (*c)[i]())
	}
	*c = nil
	return errors.Join(errs...)
}
