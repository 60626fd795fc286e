package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// LiveFlood sends floods from within the kernel: an XDP program makes each frame, and BPF_PROG_TEST_RUN in live-frame mode sends it
// (Linux 5.18, Documentation/bpf/bpf_prog_run.rst). Several times as fast as Flood, for benchmarks; IPv4 only, SYN and UDP. The
// other end of the cable needs an XDP program: without one its interface takes no such frames.
type LiveFlood struct {
	Kind    FloodKind // SYNFlood or UDPFlood
	From    *Host     // out of its eth0
	Dst     netip.AddrPort
	Src     netip.Prefix // sources are random within it
	SrcPort uint16       // 0: random
	Rate    int          // packets a second, in bursts of a tenth of a second; 0: as fast as it can
	Payload int          // bytes of UDP payload, up to 1400
	Burst   int          // packets a system call; 0: 2^18, or a tenth of a second's. Each call costs 25 ms, and ends no sooner when it is no longer wanted
	Outer   *Geneve      // if not nil, sent within this, as a load balancer does
}

// liveChunk is what one system call sends if nobody says otherwise.
const liveChunk = 1 << 18

// Run floods until ctx ends, and returns how many packets were sent.
func (f LiveFlood) Run(ctx context.Context) (sent uint64, err error) {
	if !f.Src.Addr().Is4() || !f.Dst.Addr().Is4() || f.Kind == ICMPFlood || f.Payload < 0 || f.Payload > 1400 {
		return 0, fmt.Errorf("lab: live %v flood from %s to %s, %d bytes: SYN or UDP, IPv4, at most 1400 bytes expected", f.Kind, f.Src, f.Dst, f.Payload)
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "weir_flood", Type: ebpf.XDP, License: "MIT", Instructions: f.program()})
	if err != nil {
		return 0, fmt.Errorf("lab: live flood: %w", err)
	}
	defer func() { err = errors.Join(err, program.Close()) }()
	index, err := f.From.Index("eth0")
	if err != nil {
		return 0, err
	}
	template := f.template()
	repeat := uint32(liveChunk)
	if f.Rate > 0 {
		repeat = uint32(min(max(f.Rate/10, 1), liveChunk))
	}
	if f.Burst > 0 {
		repeat = uint32(f.Burst)
	}
	start := time.Now()
	for ctx.Err() == nil {
		if err := f.From.Run(func() error { return send(program, template, index, repeat) }); err != nil {
			return sent, fmt.Errorf("lab: live flood: %w", err)
		}
		sent += uint64(repeat)
		if f.Rate > 0 {
			pause(ctx, time.Until(start.Add(time.Duration(float64(sent)/float64(f.Rate)*float64(time.Second)))))
		}
	}
	return sent, nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// xdpMd is struct xdp_md (linux/bpf.h).
type xdpMd struct{ Data, DataEnd, DataMeta, IngressIfindex, RxQueueIndex, EgressIfindex uint32 }

// send runs the program on repeat copies of the frame; it acts in the calling thread's namespace.
func send(program *ebpf.Program, frame []byte, index int, repeat uint32) error {
	_, err := program.Run(&ebpf.RunOptions{
		Data: frame, Repeat: repeat, BatchSize: 64, Flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES,
		Context: &xdpMd{DataEnd: uint32(len(frame)), IngressIfindex: uint32(index)},
	})
	return err
}

// Offsets in an Ethernet frame with an IPv4 header of 20 bytes.
const (
	atIPID   = 18
	atSrc    = 26
	atSport  = 34
	atSeqLow = 40
)

