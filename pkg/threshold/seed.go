package threshold

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/weir-ips/weir/pkg/decode"
)

// seed keys the hashes of one detector, so that nobody outside can choose what collides.
type seed uint64

func newSeed() seed { return seed(rand.Uint64()) }

func (s seed) mix(h, word uint64) uint64 {
	h = (h ^ word) * 0x9fb21c651e98df25
	return h ^ h>>32
}

func (s seed) addr(a *decode.Addr) uint64 {
	h := s.mix(uint64(s), binary.LittleEndian.Uint64(a[:]))
	h = s.mix(h, binary.LittleEndian.Uint64(a[8:])) * 0xd6e8feb86659fd93
	return h ^ h>>32
}

func (s seed) with(h, word uint64) uint64 {
	h = s.mix(h, word) * 0xd6e8feb86659fd93
	return h ^ h>>32
}

func (s seed) bytes(b []byte) uint64 {
	h := uint64(s)
	for len(b) >= 8 {
		h = s.mix(h, binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	last := uint64(len(b))
	for _, c := range b {
		last = last<<8 | uint64(c)
	}
	return s.with(h, last)
}
