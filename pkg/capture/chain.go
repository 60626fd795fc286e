package capture

import "golang.org/x/sys/unix"

// piece is what one buffer holds of a frame of several (Linux, af_xdp.rst, "Multi-Buffer Support"). The table of pieces has one for each
// buffer; only those of frames that are on loan, and have several, mean anything. The socket's owner writes them before it lends the frame.
type piece struct {
	next   uint64 // address of the next piece, if there is more
	length uint32
	more   bool
}

// mostPieces is how many buffers of a frame the kernel can send: it makes a socket buffer with 17 fragments at most of them, the first
// aside (MAX_SKB_FRAGS).
const mostPieces = 16

// at is the piece that lies at addr.
func (x *XSK) at(addr uint64) *piece { return &x.pieces[addr/uint64(x.cfg.FrameSize)] }

// chain notes the pieces of the frame that first begins, of which ready more descriptors are there to read. It returns how many it read
// and the frame's length; 0: the last has not come yet, and all are to be read again.
func (x *XSK) chain(first unix.XDPDesc, ready int) (more int, length int) {
	desc := first
	for length = int(desc.Len); desc.Options&unix.XDP_PKT_CONTD != 0; length += int(desc.Len) {
		if more == ready {
			return 0, 0
		}
		next := *x.rx.at(x.rx.own + uint32(more))
		*x.at(desc.Addr) = piece{next: next.Addr, length: desc.Len, more: true}
		desc = next
		more++
	}
	*x.at(desc.Addr) = piece{length: desc.Len}
	return more, length
}

// lendChain makes f the frame of length bytes whose pieces begin at addr. Until it is gathered, its data is the first piece.
func (x *XSK) lendChain(f *Frame, addr uint64, length uint32, now int64) {
	x.lend(f, addr, x.at(addr).length, now)
	f.WireLen, f.chained = int(length), true
}

// lent are the parts of the buffers in which the frame lies, valid until the next call.
func (x *XSK) lent(f *Frame) [][]byte {
	if !f.chained {
		x.parts = append(x.parts[:0], f.Data)
		return x.parts
	}
	x.parts = x.parts[:0]
	for addr := f.slot; ; {
		p := x.at(addr)
		x.parts = append(x.parts, x.area[addr:addr+uint64(p.length)])
		if !p.more {
			return x.parts
		}
		addr = p.next
	}
}

// first is what the first of the frame's buffers holds of it.
func (x *XSK) first(f *Frame) []byte {
	if !f.chained {
		return f.Data
	}
	return x.area[f.slot : f.slot+uint64(x.at(f.slot).length)]
}

// count is how many buffers the frame lies in.
func (x *XSK) count(f *Frame) int {
	n := 1
	if f.chained {
		for p := x.at(f.slot); p.more; p = x.at(p.next) {
			n++
		}
	}
	return n
}

// sendOn queues the frame to be sent out of the buffers that it lies in, for all of which the ring must have room. It returns how many.
func (x *XSK) sendOn(f *Frame) int {
	if !f.chained {
		x.tx.push(unix.XDPDesc{Addr: f.slot, Len: uint32(len(f.Data))})
		return 1
	}
	for n, addr := 1, f.slot; ; n++ {
		p := x.at(addr)
		if !p.more {
			x.tx.push(unix.XDPDesc{Addr: addr, Len: p.length})
			return n
		}
		x.tx.push(unix.XDPDesc{Addr: addr, Len: p.length, Options: unix.XDP_PKT_CONTD})
		addr = p.next
	}
}

// recycleFrame recycles all buffers of a frame.
func (x *XSK) recycleFrame(f *Frame) {
	addr := f.slot
	for f.chained && x.at(addr).more {
		next := x.at(addr).next
		x.recycle(addr)
		addr = next
	}
	x.recycle(addr)
}

// arena is memory for the frames of one batch that lie in several buffers: inspection reads a frame as one piece. It grows to the largest
// batch, which is bounded by the buffers.
type arena struct {
	room         []byte
	used, wanted int
}

// gather makes the data of those of the frames that lie in several buffers one piece, until the next call. They are members'.
func (a *arena) gather(frames []Frame, of func(*Frame) *XSK) {
	if a.wanted > len(a.room) {
		a.room = make([]byte, a.wanted)
	}
	a.used, a.wanted = 0, 0
	for i := range frames {
		f := &frames[i]
		if !f.chained {
			continue
		}
		x, to := of(f), a.take(f.WireLen)
		n := 0
		for addr, more := f.slot, true; more; {
			p := x.at(addr)
			n += copy(to[n:], x.area[addr:addr+uint64(p.length)])
			addr, more = p.next, p.more
		}
		f.Data = to
	}
}

func (a *arena) take(n int) []byte {
	a.wanted += n
	if a.used+n > len(a.room) {
		return make([]byte, n) // and the next batch finds more room
	}
	a.used += n
	return a.room[a.used-n : a.used : a.used]
}
