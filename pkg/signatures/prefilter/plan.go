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

// Limits of the plan, measured: up to how many patterns altogether in byte tables it pays to spare the one pass for long
// patterns, and the two for paired ones; and from how many long patterns on a pass of their own pays.
const (
	sparesOne = 144
	sparesTwo = 512
	longPays  = 10000
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
	if len(short)+len(paired) <= sparesTwo {
		short, paired = append(short, paired...), nil
	}
	if len(short)+len(middle) <= sparesOne {
		short, middle = append(short, middle...), nil
	}
	p.short = short
	for _, t := range []tier{{longGram, longStride, long}, {middleGram, middleStride, middle}, {pairedGram, pairedStride, paired}} {
		if len(t.ids) > 0 {
			p.tiers = append(p.tiers, t)
		}
	}
	return p
}
