package capture

import "sync/atomic"

// lane is a queue from one goroutine to another, without locks. It is never full: who puts in keeps count of what has not come back,
// and that is at most the lane's length.
type lane struct {
	slips []slip
	mask  uint32
	put   uint32 // private to the goroutine that puts in
	_     [64]byte
	shown atomic.Uint32 // put, as of the last show
	_     [64]byte
	got   uint32 // private to the goroutine that takes out
	_     [64]byte
}

// slip stands for a frame on its way between two goroutines. The frame itself stays where the driver put it.
type slip struct {
	addr    uint64 // in the buffers of its socket
	length  uint32
	member  uint16 // the socket, as an index of spread.members
	fate    Fate
	chained bool // it lies in several buffers
}

// newLane makes a lane of length slips, a power of two.
func newLane(length int) *lane {
	return &lane{slips: make([]slip, length), mask: uint32(length - 1)}
}

// push puts a slip in; show lets the other side see it.
func (l *lane) push(s slip) {
	l.slips[l.put&l.mask] = s
	l.put++
}

func (l *lane) show() { l.shown.Store(l.put) }

// ready is how many slips can be taken out.
func (l *lane) ready() int { return int(l.shown.Load() - l.got) }

// pop takes the next slip out; one must be ready.
func (l *lane) pop() slip {
	s := l.slips[l.got&l.mask]
	l.got++
	return s
}

// slip stands for the frame.
func (f *Frame) slip() slip {
	return slip{addr: f.slot, length: uint32(f.WireLen), member: f.member, fate: f.Fate, chained: f.chained}
}

// borrow makes f the frame that the slip stands for.
func (x *XSK) borrow(f *Frame, p *slip, now int64) {
	if p.chained {
		x.lendChain(f, p.addr, p.length, now)
	} else {
		x.lend(f, p.addr, p.length, now)
	}
}
