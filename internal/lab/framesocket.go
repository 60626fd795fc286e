package lab

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batchFrames = 64
	maxFrame    = 9216 // a jumbo frame with room for encapsulation
)

// mmsghdr is struct mmsghdr (recvmmsg(2)).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [4]byte
}

// frameSocket is an AF_PACKET socket on one interface that reads and writes whole frames, 64 in one system call. One goroutine may
// read while one writes.
type frameSocket struct {
	fd   int
	rx   frameBatch
	tx   frameBatch
	used int // frames waiting in tx

	mu     sync.Mutex
	closed bool
}

type frameBatch struct {
	msgs [batchFrames]mmsghdr
	iovs [batchFrames]unix.Iovec
	bufs [batchFrames][maxFrame]byte
}

func (b *frameBatch) init() {
	for i := range b.msgs {
		b.iovs[i].Base = &b.bufs[i][0]
		b.iovs[i].SetLen(maxFrame)
		b.msgs[i].hdr.Iov = &b.iovs[i]
		b.msgs[i].hdr.SetIovlen(1)
	}
}

// openFrames opens a socket on interface dev of n. proto is the EtherType to read, unix.ETH_P_ALL for all, 0 for none: send only.
func openFrames(n *Namespace, dev string, proto uint16) (*frameSocket, error) {
	index, err := n.Index(dev)
	if err != nil {
		return nil, err
	}
	s := &frameSocket{fd: -1}
	err = n.Run(func() (err error) {
		s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err == nil {
		err = s.configure(index, proto)
	}
	if err != nil {
		if s.fd >= 0 {
			unix.Close(s.fd)
		}
		return nil, fmt.Errorf("lab: packet socket on %s/%s: %w", n.Host, dev, err)
	}
	s.rx.init()
	s.tx.init()
	return s, nil
}

func (s *frameSocket) configure(index int, proto uint16) error {
	for _, o := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16 << 20},
		{unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 4 << 20},
		{unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1},
	} {
		if err := unix.SetsockoptInt(s.fd, o.level, o.name, o.value); err != nil {
			return err
		}
	}
	// Reads return now and then, so that close is noticed.
	tv := unix.NsecToTimeval(int64(100 * time.Millisecond))
	if err := unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return err
	}
	return unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: htons(proto), Ifindex: index})
}

// incomingOnly hides the frames the host itself sends.
func (s *frameSocket) incomingOnly() error {
	return unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
}

// recv waits up to 100 ms for frames and returns how many there are; frame(i) is one. io.EOF: the socket is closed.
func (s *frameSocket) recv() (int, error) {
	for i := range s.rx.iovs {
		s.rx.iovs[i].SetLen(maxFrame)
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.rx.msgs[0])),
		batchFrames, unix.MSG_WAITFORONE, 0, 0)
	if s.isClosed() {
		return 0, io.EOF
	}
	switch errno {
	case 0:
		return int(n), nil
	case unix.EAGAIN, unix.EINTR, unix.ENETDOWN:
		return 0, nil
	}
	return 0, fmt.Errorf("lab: reading frames: %w", errno)
}

// frame returns the i-th frame of the last recv; valid until the next.
func (s *frameSocket) frame(i int) []byte { return s.rx.bufs[i][:s.rx.msgs[i].len] }

// next returns room for a frame of up to maxFrame bytes; add queues it.
func (s *frameSocket) next() []byte { return s.tx.bufs[s.used][:] }

// add queues the first size bytes of next, and sends when the batch is full. It returns how many frames went out.
func (s *frameSocket) add(size int) (int, error) {
	s.tx.iovs[s.used].SetLen(size)
	if s.used++; s.used == batchFrames {
		return s.flush()
	}
	return 0, nil
}

// flush sends the queued frames and returns how many the interface took. What it refuses is lost, as on a wire.
func (s *frameSocket) flush() (sent int, err error) {
	for i := 0; i < s.used; {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.tx.msgs[i])),
			uintptr(s.used-i), 0, 0, 0)
		switch errno {
		case 0:
			sent += int(n)
			i += int(n)
		case unix.EINTR:
		case unix.ENOBUFS, unix.EAGAIN, unix.EMSGSIZE, unix.ENETDOWN:
			i++ // the frame at the front was refused
		default:
			s.used = 0
			return sent, fmt.Errorf("lab: sending frames: %w", errno)
		}
	}
	s.used = 0
	return sent, nil
}

func (s *frameSocket) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// stop has the reader return io.EOF soon; close then frees the socket. Apart, so that no reader is left with a reused descriptor.
func (s *frameSocket) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

func (s *frameSocket) close() error { return unix.Close(s.fd) }

func htons(v uint16) uint16 { return v<<8 | v>>8 }

// mac6 is a MAC as an array; short ones are padded with zeros.
func mac6(m net.HardwareAddr) (a [6]byte) {
	copy(a[:], m)
	return a
}
