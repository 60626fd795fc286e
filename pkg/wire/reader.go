package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"time"
)

// reader consumes bytes; after the first fault every read yields zero and err stays.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
		r.b = nil
	}
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail("ends early")
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail("bad uvarint")
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail("bad varint")
		return 0
	}
	r.b = r.b[n:]
	return v
}

// bytes reads a string of at most limit bytes, without copying.
func (r *reader) bytes(limit int) []byte {
	n := r.uvarint()
	if n > uint64(limit) || n > uint64(len(r.b)) {
		r.fail("string of %d bytes, %d left, at most %d", n, len(r.b), limit)
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) addrPort() netip.AddrPort {
	var ap netip.AddrPort
	b := r.bytes(18)
	if err := ap.UnmarshalBinary(b); len(b) > 0 && err != nil {
		r.fail("address: %v", err)
	}
	return ap
}

func (r *reader) event() Event {
	e := Event{Time: time.Unix(0, r.varint()).UTC()}
	sid := r.uvarint()
	if sid > math.MaxUint32 {
		r.fail("sid %d does not fit 32 bits", sid)
	}
	e.SID = uint32(sid)
	e.Severity, e.Proto = r.byte(), r.byte()
	flags := r.byte()
	if flags > 1 {
		r.fail("unknown event flags %#x", flags)
	}
	e.Handshake = flags&1 != 0
	e.Src, e.Dst = r.addrPort(), r.addrPort()
	e.Category = string(r.bytes(maxCategory))
	e.EVE = r.bytes(MaxEVE)
	return e
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// appendAddrPort writes the zero AddrPort as the empty string.
func appendAddrPort(b []byte, ap netip.AddrPort) []byte {
	if !ap.IsValid() {
		return append(b, 0)
	}
	at := len(b)
	b = append(b, 0)
	b, _ = ap.AppendBinary(b) // fails never: its error is for the interface
	b[at] = byte(len(b) - at - 1)
	return b
}
