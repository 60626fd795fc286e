package threshold

import "math/bits"

// histogram counts values in classes that are an eighth of their size wide: 0 to 7 exactly, then eight to each power of two.
type histogram struct {
	counts [histogramClasses]uint16
	total  uint32
}

const histogramClasses = 8 * (32 - 2)

func histogramClass(v uint32) int {
	if v < 8 {
		return int(v)
	}
	exp := bits.Len32(v) - 4 // v>>exp is 8 to 15
	return 8*exp + int(v>>exp)
}

// histogramTop is the greatest value of a class.
func histogramTop(class int) uint32 {
	if class < 8 {
		return uint32(class)
	}
	exp := class/8 - 1
	return uint32((uint64(class%8+8)+1)<<exp - 1)
}

func (h *histogram) add(v uint32) {
	if c := &h.counts[histogramClass(v)]; *c < 1<<16-1 {
		*c++
		h.total++
	}
}

// quantile returns the value that permille of 1000 out of n values do not exceed; those of n that were not added count as 0.
func (h *histogram) quantile(permille, n uint32) uint32 {
	above := n * (1000 - permille) / 1000 // so many may be greater
	for class := histogramClasses - 1; class > 0; class-- {
		c := uint32(h.counts[class])
		if c > above {
			return histogramTop(class)
		}
		above -= c
	}
	return 0
}
