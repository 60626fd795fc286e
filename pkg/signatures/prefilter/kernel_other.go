//go:build !amd64 && !arm64

package prefilter

func available() []isa { return []isa{portable} }

func (i isa) hasGrams() bool { return i == portable }
func (i isa) hasShort() bool { return i == portable }

func (kernel) scanGrams(v *gramView, buf []byte, places int, hits *[hitsMax + slack]uint32) int {
	return gramsFrom(v, buf, 0, places, hits, 0)
}

func (kernel) scanShort(v *shortView, buf []byte, places int, hits *[hitsMax + slack]uint32) int {
	return shortFrom(v, buf, 0, places, hits, 0)
}
