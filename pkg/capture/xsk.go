package capture

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/decode"
)

const defaultFrames = 4096

const idleLook = 10 * time.Millisecond // between two looks of an idle socket; longer than any frame is on its way to it

// XSKConfig says where an XSK takes its frames from. Zero values have defaults except for Ifindex, Sockets and Credit.
type XSKConfig struct {
	Ifindex int
	Queue   int         // receive queue, 0 ≤ Queue < bpf.MaxQueues
	Sockets *ebpf.Map   // XSKMAP: the program redirects a queue's frames to the socket in its slot
	Credit  *bpf.Credit // the queue's: how many frames the socket will still take

	Frames    int // buffers, a power of two; default 4096
	FrameSize int // of a buffer, 2048 or 4096 (default); 256 bytes of it are headroom
	TxRing    int // frames waiting to be sent, a power of two; default and at most Frames
	Slot      int // of Sockets, which a bridge's second port does not share with the first; default Queue
	Spare     int // buffers for frames of our own, or to forward a peer's; default 64

	// ZeroCopy tries the driver's zero-copy mode before copy mode. There are drivers that then lose what the XDP program sends back by
	// itself (XDP_TX) on the same queue (virtio-net on Linux 7.3), and say nothing: whoever asks for it compares what the program and the
	// interface count, and has the socket LeaveZeroCopy.
	ZeroCopy bool

	// Chains has the socket take and send frames that lie in several buffers, for MTUs above what one holds (Linux 6.6). The program must
	// be loaded for it, too: bpf.Options.Frags.
	Chains bool

	Inherited []Inherited // sockets of the process that this one follows: if one is the queue's, it is taken over instead of opening another
}

// XSK is an inline Source: an AF_XDP socket on one receive queue. Frames are lent out where the driver put them. One that is
// forwarded goes back to the load balancer out of the same buffer, outer MAC and IP addresses swapped and every other byte as it
// came; one that is discarded makes room for the next.
//
// The socket has more room than it grants credit for, so the program's redirects never meet a full ring: what it cannot take, the
// program treats by its own policy and counts. The frame's checksum may be wrong if the sender shares this machine and left it to
// hardware that is not there (veth): end hosts on veth must have tx-checksumming off.
type XSK struct {
	cfg    XSKConfig
	fd     int
	memory int    // the file that holds the buffers
	area   []byte // the buffers (UMEM)

	rx, tx           *ring[unix.XDPDesc]
	fill, completion *ring[uint64]
	zeroCopy         atomic.Bool
	giveUp           atomic.Bool // zero-copy mode is to be given up
	primed           bool        // the queue is ours, and its credit
	spare            []uint64    // buffers for frames of our own; they lie behind those that are lent out
	pieces           []piece     // by buffer; only with chains
	parts            [][]byte    // of one frame
	gathered         arena

	inherited bool
	distrust  error  // why zero-copy mode was left
	proof     uint64 // address + 1 of the frame by which the socket was proved, while it is in the ring

	peer   *XSK   // bridge: sends what this one forwards
	member uint16 // its number among the sockets that are dealt out

	looked time.Time // the last idle look
	leak   int64     // credit missing then
	stats  xskStats
}

type xskStats struct {
	frames, chained, bytes, forwarded, dropped, txFull, sent atomic.Uint64

	abandoned uint64 // set when it was opened

	lost, refused atomic.Uint64 // the kernel's counts of sockets that were closed
	closed        atomic.Bool
}

// OpenXSK makes the socket, binds it to the queue and puts it into the XSKMAP: from then on frames come.
func OpenXSK(cfg XSKConfig) (*XSK, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("capture: AF_XDP on interface %d, queue %d: %w", cfg.Ifindex, cfg.Queue, err)
	}
	x := &XSK{cfg: cfg, fd: -1, memory: -1}
	open := x.open
	if left := x.left(); left != nil {
		open = func() error { return x.inherit(left) }
	}
	if err := open(); err != nil {
		x.Close()
		return nil, fmt.Errorf("capture: AF_XDP on interface %d, queue %d: %w", cfg.Ifindex, cfg.Queue, err)
	}
	return x, nil
}

