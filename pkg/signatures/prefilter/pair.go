package prefilter

import "bytes"

// Pair are the two bytes of a pattern that are rarest in traffic: what is looked for first to find one pattern.
// Its layout is known to the assembly.
type Pair struct {
	want, fold [2]byte // a byte fits if it is want after the bits of fold are set
	at         [2]uint16
}

// NewPair chooses the pair of a pattern of 1 to 65,535 bytes.
func NewPair(p Pattern) (x Pair) {
	n, rarest := frequency(), [2]int{1 << 62, 1 << 62}
	for i, c := range p.Bytes {
		often, fold := n[c], byte(0)
		if l := c | 0x20; p.NoCase && 'a' <= l && l <= 'z' {
			c, fold, often = l, 0x20, 2*(n[l]+n[l-0x20])+1 // what has one case is easier to look for
		}
		k := 1
		if often < rarest[0] {
			k = 0
			rarest[1], x.want[1], x.fold[1], x.at[1] = rarest[0], x.want[0], x.fold[0], x.at[0]
		} else if often >= rarest[1] {
			continue
		}
		rarest[k], x.want[k], x.fold[k], x.at[k] = often, c, fold, uint16(i)
	}
	if len(p.Bytes) == 1 {
		x.want[1], x.fold[1], x.at[1] = x.want[0], x.fold[0], x.at[0]
	}
	return x
}

// Next returns the first place in from..last where both bytes stand as in the pattern, counted from its first byte; one more than
// last if there is none. The pattern must fit into buf at last.
func (p *Pair) Next(buf []byte, from, last int) int {
	if from > last {
		return last + 1
	}
	return nextPair(p, buf, from, last)
}

// nextPairPortable is Next in plain Go.
func nextPairPortable(p *Pair, buf []byte, from, last int) int {
	first, second := buf[p.at[0]:], buf[p.at[1]:]
	for at := from; at <= last; at++ {
		if p.fold[0] == 0 {
			i := bytes.IndexByte(first[at:last+1], p.want[0])
			if i < 0 {
				break
			}
			at += i
		}
		if first[at]|p.fold[0] == p.want[0] && second[at]|p.fold[1] == p.want[1] {
			return at
		}
	}
	return last + 1
}
