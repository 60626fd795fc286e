package replay

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/weir-ips/weir/pkg/decode"
)

// share chooses a worker by the innermost addresses, in either order: fragments and announced connections (FTP) follow their
// conversation.
type share struct {
	workers uint64
	dec     decode.Decoder
	packet  [2]decode.Packet
}

func newShare(dec *decode.Decoder, workers int) *share {
	s := &share{workers: uint64(workers), dec: *dec}
	s.dec.Checksums = false // that is the path's business
	return s
}

// of returns the worker of a frame.
func (s *share) of(f *decode.Frame) int {
	if sum, ok := s.plain(f); ok {
		return s.pick(sum)
	}
	p, inner := &s.packet[0], &s.packet[1]
	s.dec.Decode(p, *f)
	for range decode.MaxDepth {
		if p.Tunnel == decode.NoTunnel || !s.dec.Inner(p, inner) {
			break
		}
		p, inner = inner, p
	}
	if p.IPVersion == 0 {
		return 0
	}
	return s.pick(half(p.Src[:8], p.Src[8:]) + half(p.Dst[:8], p.Dst[8:]))
}

// pick spreads sums, which are the same for both directions, over the workers.
func (s *share) pick(sum uint64) int {
	worker, _ := bits.Mul64(sum*0x9e3779b97f4a7c15, s.workers)
	return int(worker)
}

// half hashes one address, given in two words.
func half(hi, lo []byte) uint64 {
	h, l := bits.Mul64(binary.LittleEndian.Uint64(hi)^0x9e3779b97f4a7c15, binary.LittleEndian.Uint64(lo)^0xe7037ed1a0b428db)
	return h ^ l
}

// mapped is the first word of an IPv4-mapped address.
var mapped [8]byte

// plain is the shortcut for most frames: IPv4 on Ethernet with TCP, or UDP of ports that no tunnel has.
func (s *share) plain(f *decode.Frame) (sum uint64, ok bool) {
	b := f.Data
	if f.Link != decode.LinkEthernet || len(b) < 14+20+8 || b[12] != 0x08 || b[13] != 0x00 || b[14] != 0x45 {
		return 0, false
	}
	ip := b[14:]
	switch ip[9] {
	case decode.ProtoTCP:
	case decode.ProtoUDP:
		src, dst := binary.BigEndian.Uint16(ip[20:]), binary.BigEndian.Uint16(ip[22:])
		if ip[6]&0x3f|ip[7] != 0 || s.tunnel(src) || s.tunnel(dst) {
			return 0, false
		}
	default:
		return 0, false
	}
	return half(mapped[:], v4(ip[12:])) + half(mapped[:], v4(ip[16:])), true
}

// v4 is the second word of an IPv4-mapped address.
func v4(b []byte) []byte { return []byte{0, 0, 0xff, 0xff, b[0], b[1], b[2], b[3]} }

func (s *share) tunnel(port uint16) bool {
	return slices.Contains(s.dec.GENEVE, port) || slices.Contains(s.dec.VXLAN, port) || slices.Contains(s.dec.Teredo, port)
}
