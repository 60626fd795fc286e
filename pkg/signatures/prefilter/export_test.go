package prefilter

import "math"

// BuildPortable makes a matcher that works in plain Go.
func BuildPortable(patterns []Pattern) *Matcher { return build(patterns, kernel{}) }

// Pieces counts pieces of three bytes, to measure their rarity.
type Pieces [1 << pieceBits]uint64

// Add counts those of b.
func (p *Pieces) Add(b []byte) {
	for at := 0; at+3 <= len(b); at++ {
		p[pieceHash(b[at:])]++
	}
}

// Table returns what rarity.bin holds.
func (p *Pieces) Table() []byte {
	total := 1.0
	for _, n := range p {
		total += float64(n)
	}
	out := make([]byte, len(p))
	for i, n := range p {
		out[i] = byte(min(255, 8*math.Log2(total/float64(n+1))))
	}
	return out
}

// Measured is the table in use.
func Measured() string { return measured }

// PieceHash is the place of a piece in the table.
func PieceHash(b []byte) uint32 { return pieceHash(b) }