func (c XSKConfig) withDefaults() (XSKConfig, error) {
	if c.Frames == 0 {
		c.Frames = defaultFrames
	}
	if c.FrameSize == 0 {
		c.FrameSize = 4096
	}
	if c.TxRing == 0 {
		c.TxRing = c.Frames
	}
	if c.Spare == 0 {
		c.Spare = 64
	}
	if c.Slot == 0 {
		c.Slot = c.Queue
	}
	switch {
	case c.Frames < 2 || c.Frames > 1<<20 || c.Frames&(c.Frames-1) != 0:
		return c, fmt.Errorf("%d buffers: must be a power of two, 2 to %d", c.Frames, 1<<20)
	case c.FrameSize != 2048 && c.FrameSize != 4096:
		return c, fmt.Errorf("buffers of %d bytes: must be 2048 or 4096", c.FrameSize)
	case c.TxRing < 1 || c.TxRing > c.Frames || c.TxRing&(c.TxRing-1) != 0:
		return c, fmt.Errorf("%d frames waiting to be sent: must be a power of two, at most the %d buffers", c.TxRing, c.Frames)
	case c.Spare < 0 || c.Spare > 1<<20:
		return c, fmt.Errorf("%d spare buffers: must be 1 to %d", c.Spare, 1<<20)
	case c.Queue < 0 || c.Queue >= bpf.MaxQueues || c.Slot < 0 || c.Slot >= bpf.MaxQueues:
		return c, fmt.Errorf("the program knows queues 0 to %d", bpf.MaxQueues-1)
	case c.Sockets == nil || c.Credit == nil:
		return c, errors.New("no XSKMAP or no credit given")
	}
	return c, nil
}

// ZeroCopy reports whether the driver delivers into the buffers itself. It may be called from another goroutine.
func (x *XSK) ZeroCopy() bool { return x.zeroCopy.Load() }

// LeaveZeroCopy has the socket's owner bind it anew in copy mode, once nothing of it is on loan. What waits in it is lost; what comes
// meanwhile goes by the program's policy. It may be called from another goroutine.
func (x *XSK) LeaveZeroCopy() { x.giveUp.Store(true) }

// Recv hands out what the queue holds, or waits for the first frame. All frames of a batch carry the time of the batch. One that lies in
// several buffers is copied together.
func (x *XSK) Recv(frames []Frame, wait time.Duration) (int, error) {
	n, err := x.recv(frames, wait)
	if x.pieces != nil {
		x.gathered.gather(frames[:n], func(*Frame) *XSK { return x })
	}
	return n, err
}

// recv is Recv, but of a frame in several buffers the data is what the first holds.
func (x *XSK) recv(frames []Frame, wait time.Duration) (int, error) {
	if x.giveUp.Load() {
		if err := x.rebind(); err != nil {
			return 0, err
		}
	}
	x.reap()
	if n := x.take(frames); n > 0 {
		return n, nil
	}
	if err := x.idle(); err != nil || wait <= 0 {
		return 0, err
	}
	if err := pollIn(wait, x.fd); err != nil {
		return 0, fmt.Errorf("capture: waiting for an AF_XDP socket: %w", err)
	}
	x.reap()
	return x.take(frames), nil
}

// idle does what can wait for a moment without frames: send what is left over, and now and then look after the socket.
func (x *XSK) idle() error {
	if err := x.kick(); err != nil {
		return err
	}
	now := time.Now()
	if now.Sub(x.looked) < idleLook {
		return nil
	}
	x.looked = now
	x.mendCredit()
	code, err := unix.GetsockoptInt(x.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return fmt.Errorf("capture: AF_XDP socket: %w", err)
	}
	if code != 0 {
		return fmt.Errorf("capture: AF_XDP on interface %d, queue %d: %w", x.cfg.Ifindex, x.cfg.Queue, unix.Errno(code))
	}
	return nil
}

