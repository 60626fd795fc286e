package prefilter

// available returns what this machine can run, portable first. Every arm64 has NEON.
func available() []isa { return []isa{portable, neon} }

func (i isa) hasGrams() bool { return i == portable || i == neon }
func (i isa) hasShort() bool { return i == portable || i == neon }

func (k kernel) scanGrams(v *gramView, buf []byte, places int, hits *[hitsMax + slack]uint32) int {
	if k.grams == neon {
		// two places in a step, which reads twelve bytes
		if steps := min(places/2, (len(buf)-4)/8); steps > 0 {
			return gramsFrom(v, buf, 2*steps, places, hits, gramsARM64(v, &buf[0], steps, &hits[0]))
		}
	}
	return gramsFrom(v, buf, 0, places, hits, 0)
}

func (k kernel) scanShort(v *shortView, buf []byte, places int, hits *[hitsMax + slack]uint32) int {
	if k.short == neon {
		// 16 places in a step, which reads 19 bytes
		if steps := min(places/16, (len(buf)-3)/16); steps > 0 {
			return shortFrom(v, buf, 16*steps, places, hits, shortNEON(v, &buf[0], steps, &hits[0]))
		}
	}
	return shortFrom(v, buf, 0, places, hits, 0)
}

// gramsARM64 looks at steps times two places. NEON has no gather: it works in general registers.
//
//go:noescape
func gramsARM64(v *gramView, buf *byte, steps int, hits *uint32) int

// shortNEON looks at steps times 16 places.
//
//go:noescape
func shortNEON(v *shortView, buf *byte, steps int, hits *uint32) int
