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

// Words samples words of four bytes of traffic: every wordStep-th place.
type Words struct {
	all []byte
	at  int
}

const wordStep = 4999

// Add takes those of b.
func (w *Words) Add(b []byte) {
	for ; w.at+4 <= len(b); w.at += wordStep {
		w.all = append(w.all, b[w.at:w.at+4]...)
	}
	w.at = max(w.at-len(b), 0)
}

// Sample returns what words.bin holds: as many of the words as there are samples, evenly chosen.
func (w *Words) Sample() (out []byte) {
	n := len(w.all) / 4
	for i := range samples {
		at := i * n / samples * 4
		out = append(out, w.all[at:at+4]...)
	}
	return out
}
