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
	longPays = 600
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

// rarity estimates how seldom pieces of patterns stand in traffic: what many patterns share is common there too.
type rarity struct {
	pieces [1 << 14]uint16 // how many patterns' places have a piece of three bytes with this hash
}

func newRarity(patterns []pattern) *rarity {
	r := &rarity{}
	for i := range patterns {
		b := patterns[i].bytes
		for at := 0; at+3 <= len(b); at++ {
			if n := &r.pieces[pieceHash(b[at:])]; *n < 1<<16-1 {
				*n++
			}
		}
	}
	return r
}

func pieceHash(b []byte) uint32 {
	v := uint32(b[0]|0x20) | uint32(b[1]|0x20)<<8 | uint32(b[2]|0x20)<<16
	return v * 0x9e3779b1 >> 18
}

// window returns where in p the window of n bytes that tells most begins: many different bytes, few of the frequent ones.
func (r *rarity) window(p []byte, n int) int {
	best, at := -1<<31, 0
	for i := 0; i+n <= len(p) && i < maxOffset; i++ {
		if score := r.score(p[i : i+n]); score > best {
			best, at = score, i
		}
	}
	return at
}

func (r *rarity) score(w []byte) int {
	score := 0
	for k, c := range w {
		score += byteRarity(c)
		if k > 0 && w[k-1] == c {
			score -= 8
		}
		if k+3 <= len(w) {
			score -= log2(r.pieces[pieceHash(w[k:])])
		}
	}
	return score
}

func log2(n uint16) (l int) {
	for ; n > 1; n >>= 1 {
		l++
	}
	return l
}

// byteRarity is about the negated binary logarithm of how often a byte occurs in mixed traffic.
func byteRarity(c byte) int {
	switch {
	case c == 0 || c == 0xff:
		return 0
	case c == ' ' || c == 'e' || c == 't' || c == 'a' || c == 'o' || c == '\r' || c == '\n' || c == '.' || c == '/':
		return 2
	case 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == ':' || c == ',' || c == '=' || c == ';':
		return 3
	case 'A' <= c && c <= 'Z':
		return 4
	}
	return 5
}
