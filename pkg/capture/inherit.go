package capture

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Inherited is an AF_XDP socket as one process leaves it to the next, which takes its place by exec: frames go on arriving while
// nobody reads them, and none is lost. It can be written as JSON.
type Inherited struct {
	FD, Memory                       int // descriptors: the socket, and the file that holds its buffers
	Ifindex, Queue, Slot             int
	Frames, FrameSize, TxRing, Spare int
	ZeroCopy, Chains                 bool
	Free                             []uint64 // spare buffers that are not on their way

	taken bool // or closed
}

// Heir is a Source that can be left to the next process.
type Heir interface {
	// Bequeath ends the use of the source and leaves its sockets open across exec. Nothing may be on loan. The source must not be
	// used any more, nor closed, but for Stats.
	Bequeath() ([]Inherited, error)
}

// Bequeath leaves the socket to the next process.
func (x *XSK) Bequeath() ([]Inherited, error) {
	x.reap()
	x.grant()
	x.tx.publish()
	if err := x.kick(); err != nil {
		return nil, err
	}
	for _, fd := range []int{x.fd, x.memory} {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return nil, os.NewSyscallError("fcntl", err)
		}
	}
	left := Inherited{
		FD: x.fd, Memory: x.memory, Ifindex: x.cfg.Ifindex, Queue: x.cfg.Queue, Slot: x.cfg.Slot,
		Frames: x.cfg.Frames, FrameSize: x.cfg.FrameSize, TxRing: x.cfg.TxRing, Spare: x.cfg.Spare, ZeroCopy: x.zeroCopy.Load(), Chains: x.cfg.Chains, Free: x.spare,
	}
	x.lastCounts()
	x.stats.closed.Store(true)
	return []Inherited{left}, x.unmap()
}

// Bequeath leaves all members' sockets to the next process.
func (g *Group) Bequeath() ([]Inherited, error) { return bequeath(g.members) }

func bequeath[S Source](members []S) (all []Inherited, err error) {
	for _, m := range members {
		h, ok := any(m).(Heir)
		if !ok {
			return all, fmt.Errorf("capture: a %T cannot be left to another process", m)
		}
		left, err := h.Bequeath()
		if all = append(all, left...); err != nil {
			return all, fmt.Errorf("capture: leaving an AF_XDP socket to the next process: %w", err)
		}
	}
	return all, nil
}

// Forsake closes those of the inherited sockets that nobody took over.
func Forsake(all []Inherited) error {
	var errs []error
	for n := range all {
		if i := &all[n]; !i.taken {
			i.taken = true
			errs = append(errs, unix.Close(i.FD), unix.Close(i.Memory))
		}
	}
	return errors.Join(errs...)
}

// Untaken returns those of the inherited sockets that nobody took over, to be left to yet another process.
func Untaken(all []Inherited) (untaken []Inherited, err error) {
	for _, i := range all {
		if i.taken {
			continue
		}
		untaken = append(untaken, i)
		for _, fd := range []int{i.FD, i.Memory} {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
				return untaken, os.NewSyscallError("fcntl", err)
			}
		}
	}
	return untaken, nil
}

// left finds the socket of the queue among the inherited ones.
func (x *XSK) left() *Inherited {
	for i := range x.cfg.Inherited {
		if l := &x.cfg.Inherited[i]; l.Ifindex == x.cfg.Ifindex && l.Queue == x.cfg.Queue && l.Slot == x.cfg.Slot && !l.taken {
			return l
		}
	}
	return nil
}

// inherit takes over what another process left. Its sizes are the socket's.
func (x *XSK) inherit(l *Inherited) error {
	if x.cfg.Chains && !l.Chains {
		return errors.New("the socket that the program before left takes no frames of several buffers, which the MTU makes possible: stop the sensor and start it")
	}
	l.taken = true
	x.cfg.Chains = l.Chains
	x.fd, x.memory, x.spare = l.FD, l.Memory, l.Free
	x.zeroCopy.Store(l.ZeroCopy)
	x.cfg.Frames, x.cfg.FrameSize, x.cfg.TxRing, x.cfg.Spare = l.Frames, l.FrameSize, l.TxRing, l.Spare
	for _, fd := range []int{x.fd, x.memory} {
		unix.CloseOnExec(fd)
	}
	for _, step := range []func() error{x.mapArea, x.mapRings, x.resume, x.announce} {
		if err := step(); err != nil {
			return explainXSK(err)
		}
	}
	return nil
}

// resume goes on where the other process stopped: the rings hold all that is known of the buffers but the spare ones.
func (x *XSK) resume() error {
	x.rx.own, x.completion.own = atomic.LoadUint32(x.rx.consumer), atomic.LoadUint32(x.completion.consumer)
	x.tx.own, x.fill.own = atomic.LoadUint32(x.tx.producer), atomic.LoadUint32(x.fill.producer)
	x.primed, x.inherited = true, true
	x.tellRoom()
	if c := x.cfg.Credit; atomic.LoadUint64(&c.Granted) == 0 { // in new maps
		atomic.StoreUint64(&c.Granted, atomic.LoadUint64(&c.Used)+uint64(x.fill.pending()))
	}
	return nil
}
