package capture

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/decode"
)

const captureHeaderLen = int(unsafe.Sizeof(bpf.CaptureHeader{}))

// Head of a record in a BPF ring buffer (kernel, kernel/bpf/ringbuf.c): length and state, then a page offset of the kernel's own.
const (
	ringHeaderLen = 8
	ringBusy      = 1 << 31 // reserved, not yet submitted
	ringDiscard   = 1 << 30
)

// Ring is a Source over one of the kernel's capture rings: copies of frames, each behind a bpf.CaptureHeader. Frames are lent out
// where they lie in the ring, without a copy; Done frees their room, so a batch should not be kept long.
type Ring struct {
	fd       int
	mask     uint64
	consumer *uint64 // shared with the kernel
	producer *uint64
	data     []byte // the ring, mapped twice in a row: no record wraps
	mapped   [][]byte

	next  uint64 // position behind the last record handed out
	lost  func() uint64
	clock monotonic
	stats struct{ frames, bytes atomic.Uint64 }
}

// OpenRing reads ring, which stays the caller's. lost, if not nil, tells how many frames found the ring full.
func OpenRing(ring *ebpf.Map, lost func() uint64) (*Ring, error) {
	if ring.Type() != ebpf.RingBuf {
		return nil, fmt.Errorf("capture: map %s: a ring buffer expected", ring)
	}
	r := &Ring{fd: ring.FD(), mask: uint64(ring.MaxEntries()) - 1, lost: lost}
	page, size := os.Getpagesize(), int(ring.MaxEntries())
	own, err := r.mmap(0, page, unix.PROT_READ|unix.PROT_WRITE)
	if err != nil {
		return nil, err
	}
	shared, err := r.mmap(page, page+2*size, unix.PROT_READ)
	if err != nil {
		r.Close()
		return nil, err
	}
	r.consumer, r.producer = (*uint64)(unsafe.Pointer(&own[0])), (*uint64)(unsafe.Pointer(&shared[0]))
	r.data = shared[page:]
	r.next = atomic.LoadUint64(r.consumer)
	return r, nil
}

func (r *Ring) mmap(offset, size, prot int) ([]byte, error) {
	b, err := unix.Mmap(r.fd, int64(offset), size, prot, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("capture: mapping %d bytes of a ring buffer: %w", size, err)
	}
	r.mapped = append(r.mapped, b)
	return b, nil
}

// Recv hands out the records that are there, or waits for the first. It must follow the Done of the batch before.
func (r *Ring) Recv(frames []Frame, wait time.Duration) (int, error) {
	n := r.take(frames)
	if n == 0 && wait > 0 {
		if err := pollIn(wait, r.fd); err != nil {
			return 0, fmt.Errorf("capture: waiting for a ring buffer: %w", err)
		}
		n = r.take(frames)
	}
	return n, nil
}

func (r *Ring) take(frames []Frame) (n int) {
	end := atomic.LoadUint64(r.producer)
	if r.next == end {
		return 0
	}
	offset := r.clock.offset()
	size := 0
	for n < len(frames) && r.next < end {
		at := r.next & r.mask
		head := atomic.LoadUint32((*uint32)(unsafe.Pointer(&r.data[at])))
		if head&ringBusy != 0 {
			break // records are handed out in order
		}
		length := uint64(head &^ (ringBusy | ringDiscard))
		record := r.data[at+ringHeaderLen : at+ringHeaderLen+length]
		r.next += (ringHeaderLen + length + 7) &^ 7
		if head&ringDiscard != 0 || !frames[n].fromRecord(record, offset) {
			continue
		}
		size += len(frames[n].Data)
		n++
	}
	if n == 0 {
		atomic.StoreUint64(r.consumer, r.next) // nothing but discarded records
	}
	r.stats.frames.Add(uint64(n))
	r.stats.bytes.Add(uint64(size))
	return n
}

// fromRecord reads a record; false: it is too short to be one.
func (f *Frame) fromRecord(record []byte, offset int64) bool {
	if len(record) < captureHeaderLen {
		return false
	}
	h := (*bpf.CaptureHeader)(unsafe.Pointer(&record[0])) // records are aligned to 8 bytes
	size := int(h.CapLen)
	if size > len(record)-captureHeaderLen {
		return false
	}
	f.Data = record[captureHeaderLen : captureHeaderLen+size : captureHeaderLen+size]
	f.WireLen = max(int(h.WireLen), size)
	f.Time = int64(h.Time) + offset
	f.Number, f.Link = 0, decode.LinkEthernet
	f.Fate, f.Queue = Forward, h.Queue
	return true
}

// Done frees the room of all frames handed out so far. Fates are ignored: the originals went their way.
func (r *Ring) Done([]Frame) error {
	atomic.StoreUint64(r.consumer, r.next)
	return nil
}

// Inline is false: the frames are copies.
func (r *Ring) Inline() bool { return false }

// Stats counts the frames; Lost is what the kernel says.
func (r *Ring) Stats() Stats {
	s := Stats{Frames: r.stats.frames.Load(), Bytes: r.stats.bytes.Load()}
	if r.lost != nil {
		s.Lost = r.lost()
	}
	return s
}

// Close unmaps the ring. Frames on loan become invalid.
func (r *Ring) Close() error {
	for _, b := range r.mapped {
		if err := unix.Munmap(b); err != nil {
			return fmt.Errorf("capture: unmapping a ring buffer: %w", err)
		}
	}
	r.mapped = nil
	return nil
}
