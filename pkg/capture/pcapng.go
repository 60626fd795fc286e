package capture

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"

	"github.com/weir-ips/weir/pkg/decode"
)

// Block types (draft-ietf-opsawg-pcapng §4, §B).
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockEnhanced  = 6

	orderMagic = 0x1a2b3c4d
)

const (
	maxBlock      = 16 << 20 // libpcap's bound
	maxInterfaces = 1 << 16  // of a section; the obsolete packet block cannot name more
)

// Options of an interface block.
const (
	optEnd      = 0
	optTSResol  = 9
	optTSOffset = 14
)

// pcapng reads the blocks of a pcapng file.
type pcapng struct {
	order      order // of the section
	interfaces []netInterface
}

// netInterface is what an interface block says of the frames that name it.
type netInterface struct {
	link    decode.LinkType
	snaplen uint32
	perSec  uint64 // timestamp units in a second
	offset  int64  // seconds to add to a timestamp
}

// newPcapng checks that the first section can be read; next reads it.
func newPcapng(f *File) (*pcapng, error) {
	p := new(pcapng)
	_, size, err := p.block(f)
	if err == nil {
		_, err = f.peek(size)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, errShort) {
		return nil, f.fail(0, "not a capture file: shorter than pcapng's section header")
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// block reads the head of the block at f.pos; size is that of the whole block.
func (p *pcapng) block(f *File) (kind uint32, size int, err error) {
	h, err := f.peek(12)
	if err != nil {
		return 0, 0, err
	}
	kind = littleEndian.uint32(h)
	if kind == blockSection {
		if err := p.setOrder(f, h[8:]); err != nil {
			return 0, 0, err
		}
	} else {
		kind = p.order.uint32(h)
	}
	length := p.order.uint32(h[4:])
	if length < 12 || length%4 != 0 || length > maxBlock {
		return 0, 0, f.fail(4, "a block of %d bytes; a multiple of 4 from 12 to %d expected: %w", length, maxBlock, ErrDamaged)
	}
	return kind, int(length), nil
}

func (p *pcapng) setOrder(f *File, magic []byte) error {
	switch {
	case littleEndian.uint32(magic) == orderMagic:
		p.order = littleEndian
	case bigEndian.uint32(magic) == orderMagic:
		p.order = bigEndian
	default:
		return f.fail(8, "byte-order magic % x; 1a 2b 3c 4d or its reverse expected", magic)
	}
	return nil
}

func (p *pcapng) next(f *File, frame *decode.Frame) (bool, error) {
	kind, size, err := p.block(f)
	if err != nil {
		return false, err
	}
	b, err := f.peek(size)
	if err != nil {
		return false, err
	}
	if trailer := p.order.uint32(b[size-4:]); trailer != uint32(size) {
		return false, f.fail(size-4, "the block ends with length %d and begins with %d: %w", trailer, size, ErrDamaged)
	}
	found := false
	body := b[8 : size-4]
	switch kind {
	case blockSection:
		err = p.section(body)
	case blockInterface:
		err = p.addInterface(body)
	case blockEnhanced, blockPacket:
		found, err = true, p.packet(kind, body, frame)
	case blockSimple:
		found, err = true, p.simple(body, frame)
	}
	if err != nil {
		return false, f.fail(0, "%w: %w", ErrDamaged, err)
	}
	f.skip(size)
	return found, nil
}

func (p *pcapng) section(body []byte) error {
	if len(body) < 16 {
		return errors.New("a section header of fewer than 28 bytes")
	}
	if major := p.order.uint16(body[4:]); major != 1 {
		return fmt.Errorf("pcapng major version %d; 1 expected", major)
	}
	p.interfaces = p.interfaces[:0]
	return nil
}

func (p *pcapng) addInterface(body []byte) error {
	if len(body) < 8 {
		return errors.New("an interface block of fewer than 20 bytes")
	}
	if len(p.interfaces) == maxInterfaces {
		return fmt.Errorf("more than %d interfaces in a section", maxInterfaces)
	}
	iface := netInterface{
		link:    linkType(p.order.uint16(body)),
		snaplen: p.order.uint32(body[4:]),
		perSec:  1e6,
	}
	if err := p.interfaceOptions(&iface, body[8:]); err != nil {
		return err
	}
	p.interfaces = append(p.interfaces, iface)
	return nil
}

func (p *pcapng) interfaceOptions(iface *netInterface, b []byte) error {
	for len(b) >= 4 {
		code, size := p.order.uint16(b), int(p.order.uint16(b[2:]))
		b = b[4:]
		if code == optEnd {
			return nil
		}
		if size > len(b) {
			return fmt.Errorf("option %d of an interface block: %d bytes where %d are left", code, size, len(b))
		}
		switch {
		case code == optTSResol && size >= 1:
			perSec, ok := resolution(b[0])
			if !ok {
				return fmt.Errorf("if_tsresol %#02x: finer than 64 bits of a second", b[0])
			}
			iface.perSec = perSec
		case code == optTSOffset && size >= 8:
			iface.offset = int64(p.order.uint64(b))
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return nil
}

// resolution reads if_tsresol: units in a second, a power of 10, or of 2 when the top bit is set.
func resolution(v byte) (perSec uint64, ok bool) {
	n := v & 0x7f
	if v&0x80 != 0 {
		return 1 << (n & 63), n <= 63
	}
	perSec = 1
	for range min(n, 19) {
		perSec *= 10
	}
	return perSec, n <= 19
}

// packet reads an enhanced or an obsolete packet block: alike but for the width of the interface's number.
func (p *pcapng) packet(kind uint32, body []byte, frame *decode.Frame) error {
	if len(body) < 20 {
		return errors.New("a packet block of fewer than 32 bytes")
	}
	id := p.order.uint32(body)
	if kind == blockPacket {
		id = uint32(p.order.uint16(body)) // the other half counts drops
	}
	if id >= uint32(len(p.interfaces)) {
		return fmt.Errorf("a packet of interface %d; the section has %d", id, len(p.interfaces))
	}
	size, wire := p.order.uint32(body[12:]), p.order.uint32(body[16:])
	if size > MaxFrame || int(size) > len(body)-20 {
		return fmt.Errorf("a packet of %d bytes in a block with room for %d", size, min(len(body)-20, MaxFrame))
	}
	iface := &p.interfaces[id]
	frame.Data = body[20 : 20+size : 20+size]
	frame.WireLen = int(max(wire, size))
	frame.Time = iface.time(uint64(p.order.uint32(body[4:]))<<32 | uint64(p.order.uint32(body[8:])))
	frame.Link = iface.link
	return nil
}

// simple reads a simple packet block: of the first interface, without a time, which is left at 0.
func (p *pcapng) simple(body []byte, frame *decode.Frame) error {
	if len(p.interfaces) == 0 {
		return errors.New("a packet before any interface block")
	}
	if len(body) < 4 {
		return errors.New("a simple packet block of fewer than 16 bytes")
	}
	wire := p.order.uint32(body)
	size := min(wire, uint32(len(body)-4))
	if snaplen := p.interfaces[0].snaplen; snaplen != 0 {
		size = min(size, snaplen)
	}
	if size > MaxFrame {
		return fmt.Errorf("a packet of %d bytes; at most %d expected", size, MaxFrame)
	}
	frame.Data = body[4 : 4+size : 4+size]
	frame.WireLen = int(wire)
	frame.Time = 0
	frame.Link = p.interfaces[0].link
	return nil
}

// time converts a timestamp to Unix nanoseconds; what does not fit is clamped.
func (i *netInterface) time(ts uint64) int64 {
	if i.perSec == 1e6 && i.offset == 0 && ts < math.MaxInt64/1000 { // nearly always
		return int64(ts) * 1000
	}
	sec, frac := ts/i.perSec, ts%i.perSec
	hi, lo := bits.Mul64(frac, 1e9)
	ns, _ := bits.Div64(hi, lo, i.perSec) // frac < perSec, so the quotient is below 1e9
	const limit = math.MaxInt64/1_000_000_000 - 1
	if sec > limit || i.offset > limit || i.offset < -limit {
		return math.MaxInt64
	}
	whole := int64(sec) + i.offset
	if whole > limit {
		return math.MaxInt64
	}
	return whole*1e9 + int64(ns)
}