func (x *XSK) take(frames []Frame) int {
	ready := x.rx.ready()
	if ready == 0 {
		return 0
	}
	now, size, taken, chained := time.Now().UnixNano(), 0, 0, 0
	for ; ready > 0 && taken < len(frames); ready-- {
		desc, f := x.rx.pop(), &frames[taken]
		if desc.Addr+1 == x.proof {
			x.proof = 0
			x.recycle(desc.Addr)
			x.grant()
			continue
		}
		if desc.Options&unix.XDP_PKT_CONTD != 0 {
			more, length := x.chain(desc, ready-1)
			if more == 0 { // the rest is on its way
				x.rx.own--
				break
			}
			x.rx.own += uint32(more)
			ready -= more
			x.lendChain(f, desc.Addr, uint32(length), now)
			chained++
		} else {
			x.lend(f, desc.Addr, desc.Len, now)
		}
		taken++
		size += f.WireLen
	}
	x.rx.release()
	x.stats.frames.Add(uint64(taken))
	x.stats.bytes.Add(uint64(size))
	if chained > 0 {
		x.stats.chained.Add(uint64(chained))
	}
	return taken
}

// lend makes f the frame that lies in the buffers at addr.
func (x *XSK) lend(f *Frame, addr uint64, length uint32, now int64) {
	f.Data = x.area[addr : addr+uint64(length) : addr+uint64(length)]
	f.WireLen, f.Time, f.Number, f.Link = int(length), now, 0, decode.LinkEthernet
	f.Fate, f.Queue, f.slot, f.chained, f.member = Forward, uint16(x.cfg.Queue), addr, false, x.member
}

// Done sends or drops each frame. One that finds no room to be sent, all of it, is dropped and counted.
func (x *XSK) Done(frames []Frame) error {
	sent, dropped, full := 0, 0, 0
	room := x.tx.room()
	for i := range frames {
		f := &frames[i]
		switch {
		case f.Fate == Discard:
			dropped++
		case x.peer != nil:
			if x.peer.copyOut(x.lent(f)) {
				sent++
			} else {
				full++
			}
		case room < x.count(f):
			full++
		case !hairpin(x.first(f)): // no frame of a tunnel: the program does not redirect such
			dropped++
		default:
			room -= x.sendOn(f)
			sent++
			continue
		}
		x.recycleFrame(f)
	}
	x.stats.forwarded.Add(uint64(sent))
	x.stats.dropped.Add(uint64(dropped))
	x.stats.txFull.Add(uint64(full))
	x.grant()
	x.tx.publish()
	if x.peer != nil {
		x.peer.tx.publish()
		if err := x.peer.kick(); err != nil {
			return err
		}
	}
	return x.kick()
}

// Send queues a copy of the answer for the next Done.
func (x *XSK) Send(_ *Frame, answer []byte, onward bool) bool {
	by := x
	if onward && x.peer != nil {
		by = x.peer
	}
	ok := by.copyOut([][]byte{answer})
	if ok {
		by.stats.sent.Add(1)
	}
	return ok
}

// copyOut queues a copy of the frame in spare buffers, one for each part, or nothing if there is no room for all.
func (x *XSK) copyOut(parts [][]byte) bool {
	if len(x.spare) < len(parts) {
		x.reap()
	}
	if len(x.spare) < len(parts) || x.tx.room() < len(parts) || len(parts) > 1 && x.pieces == nil {
		return false
	}
	for _, part := range parts {
		if len(part) > x.cfg.FrameSize {
			return false
		}
	}
	for i, part := range parts {
		addr := x.spare[len(x.spare)-1]
		x.spare = x.spare[:len(x.spare)-1]
		desc := unix.XDPDesc{Addr: addr, Len: uint32(copy(x.area[addr:][:x.cfg.FrameSize], part))}
		if i < len(parts)-1 {
			desc.Options = unix.XDP_PKT_CONTD
		}
		x.tx.push(desc)
	}
	return true
}

