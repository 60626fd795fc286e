package threshold

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/weir-ips/weir/pkg/decode"
)

const (
	registers = 128
	maxRank   = 56
)

// Distinct estimates how many different addresses were added, within about a tenth, in 128 bytes. The zero value has seen none.
type Distinct struct {
	seed  seed // secret: who knew it could choose addresses that count as one
	ranks distinct
}

// Add takes an address in.
func (d *Distinct) Add(a decode.Addr) {
	if d.seed == 0 {
		d.seed = newSeed()
	}
	d.ranks.add(d.seed.addr(&a))
}

// Estimate is how many there were.
func (d *Distinct) Estimate() uint64 { return d.ranks.estimate() }

// distinct estimates how many different values were added, within about a tenth: HyperLogLog with linear counting below
// 2.5 values a register (Flajolet et al. 2007). Its size does not grow.
type distinct [registers]uint8

// add takes a value's hash.
func (d *distinct) add(h uint64) {
	h ^= h >> 29 // neighbours' hashes are spread more evenly than chance would
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 32
	rank := uint8(bits.TrailingZeros64(h>>7|1<<(maxRank-1)) + 1)
	if i := h % registers; d[i] < rank {
		d[i] = rank
	}
}

// atLeast reports whether the estimate is n or more. Most sets have few values: so many that the registers in use say no.
func (d *distinct) atLeast(n uint64) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	used := 0
	for i := 0; i < registers; i += 8 {
		w := binary.LittleEndian.Uint64(d[i:])
		used += bits.OnesCount64((w + tops - ones | w) & tops) // ranks are below 0x80: nothing carries
	}
	if n < registers/2 && uint64(used) < n-n*n/(2*registers) { // below registers·(1-e^(-n/registers)) are fewer than n values
		return false
	}
	return d.estimate() >= n
}

func (d *distinct) estimate() uint64 {
	sum, zeros := uint64(0), 0 // sum is in units of 2^-maxRank
	for _, r := range d {
		sum += 1 << (maxRank - r)
		if r == 0 {
			zeros++
		}
	}
	e := 0.7213 / (1 + 1.079/registers) * registers * registers * (1 << maxRank) / float64(sum)
	if e < 2.5*registers && zeros > 0 {
		e = registers * math.Log(registers/float64(zeros))
	}
	return uint64(math.Round(e))
}
