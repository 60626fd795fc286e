package capture

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/weir-ips/weir/pkg/decode"
)

const (
	readSize = 256 << 10 // one read: what was read is still in the second-level cache when it is inspected

	// MaxFrame is the longest frame a capture file may hold, in bytes: libpcap's MAXIMUM_SNAPLEN.
	MaxFrame = 262144
)

// ErrDamaged is what a record that makes no sense returns; the frames before it are good.
var ErrDamaged = errors.New("the file is damaged")

// errShort says that the file ends within a record; errFull that the batch must be given back before the buffer may move.
var (
	errShort = errors.New("the file ends within a record")
	errFull  = errors.New("the batch is full")
)

// File is a Source that reads a capture file: pcap (both byte orders, microseconds and nanoseconds, the older variants that
// libpcap and Wireshark know) or pcapng (several sections and interfaces). Frames point into File's buffer until the next Recv.
//
// A file that ends within a record, as an interrupted tcpdump leaves it, ends there: Stats.Truncated says so. A record that
// makes no sense is an ErrDamaged that names the file and the offset in bytes.
type File struct {
	name   string
	r      io.Reader
	closer io.Closer
	format format

	buf    []byte
	pos    int   // first unread byte of buf
	end    int   // end of the valid bytes of buf
	base   int64 // offset in the file of buf[0]
	lent   bool  // frames of this batch point into buf: it must not move
	err    error // what ended the file; given once the frames before it are
	number uint64
	stats  fileStats
}

type fileStats struct{ frames, bytes, truncated atomic.Uint64 }

// format reads the records of one capture format.
type format interface {
	// next fills frame from the record at f.pos and consumes it. False: the record held no frame.
	next(f *File, frame *decode.Frame) (bool, error)
}

// Open opens the capture file at path, which may be a pipe, and reads its header.
func Open(path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	size := int64(readSize)
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		size = min(size, info.Size()+1) // one more, so that a small file is one read and its end is seen
	}
	f, err := newFile(file, path, int(size))
	if err != nil {
		file.Close()
		return nil, err
	}
	f.closer = file
	return f, nil
}

// NewFile reads a capture file from r; name is how errors call it.
func NewFile(r io.Reader, name string) (*File, error) { return newFile(r, name, readSize) }

func newFile(r io.Reader, name string, size int) (*File, error) {
	f := &File{name: name, r: r, buf: make([]byte, size)}
	magic, err := f.peekHeader(4, "4 bytes")
	if err != nil {
		return nil, err
	}
	if littleEndian.uint32(magic) == blockSection { // a palindrome: the same in both orders
		f.format, err = newPcapng(f)
	} else {
		f.format, err = newPcap(f)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Recv reads the next frames. A file has no use for wait; a pipe blocks. The frames of the batch before lose their bytes.
func (f *File) Recv(frames []Frame, _ time.Duration) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	f.lent = false
	n, size := 0, 0
	for n < len(frames) {
		frame := &frames[n]
		ok, err := f.format.next(f, &frame.Frame)
		if err != nil {
			if !errors.Is(err, errFull) {
				f.err = f.ending(err)
			}
			break
		}
		if !ok {
			continue
		}
		f.number++
		frame.Number, frame.Fate, frame.Queue = f.number, Forward, 0
		size += len(frame.Data)
		f.lent = true
		n++
	}
	f.stats.frames.Add(uint64(n))
	f.stats.bytes.Add(uint64(size))
	if n == 0 && f.err != nil {
		return 0, f.err
	}
	return n, nil
}

// ending turns a short record at the end of the file into the end of the file.
func (f *File) ending(err error) error {
	if errors.Is(err, errShort) {
		f.stats.truncated.Add(1)
		return io.EOF
	}
	return err
}

// Done gives the batch back. Fates are ignored.
func (f *File) Done([]Frame) error { return nil }

// Inline is false: the frames are history.
func (f *File) Inline() bool { return false }

// Stats counts the frames read so far.
func (f *File) Stats() Stats {
	return Stats{Frames: f.stats.frames.Load(), Bytes: f.stats.bytes.Load(), Truncated: f.stats.truncated.Load()}
}

// Close closes the file. Frames lent before lose nothing by it.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// peek returns the next n bytes without consuming them. io.EOF: the file ended before the first of them; errShort: within.
func (f *File) peek(n int) ([]byte, error) {
	if f.end-f.pos < n {
		if err := f.fill(n); err != nil {
			return nil, err
		}
	}
	return f.buf[f.pos : f.pos+n : f.pos+n], nil
}

// peekHeader peeks at the file's header of n bytes, the absence of which is an error.
func (f *File) peekHeader(n int, what string) ([]byte, error) {
	h, err := f.peek(n)
	if errors.Is(err, io.EOF) || errors.Is(err, errShort) {
		return nil, f.fail(0, "not a capture file: shorter than %s", what)
	}
	return h, err
}

// fill makes n bytes available from f.pos. The buffer only grows as bytes arrive: a length alone allocates nothing.
func (f *File) fill(n int) error {
	if f.lent {
		return errFull
	}
	copy(f.buf, f.buf[f.pos:f.end])
	f.base += int64(f.pos)
	f.end -= f.pos
	f.pos = 0
	for f.end < n {
		if f.end == len(f.buf) {
			f.buf = append(f.buf, make([]byte, max(len(f.buf), 64))...)
		}
		got, err := io.ReadAtLeast(f.r, f.buf[f.end:], min(n, len(f.buf))-f.end)
		f.end += got
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return f.fail(f.end, "reading: %w", err)
		case f.end == 0:
			return io.EOF
		default:
			return errShort
		}
	}
	return nil
}

// skip consumes n bytes that peek has shown.
func (f *File) skip(n int) { f.pos += n }

// fail makes an error that names the file and the offset of the byte at distance at from f.pos.
func (f *File) fail(at int, format string, args ...any) error {
	return fmt.Errorf("capture: %s: byte %d: %w", f.name, f.base+int64(f.pos+at), fmt.Errorf(format, args...))
}

// linkType maps the values that writers put into files for the same thing to decode's.
func linkType(value uint16) decode.LinkType {
	switch value {
	case 12, 14: // DLT_RAW of most systems, and of OpenBSD, written as they are
		return decode.LinkRaw
	case 108: // LINKTYPE_LOOP: LinkNull in network byte order
		return decode.LinkNull
	}
	return decode.LinkType(value)
}
