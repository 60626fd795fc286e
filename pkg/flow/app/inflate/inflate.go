// Package inflate undoes DEFLATE (RFC 1951) bare, in zlib (RFC 1950) or in gzip (RFC 1952) wrapping, piece by piece.
//
// Unlike compress/flate it never blocks: a Reader takes what bytes there are, gives what they decode to, and goes on
// with the next piece. It is tolerant as browsers are: checksums are not verified, and what was decoded before an error
// stays valid.
package inflate

import "errors"

// ErrCorrupt says that the stream is not in the format; what was decoded before it is valid.
var ErrCorrupt = errors.New("inflate: corrupt stream")

// Format is the wrapping of a stream.
type Format uint8

// The wrappings.
const (
	Raw  Format = iota // bare DEFLATE
	Zlib               // two-byte header, Adler-32 at the end
	Gzip               // members with header, CRC-32 and size; several may follow one another
)

const windowSize = 32 << 10

// Reader decodes one stream. The zero value is not ready; use New.
type Reader struct {
	format Format
	step   step
	in     []byte // bytes not yet consumed, kept between calls
	bits   uint64
	nbits  uint

	final     bool // the block being decoded is the last one
	stored    int  // bytes left of a stored block
	lit, dist *huffman
	dynLit    huffman
	dynDist   huffman
	codeLen   huffman
	nlit      int
	ndist     int
	nclen     int
	lens      [320]uint8
	nlens     int

	copyLen, copyDist int // of the match being read

	gzFlags byte
	gzSkip  int

	window []byte // the last windowSize bytes and what was decoded since
	err    error
}

type step uint8

const (
	stepHeader step = iota
	stepGzipExtra
	stepGzipExtraBytes
	stepGzipName
	stepGzipComment
	stepGzipCRC
	stepBlock
	stepStored
	stepStoredBytes
	stepDynamic
	stepCodeLengths
	stepLengths
	stepSymbols
	stepTrailer
	stepDone
)

// New returns a reader of a stream in the format.
func New(f Format) *Reader {
	r := &Reader{format: f}
	if f == Raw {
		r.step = stepBlock
	}
	return r
}

// Done reports whether the stream has ended regularly. A gzip stream may go on with another member.
func (r *Reader) Done() bool { return r.step == stepDone }

// Write decodes data and hands each decoded piece to out until out returns false, which ends decoding for good.
// Pieces are lent. An error is ErrCorrupt and final.
func (r *Reader) Write(data []byte, out func([]byte) bool) error {
	if r.err != nil {
		return r.err
	}
	if len(r.in) > 0 {
		r.in = append(r.in, data...)
		data = r.in
	}
	src := source{data: data, bits: r.bits, n: r.nbits}
	base := len(r.window)
	for r.err == nil {
		more := r.advance(&src)
		if len(r.window)-base > 0 && (!more || r.err != nil || len(r.window) >= 2*windowSize) {
			if !out(r.window[base:]) {
				r.err = errStopped
				break
			}
			if len(r.window) > windowSize {
				n := copy(r.window, r.window[len(r.window)-windowSize:])
				r.window = r.window[:n]
			}
			base = len(r.window)
		}
		if !more {
			break
		}
	}
	r.bits, r.nbits = src.bits, src.n
	r.in = append(r.in[:0], src.data...)
	return r.err
}

var errStopped = errors.New("inflate: stopped by the taker")

// advance does one step. It returns false when bytes are missing or the stream is over.
func (r *Reader) advance(s *source) bool {
	switch r.step {
	case stepHeader:
		return r.header(s)
	case stepGzipExtra, stepGzipExtraBytes, stepGzipName, stepGzipComment, stepGzipCRC:
		return r.gzipFields(s)
	case stepBlock:
		return r.block(s)
	case stepStored:
		return r.storedHeader(s)
	case stepStoredBytes:
		return r.storedBytes(s)
	case stepDynamic, stepCodeLengths, stepLengths:
		return r.dynamic(s)
	case stepSymbols:
		return r.symbols(s)
	case stepTrailer:
		return r.trailer(s)
	}
	return r.restart(s)
}

func (r *Reader) fail() bool {
	r.err = ErrCorrupt
	return false
}

// block reads a block's three header bits (RFC 1951 §3.2.3).
func (r *Reader) block(s *source) bool {
	if r.final {
		s.align()
		r.step = stepTrailer
		return true
	}
	if !s.need(3) {
		return false
	}
	r.final = s.take(1) == 1
	switch s.take(2) {
	case 0:
		r.step = stepStored
	case 1:
		r.lit, r.dist = fixedCodes()
		r.step = stepSymbols
	case 2:
		r.step = stepDynamic
	default:
		return r.fail()
	}
	return true
}

func (r *Reader) storedHeader(s *source) bool {
	s.align()
	if !s.need(32) {
		return false
	}
	n, inv := s.take(16), s.take(16)
	if n != ^inv&0xffff {
		return r.fail()
	}
	r.stored = int(n)
	r.step = stepStoredBytes
	return true
}

func (r *Reader) storedBytes(s *source) bool {
	for r.stored > 0 && s.n >= 8 {
		r.window = append(r.window, byte(s.take(8)))
		r.stored--
	}
	n := min(r.stored, len(s.data), windowSize)
	r.window = append(r.window, s.data[:n]...)
	s.data = s.data[n:]
	r.stored -= n
	if r.stored > 0 {
		return n > 0
	}
	r.step = stepBlock
	return true
}

// trailer skips the checksum: it is not verified, for browsers do not either.
func (r *Reader) trailer(s *source) bool {
	n := [...]uint{Raw: 0, Zlib: 32, Gzip: 64}[r.format]
	if s.left() < n {
		return false
	}
	for ; n > 0; n -= 32 {
		s.need(32)
		s.take(32)
	}
	r.step = stepDone
	return true
}

// restart begins the next member of a gzip stream; other formats ignore what follows.
func (r *Reader) restart(s *source) bool {
	s.align()
	if r.format != Gzip {
		s.data, s.bits, s.n = nil, 0, 0
		return false
	}
	if !s.need(16) {
		return false
	}
	if s.bits&0xffff != 0x8b1f {
		s.data, s.bits, s.n = nil, 0, 0
		return false
	}
	r.step, r.final = stepHeader, false
	return true
}
