package prefilter

import "bytes"

// single is one byte that is a pattern, or several.
type single struct {
	value byte
	ids   []uint32
}

func newSingles(patterns []pattern, ids []uint32) (all []single) {
	byValue := [256][]uint32{}
	for _, id := range ids {
		c := patterns[id].bytes[0]
		byValue[c] = append(byValue[c], id)
		if patterns[id].fold != nil {
			byValue[c^0x20] = append(byValue[c^0x20], id)
		}
	}
	for c, ids := range byValue {
		if ids != nil {
			all = append(all, single{byte(c), ids})
		}
	}
	return all
}

func (x *single) scan(buf []byte, s *Scratch) {
	for at := 0; ; at++ {
		i := bytes.IndexByte(buf[at:], x.value)
		if i < 0 {
			return
		}
		at += i
		for _, id := range x.ids {
			if !s.done(id) {
				s.hit(id, at+1)
			}
		}
		if !s.every {
			return
		}
	}
}