// recycle queues a buffer for the kernel to fill, unless it is a spare one; grant shows it. The fill ring holds as many as there
// are buffers.
func (x *XSK) recycle(addr uint64) {
	addr &^= uint64(x.cfg.FrameSize - 1)
	if addr >= uint64(x.cfg.Frames*x.cfg.FrameSize) {
		x.spare = append(x.spare, addr)
		return
	}
	x.fill.push(addr)
}

// grant shows the recycled buffers to the kernel, and to the program as credit, in that order.
func (x *XSK) grant() {
	n := x.fill.own - atomic.LoadUint32(x.fill.producer)
	if n == 0 {
		return
	}
	x.fill.publish()
	atomic.AddUint64(&x.cfg.Credit.Granted, uint64(n))
	if x.fill.needWakeup() {
		// The driver ran out of buffers and sleeps. The answer tells nothing: what has come is in the ring.
		unix.Syscall6(unix.SYS_RECVFROM, uintptr(x.fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
	}
}

// reap recycles the buffers of frames that have been sent.
func (x *XSK) reap() {
	n := x.completion.ready()
	if n == 0 {
		return
	}
	for range n {
		x.recycle(x.completion.pop())
	}
	x.completion.release()
	x.grant()
}

// kick has the kernel send what waits. It takes some 32 frames a call in copy mode, and none when the device is full: what then
// still waits goes with the next kick.
func (x *XSK) kick() error {
	for waiting := x.tx.pending(); waiting > 0 && x.tx.needWakeup(); {
		_, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(x.fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0, unix.EAGAIN, unix.EBUSY, unix.ENOBUFS, unix.EINTR:
		case unix.ENETDOWN:
			return nil // the interface is down; it may come back
		default:
			return fmt.Errorf("capture: sending from an AF_XDP socket: %w", errno)
		}
		left := x.tx.pending()
		if left >= waiting {
			return nil
		}
		waiting = left
	}
	return nil
}

// mendCredit makes up for credit that was used by frames that never came, because the kernel refused them after the program had let
// them go. It acts on what is missing at two idle looks in a row: at one, a frame may be on its way.
func (x *XSK) mendCredit() {
	credit := x.cfg.Credit
	granted, used := atomic.LoadUint64(&credit.Granted), atomic.LoadUint64(&credit.Used)
	missing := int64(x.fill.pending()) - int64(granted-used)
	if missing > 0 && missing == x.leak {
		atomic.AddUint64(&credit.Granted, uint64(missing))
		missing = 0
	}
	x.leak = missing
}

// Inline is true: Fate is obeyed.
func (x *XSK) Inline() bool { return true }

// Stats counts the frames; Lost are those that the kernel dropped between the program and the socket.
func (x *XSK) Stats() Stats {
	s := Stats{
		Frames: x.stats.frames.Load(), Chained: x.stats.chained.Load(), Bytes: x.stats.bytes.Load(),
		Forwarded: x.stats.forwarded.Load(), Dropped: x.stats.dropped.Load(), TxFull: x.stats.txFull.Load(), Sent: x.stats.sent.Load(),
		Abandoned: x.stats.abandoned,
	}
	s.Lost, s.TxRefused = x.stats.lost.Load(), x.stats.refused.Load()
	if !x.stats.closed.Load() {
		lost, refused := x.kernelCounts()
		s.Lost, s.TxRefused = s.Lost+lost, s.TxRefused+refused
	}
	return s
}

// lastCounts keeps the socket's own counters for after its end.
func (x *XSK) lastCounts() {
	lost, refused := x.kernelCounts()
	x.stats.lost.Add(lost)
	x.stats.refused.Add(refused)
}

// kernelCounts reads the socket's own counters: of frames lost on the way in, and buffers that were not sent.
func (x *XSK) kernelCounts() (lost, refused uint64) {
	k, err := getsockopt[unix.XDPStatistics](x.fd, unix.XDP_STATISTICS)
	if err != nil {
		return 0, 0
	}
	return k.Rx_dropped + k.Rx_ring_full + k.Rx_fill_ring_empty_descs, k.Tx_invalid_descs
}