// template is the frame with source 0.0.0.0, source port 0, and all ones, which count as 0, in the two fields that make up for what
// the program puts there: the IP id, and for TCP the lower half of the sequence number. So no checksum needs to be computed again.
func (f LiveFlood) template() []byte {
	proto, size := uint8(unix.IPPROTO_TCP), tcpLen+4
	if f.Kind == UDPFlood {
		proto, size = unix.IPPROTO_UDP, udpLen+f.Payload
	}
	b := make([]byte, ethLen+ipv4Len+size)
	h := ipHeader{src: netip.IPv4Unspecified(), dst: f.Dst.Addr(), proto: proto, ttl: 64, id: 0xffff}
	rest := putEthernet(b, f.From.RouterMAC, f.From.MAC, unix.ETH_P_IP)
	l4 := h.put(rest, size)[:size]
	if f.Kind == UDPFlood {
		putUDP(l4, 0, f.Dst.Port(), f.Payload) // no checksum
	} else {
		putSYN(l4, 0, f.Dst.Port(), 0xffff)
		sum := h.checksum(l4)
		l4[16], l4[17] = byte(sum>>8), byte(sum)
	}
	if f.Outer == nil {
		return b
	}
	wrapped := make([]byte, len(b)+encapsulation)
	f.Outer.Wrap(wrapped, b[ethLen:])
	return wrapped
}

// shift is how much farther back the packet's fields are for Outer.
func (f LiveFlood) shift() int16 {
	if f.Outer == nil {
		return 0
	}
	return encapsulation
}

// program fills in source address and port, balances the checksums, and sends the frame out of where it is said to have come in.
// One's-complement sums do not mind byte order, so the halves are added as they lie in memory.
func (f LiveFlood) program() asm.Instructions {
	base := f.Src.Masked().Addr().As4()
	mask, shift := hostMask(f.Src), f.shift()
	p := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R7, asm.R6, 0, asm.Word), // data
		asm.LoadMem(asm.R1, asm.R6, 4, asm.Word), // data_end
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Add.Imm(asm.R2, atSeqLow+2+int32(shift)),
		asm.JGT.Reg(asm.R2, asm.R1, "drop"),
		asm.FnGetPrandomU32.Call(),
		asm.And.Imm32(asm.R0, int32(mask)),
		asm.Or.Imm32(asm.R0, int32(uint32(base[0])|uint32(base[1])<<8|uint32(base[2])<<16|uint32(base[3])<<24)),
		asm.StoreMem(asm.R7, atSrc+shift, asm.R0, asm.Word),
		asm.Mov.Reg32(asm.R8, asm.R0), // r8: sum of the address's halves
		asm.RSh.Imm32(asm.R8, 16),
		asm.And.Imm32(asm.R0, 0xffff),
		asm.Add.Reg32(asm.R8, asm.R0),
	}
	p = append(p, balance(asm.R8, atIPID+shift)...)
	if f.SrcPort == 0 {
		p = append(p,
			asm.FnGetPrandomU32.Call(),
			asm.And.Imm32(asm.R0, 0xffff),
			asm.Or.Imm32(asm.R0, 0x0004)) // in memory the high byte: port 1024 and above
	} else {
		p = append(p, asm.Mov.Imm32(asm.R0, int32(f.SrcPort>>8|f.SrcPort&0xff<<8)))
	}
	p = append(p,
		asm.StoreMem(asm.R7, atSport+shift, asm.R0, asm.Half),
		asm.Add.Reg32(asm.R8, asm.R0),
	)
	if f.Kind == SYNFlood {
		p = append(p, balance(asm.R8, atSeqLow+shift)...)
	}
	return append(p,
		asm.Mov.Imm(asm.R0, 3), // XDP_TX
		asm.Return(),
		asm.Mov.Imm(asm.R0, 1).WithSymbol("drop"),
		asm.Return(),
	)
}

// balance stores the complement of a folded sum.
func balance(sum asm.Register, at int16) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg32(asm.R1, sum),
		asm.RSh.Imm32(asm.R1, 16),
		asm.And.Imm32(sum, 0xffff),
		asm.Add.Reg32(sum, asm.R1),
		asm.Mov.Reg32(asm.R1, sum),
		asm.RSh.Imm32(asm.R1, 16),
		asm.Add.Reg32(sum, asm.R1),
		asm.Mov.Reg32(asm.R1, sum),
		asm.Xor.Imm32(asm.R1, 0xffff),
		asm.StoreMem(asm.R7, at, asm.R1, asm.Half),
	}
}

// hostMask has the bits of an IPv4 prefix that may differ, as the address lies in memory.
func hostMask(p netip.Prefix) uint32 {
	m := uint32(uint64(1)<<(32-p.Bits()) - 1)
	return m>>24 | m>>8&0xff00 | m<<8&0xff0000 | m<<24
}
