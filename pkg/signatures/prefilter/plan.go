package prefilter

// tier is a kind of grams: so long, and enough of them that looking at every stride-th place finds one.
type tier struct {
	gram, stride int
	ids          []uint32
}

// The lengths that make a pattern long enough for a tier: gram + stride - 1.
const (
	longGram, longStride     = 8, 4
	middleGram, middleStride = 5, 4
	pairedGram, pairedStride = 4, 2
	longMin                  = longGram + longStride - 1
	middleMin                = middleGram + middleStride - 1
	pairedMin                = pairedGram + pairedStride - 1
)

// Limits of the plan, measured: how many patterns the byte tables tell apart well enough to spare the gram passes, and from
// how many long patterns on a pass of their own pays.
const (
	shortMax = 96
	longPays = 10000
)

// plan says which patterns are looked for by which means.
type plan struct {
	singles []uint32 // one byte
	short   []uint32
	tiers   []tier
	rarity  *rarity
}

func newPlan(patterns []pattern) plan {
	p := plan{rarity: newRarity(patterns)}
	var short, paired, middle, long []uint32
	for i := range patterns {
		id := uint32(i)
		switch n := len(patterns[i].bytes); {
		case n >= longMin:
			long = append(long, id)
		case n >= middleMin:
			middle = append(middle, id)
		case n >= pairedMin:
			paired = append(paired, id)
		case n > 1:
			short = append(short, id)
		case n == 1:
			p.singles = append(p.singles, id)
		}
	}
	if len(long) < longPays {
		middle, long = append(middle, long...), nil
	}
	for _, t := range []*[]uint32{&paired, &middle, &long} {
		if len(short)+len(*t) <= shortMax {
			short, *t = append(short, *t...), nil
		}
	}
	p.short = short
	for _, t := range []tier{{longGram, longStride, long}, {middleGram, middleStride, middle}, {pairedGram, pairedStride, paired}} {
		if len(t.ids) > 0 {
			p.tiers = append(p.tiers, t)
		}
	}
	return p
}
