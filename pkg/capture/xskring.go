package capture

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is one of a socket's four rings, shared with the kernel (Documentation/networking/af_xdp.rst). One side produces, the other
// consumes; each owns one index and reads the other's. The indices run freely and are masked on access.
type ring[T any] struct {
	producer, consumer, flags *uint32
	entries                   []T
	mask                      uint32
	own                       uint32 // our index; published by publish
	mapped                    []byte
}

// mapRing maps a ring of size entries.
func mapRing[T any](fd int, offset int64, o unix.XDPRingOffset, size int) (*ring[T], error) {
	var entry T
	length := int(o.Desc) + size*int(unsafe.Sizeof(entry))
	b, err := unix.Mmap(fd, offset, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("mapping a ring of %d entries: %w", size, err)
	}
	word := func(at uint64) *uint32 { return (*uint32)(unsafe.Pointer(&b[at])) }
	return &ring[T]{
		producer: word(o.Producer), consumer: word(o.Consumer), flags: word(o.Flags),
		entries: unsafe.Slice((*T)(unsafe.Pointer(&b[o.Desc])), size),
		mask:    uint32(size - 1),
		mapped:  b,
	}, nil
}

func (r *ring[T]) unmap() error {
	if r == nil {
		return nil
	}
	return unix.Munmap(r.mapped)
}

// at is the entry at a free-running index.
func (r *ring[T]) at(i uint32) *T { return &r.entries[i&r.mask] }

// For the side that produces: fill and transmit rings.

// room is how many entries may be written at own.
func (r *ring[T]) room() int { return len(r.entries) - r.pending() }

// pending is how many entries the kernel has not consumed.
func (r *ring[T]) pending() int { return int(r.own - atomic.LoadUint32(r.consumer)) }

// push writes one entry; publish shows it to the kernel. There must be room.
func (r *ring[T]) push(v T) {
	*r.at(r.own) = v
	r.own++
}

func (r *ring[T]) publish() { atomic.StoreUint32(r.producer, r.own) }

// For the side that consumes: receive and completion rings.

// ready is how many entries may be read from own.
func (r *ring[T]) ready() int { return int(atomic.LoadUint32(r.producer) - r.own) }

// pop reads one entry; release gives its place back to the kernel. One must be ready.
func (r *ring[T]) pop() T {
	v := *r.at(r.own)
	r.own++
	return v
}

func (r *ring[T]) release() { atomic.StoreUint32(r.consumer, r.own) }

// needWakeup reports that the kernel waits for a system call before it goes on.
func (r *ring[T]) needWakeup() bool { return atomic.LoadUint32(r.flags)&unix.XDP_RING_NEED_WAKEUP != 0 }
