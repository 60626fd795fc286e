package capture

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// open does all that OpenXSK promises; Close undoes what it did, however far it came.
func (x *XSK) open() (err error) {
	if x.fd, err = unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return explainXSK(os.NewSyscallError("socket", err))
	}
	for _, step := range []func() error{x.register, x.size, x.mapRings, x.bind, x.prime, x.announce} {
		if err := step(); err != nil {
			return explainXSK(err)
		}
	}
	return nil
}

// register makes the buffers, in a memory file so that a successor process can inherit them.
func (x *XSK) register() error {
	fd, err := unix.MemfdCreate("weir-umem", unix.MFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	x.memory = fd
	size := (x.cfg.Frames + x.cfg.Spare) * x.cfg.FrameSize
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return os.NewSyscallError("ftruncate", err)
	}
	if err := x.mapArea(); err != nil {
		return err
	}
	reg := unix.XDPUmemReg{Addr: uint64(uintptr(unsafe.Pointer(&x.area[0]))), Len: uint64(size), Size: uint32(x.cfg.FrameSize)}
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(x.fd), unix.SOL_XDP, unix.XDP_UMEM_REG,
		uintptr(unsafe.Pointer(&reg)), unsafe.Sizeof(reg), 0)
	if errno != 0 {
		return fmt.Errorf("registering %d MB of buffers: %w", size>>20, errno)
	}
	return nil
}

// mapArea maps the buffers.
func (x *XSK) mapArea() (err error) {
	size := (x.cfg.Frames + x.cfg.Spare) * x.cfg.FrameSize
	if x.area, err = unix.Mmap(x.memory, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE); err != nil {
		return fmt.Errorf("mapping %d MB of buffers: %w", size>>20, err)
	}
	return nil
}

// size sets the lengths of the rings. All but tx have a place for every buffer, and so are never full.
func (x *XSK) size() error {
	for _, o := range []struct{ name, value int }{
		{unix.XDP_UMEM_FILL_RING, x.cfg.Frames},
		{unix.XDP_UMEM_COMPLETION_RING, x.cfg.Frames},
		{unix.XDP_RX_RING, x.cfg.Frames},
		{unix.XDP_TX_RING, x.cfg.TxRing},
	} {
		if err := unix.SetsockoptInt(x.fd, unix.SOL_XDP, o.name, o.value); err != nil {
			return fmt.Errorf("making a ring of %d entries: %w", o.value, err)
		}
	}
	// More frames a system call where the kernel can (default 32).
	err := unix.SetsockoptInt(x.fd, unix.SOL_XDP, unix.XDP_MAX_TX_SKB_BUDGET, min(2048, x.cfg.TxRing))
	if err != nil && !errors.Is(err, unix.ENOPROTOOPT) && !errors.Is(err, unix.EACCES) {
		return fmt.Errorf("setting the transmit budget: %w", err)
	}
	return nil
}

func (x *XSK) mapRings() error {
	o, fault := getsockopt[unix.XDPMmapOffsets](x.fd, unix.XDP_MMAP_OFFSETS)
	if fault != nil {
		return fault
	}
	var err [4]error
	x.rx, err[0] = mapRing[unix.XDPDesc](x.fd, unix.XDP_PGOFF_RX_RING, o.Rx, x.cfg.Frames)
	x.tx, err[1] = mapRing[unix.XDPDesc](x.fd, unix.XDP_PGOFF_TX_RING, o.Tx, x.cfg.TxRing)
	x.fill, err[2] = mapRing[uint64](x.fd, unix.XDP_UMEM_PGOFF_FILL_RING, o.Fr, x.cfg.Frames)
	x.completion, err[3] = mapRing[uint64](x.fd, unix.XDP_UMEM_PGOFF_COMPLETION_RING, o.Cr, x.cfg.Frames)
	return errors.Join(err[:]...)
}

// getsockopt reads a structure of AF_XDP.
func getsockopt[T any](fd int, option uintptr) (v T, err error) {
	size := uint32(unsafe.Sizeof(v))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_XDP, option,
		uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return v, os.NewSyscallError("getsockopt", errno)
	}
	if size != uint32(unsafe.Sizeof(v)) {
		return v, fmt.Errorf("AF_XDP option %d: %d bytes where %d are expected: Linux 5.10 or later is needed", option, size, unsafe.Sizeof(v))
	}
	return v, nil
}

