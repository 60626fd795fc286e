package prefilter

import (
	_ "embed"
	"math/bits"
)

// measured says of pieces of three folded bytes, by their hash, how seldom they stand in traffic: the negated binary logarithm
// of their share, times eight. TestRarityTable writes it from captures.
//
//go:embed rarity.bin
var measured string

// rarity estimates how seldom pieces of patterns stand in traffic, and how many patterns share them.
type rarity struct {
	shared []uint16 // how many places in patterns have a piece with this hash; nil while that matters little
}

const (
	pieceBits = 14
	sharing   = 64 // patterns, from which on it matters what they share
)

func newRarity(patterns []pattern) *rarity {
	if len(patterns) < sharing {
		return &rarity{}
	}
	r := &rarity{shared: make([]uint16, 1<<pieceBits)}
	for i := range patterns {
		b := patterns[i].bytes
		for at := 0; at+3 <= len(b); at++ {
			if n := &r.shared[pieceHash(b[at:])]; *n < 1<<16-1 {
				*n++
			}
		}
	}
	return r
}

func pieceHash(b []byte) uint32 {
	v := uint32(b[0]|0x20) | uint32(b[1]|0x20)<<8 | uint32(b[2]|0x20)<<16
	return v * mixLow >> (32 - pieceBits)
}

// window returns where in p the rarest window of n bytes begins. The window holds grams of gram bytes: it is as rare as the
// most frequent of them.
func (r *rarity) window(p []byte, n, gram int) int {
	places := min(len(p)-n+1, maxOffset)
	best, at := -1<<31, 0
	for i := range places {
		worst := 1<<31 - 1
		for k := i; k+gram <= i+n && worst > best; k++ {
			worst = min(worst, r.gram(p[k:k+gram]))
		}
		if worst > best {
			best, at = worst, i
		}
	}
	return at
}

// gram is how rare a gram is: the sum over its pieces, less for those that many patterns share.
func (r *rarity) gram(g []byte) (sum int) {
	for k := 0; k+3 <= len(g); k++ {
		h := pieceHash(g[k:])
		sum += int(measured[h])
		if r.shared != nil {
			sum -= 4 * bits.Len16(r.shared[h])
		}
	}
	return sum
}

// Rarity estimates how seldom a pattern of at least three bytes stands in traffic: sixteen for each time that it is half as
// frequent. That is mostly a matter of its rarest piece: what comes with it adds little.
func Rarity(p []byte) int {
	rarest, sum := 0, 0
	for at := 0; at+3 <= len(p); at++ {
		m := int(measured[pieceHash(p[at:])])
		rarest, sum = max(rarest, m), sum+m
	}
	return 2*rarest + (sum-rarest)/16
}
