package capture

import "github.com/weir-ips/weir/pkg/decode"

// Magic numbers of pcap files as their writer sees them (draft-ietf-opsawg-pcap §4, libpcap, Wireshark).
const (
	magicMicro    = 0xa1b2c3d4
	magicNano     = 0xa1b23c4d
	magicModified = 0xa1b2cd34 // Kuznetsov's patch: 8 more bytes in each record header
)

const (
	pcapHeaderLen = 24
	recordLen     = 16
)

// pcap reads the records of a pcap file.
type pcap struct {
	order     order
	link      decode.LinkType
	headerLen int   // of a record
	unit      int64 // nanoseconds in one of the timestamp's fraction
	swapped   bool  // file versions before 2.3: the two lengths change places
	either    bool  // version 2.3: some writers swapped them
}

// newPcap reads the file header.
func newPcap(f *File) (*pcap, error) {
	h, err := f.peekHeader(pcapHeaderLen, "pcap's header of 24 bytes")
	if err != nil {
		return nil, err
	}
	p := new(pcap)
	if !p.setMagic(littleEndian.uint32(h)) {
		p.order = bigEndian
		if !p.setMagic(bigEndian.uint32(h)) {
			return nil, f.fail(0, "not a capture file: it begins % x%s; pcap or pcapng expected", h[:4], hint(h))
		}
	}
	major, minor := p.order.uint16(h[4:]), p.order.uint16(h[6:])
	if major != 2 {
		return nil, f.fail(4, "pcap version %d.%d; version 2 expected", major, minor)
	}
	p.swapped, p.either = minor < 3, minor == 3
	p.link = linkType(uint16(p.order.uint32(h[20:]))) // the upper half describes the frame check sequence
	f.skip(pcapHeaderLen)
	return p, nil
}

func (p *pcap) setMagic(magic uint32) bool {
	p.headerLen, p.unit = recordLen, 1000
	switch magic {
	case magicMicro:
	case magicNano:
		p.unit = 1
	case magicModified:
		p.headerLen = recordLen + 8
	default:
		return false
	}
	return true
}

// hint recognises what people mistake for a capture file.
func hint(h []byte) string {
	switch {
	case h[0] == 0x1f && h[1] == 0x8b:
		return " (gzip: decompress it first)"
	case string(h[:4]) == "\x28\xb5\x2f\xfd":
		return " (zstd: decompress it first)"
	case string(h[:4]) == "\xfd7zX":
		return " (xz: decompress it first)"
	}
	return ""
}

func (p *pcap) next(f *File, frame *decode.Frame) (bool, error) {
	h, err := f.peek(p.headerLen)
	if err != nil {
		return false, err
	}
	sec, frac, size, wire := p.order.uint32(h), p.order.uint32(h[4:]), p.order.uint32(h[8:]), p.order.uint32(h[12:])
	if p.swapped || p.either && size > wire {
		size, wire = wire, size
	}
	if size > MaxFrame {
		return false, f.fail(8, "a record of %d bytes; at most %d expected: %w", size, MaxFrame, ErrDamaged)
	}
	total := p.headerLen + int(size)
	record, err := f.peek(total)
	if err != nil {
		return false, err
	}
	frame.Data = record[p.headerLen:]
	frame.WireLen = int(max(wire, size))
	frame.Time = int64(sec)*1e9 + int64(frac)*p.unit
	frame.Link = p.link
	f.skip(total)
	return true, nil
}