// bind climbs down the ladder: zero-copy if asked for, then copy mode, which every driver has.
func (x *XSK) bind() error {
	modes := []uint16{unix.XDP_COPY}
	if x.cfg.ZeroCopy {
		modes = []uint16{unix.XDP_ZEROCOPY, unix.XDP_COPY}
	}
	var errs []error
	for _, mode := range modes {
		err := x.bindAs(mode)
		if err == nil {
			x.zeroCopy.Store(mode == unix.XDP_ZEROCOPY)
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// bindAs tries one mode. A socket that was just closed, of an earlier process, holds the queue for a moment longer.
func (x *XSK) bindAs(mode uint16) error {
	if x.cfg.Chains {
		mode |= unix.XDP_USE_SG
	}
	at := &unix.SockaddrXDP{Flags: mode | unix.XDP_USE_NEED_WAKEUP, Ifindex: uint32(x.cfg.Ifindex), QueueID: uint32(x.cfg.Queue)}
	var err error
	for range 50 {
		if err = unix.Bind(x.fd, at); !errors.Is(err, unix.EBUSY) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("the queue has an AF_XDP socket already, of another process: %w", err)
	}
	if err != nil {
		return os.NewSyscallError("bind", err)
	}
	return nil
}

// prime gives all buffers to the kernel, and starts the credit anew: an earlier process may have left some.
func (x *XSK) prime() error {
	for i := range x.cfg.Frames {
		x.fill.push(uint64(i * x.cfg.FrameSize))
	}
	x.fill.publish()
	for i := range x.cfg.Spare {
		x.spare = append(x.spare, uint64((x.cfg.Frames+i)*x.cfg.FrameSize))
	}
	x.primed = true
	x.tellRoom()
	credit := x.cfg.Credit
	granted, used := atomic.LoadUint64(&credit.Granted), atomic.LoadUint64(&credit.Used)
	if unused := int64(granted - used); granted > 0 && unused >= 0 { // nobody closed it
		x.stats.abandoned = uint64(max(int64(x.cfg.Frames)-unused, 0))
	}
	atomic.StoreUint64(&credit.Granted, used+uint64(x.cfg.Frames))
	return nil
}

// headroom is what the kernel leaves free at the front of a buffer (XDP_PACKET_HEADROOM).
const headroom = 256

// tellRoom tells the program what frames the socket takes, and makes the table for those of several buffers.
func (x *XSK) tellRoom() {
	room := uint32(x.cfg.FrameSize - headroom)
	x.cfg.Credit.Room, x.cfg.Credit.Most = room, room
	if x.cfg.Chains {
		x.cfg.Credit.Most = mostPieces * room
		x.pieces = make([]piece, x.cfg.Frames+x.cfg.Spare)
	}
}

// closedCredit is what a socket that was closed leaves: less than none, which tells it from one whose process was killed.
const closedCredit = 1 << 32

// announce puts the socket where the program finds it.
func (x *XSK) announce() error {
	if err := x.cfg.Sockets.Put(uint32(x.cfg.Slot), uint32(x.fd)); err != nil {
		return fmt.Errorf("putting the socket into the XSKMAP: %w", err)
	}
	return nil
}

// Close takes the socket out of the XSKMAP, so that the program stops redirecting, and frees it and its buffers. Frames on loan
// become invalid; those not yet sent are lost.
func (x *XSK) Close() error {
	if x.stats.closed.Load() {
		return nil
	}
	var errs []error
	if err := x.retire(); err != nil {
		errs = append(errs, err)
	}
	if x.fd >= 0 {
		x.lastCounts()
		x.stats.closed.Store(true)
		errs = append(errs, unix.Close(x.fd))
	}
	if x.memory >= 0 {
		errs = append(errs, unix.Close(x.memory))
	}
	errs = append(errs, x.unmap())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("capture: closing an AF_XDP socket: %w", err)
	}
	return nil
}

// retire has the program redirect no more, unless the socket was refused a queue which another serves.
func (x *XSK) retire() error {
	if !x.primed {
		return nil
	}
	atomic.StoreUint64(&x.cfg.Credit.Granted, atomic.LoadUint64(&x.cfg.Credit.Used)-closedCredit)
	if err := x.cfg.Sockets.Delete(uint32(x.cfg.Slot)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return err
	}
	return nil
}

// unmap gives up the memory shared with the kernel.
func (x *XSK) unmap() error {
	errs := []error{x.rx.unmap(), x.tx.unmap(), x.fill.unmap(), x.completion.unmap()}
	if x.area != nil {
		errs = append(errs, unix.Munmap(x.area))
	}
	x.area, x.rx, x.tx, x.fill, x.completion = nil, nil, nil, nil, nil
	return errors.Join(errs...)
}

// explainXSK adds what to do about the errors that have one likely cause.
func explainXSK(err error) error {
	switch {
	case errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("%w: the kernel is built without AF_XDP (CONFIG_XDP_SOCKETS)", err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: root or CAP_NET_RAW is needed", err)
	case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("%w: raise the memory limit (LimitMEMLOCK) or use fewer buffers", err)
	}
	return err
}
