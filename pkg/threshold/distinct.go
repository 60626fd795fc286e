package threshold

import (
	"math"
	"math/bits"
)

const (
	registers = 128
	maxRank   = 56
)

// distinct estimates how many different values were added, within about a tenth: HyperLogLog with linear counting below
// 2.5 values a register (Flajolet et al. 2007). Its size does not grow.
type distinct [registers]uint8

// add takes a value's hash.
func (d *distinct) add(h uint64) {
	rank := uint8(bits.TrailingZeros64(h>>7|1<<(maxRank-1)) + 1)
	if i := h % registers; d[i] < rank {
		d[i] = rank
	}
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
