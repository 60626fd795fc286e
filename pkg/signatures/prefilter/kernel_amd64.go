package prefilter

import "golang.org/x/sys/cpu"

// available returns what this machine can run, portable first.
func available() []isa {
	all := []isa{portable, scalar}
	if cpu.X86.HasAVX2 && cpu.X86.HasBMI1 && cpu.X86.HasBMI2 {
		all = append(all, avx2)
		if cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512VBMI {
			all = append(all, avx512)
		}
	}
	return all
}

func (i isa) hasGrams() bool { return i <= avx512 }
func (i isa) hasShort() bool { return i <= avx512 }

func (k kernel) scanGrams(v *gramView, buf []byte, places int, hits *[hitsMax + slack]uint32) int {
	if places <= 0 {
		return 0
	}
	switch k.grams {
	case avx512:
		return gramsAVX512(v, &buf[0], len(buf), places, &hits[0])
	case avx2:
		// eight places in a step, which reads 36 bytes
		if steps := min(places/8, (len(buf)-4)/32); steps > 0 {
			return gramsFrom(v, buf, 8*steps, places, hits, gramsAVX2(v, &buf[0], steps, &hits[0]))
		}
	case scalar:
		if steps := min(places, (len(buf)-4)/4); steps > 0 {
			return gramsFrom(v, buf, steps, places, hits, gramsScalar(v, &buf[0], steps, &hits[0]))
		}
	}
	return gramsFrom(v, buf, 0, places, hits, 0)
}

func (k kernel) scanShort(v *shortView, buf []byte, places int, hits *[hitsMax + slack]uint32) int {
	if places <= 0 {
		return 0
	}
	switch k.short {
	case avx512:
		return shortAVX512(v, &buf[0], len(buf), places, &hits[0])
	case avx2:
		// 32 places in a step, which reads 35 bytes
		if steps := min(places/32, (len(buf)-3)/32); steps > 0 {
			return shortFrom(v, buf, 32*steps, places, hits, shortAVX2(v, &buf[0], steps, &hits[0]))
		}
	case scalar:
		if steps := min(places, len(buf)-3); steps > 0 {
			return shortFrom(v, buf, steps, places, hits, shortScalar(v, &buf[0], steps, &hits[0]))
		}
	}
	return shortFrom(v, buf, 0, places, hits, 0)
}

// gramsAVX512 looks at places places of the size bytes at buf.
//
//go:noescape
func gramsAVX512(v *gramView, buf *byte, size, places int, hits *uint32) int

// gramsAVX2 looks at steps times eight places.
//
//go:noescape
func gramsAVX2(v *gramView, buf *byte, steps int, hits *uint32) int

// gramsScalar looks at steps places, each with eight bytes to read.
//
//go:noescape
func gramsScalar(v *gramView, buf *byte, steps int, hits *uint32) int

// shortAVX512 looks at places places of the size bytes at buf.
//
//go:noescape
func shortAVX512(v *shortView, buf *byte, size, places int, hits *uint32) int

// shortAVX2 looks at steps times 32 places.
//
//go:noescape
func shortAVX2(v *shortView, buf *byte, steps int, hits *uint32) int

// shortScalar looks at steps places, with three more bytes to read behind the last.
//
//go:noescape
func shortScalar(v *shortView, buf *byte, steps int, hits *uint32) int
