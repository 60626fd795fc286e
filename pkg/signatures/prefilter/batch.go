package prefilter

import (
	"cmp"
	"slices"
)

// Buffers up to batchSmall bytes are scanned together, batchSize bytes at a time.
const (
	batchSmall = 512
	batchSize  = 4096
)

// batch is a number of small buffers side by side.
type batch struct {
	data []byte
	ends []int32 // of the buffers in data
	ids  []int32 // their places in what the caller gave
	// found are the patterns of one buffer, before they are the caller's
	found []uint32
}

// ScanBatch appends which patterns occur in which of the buffers to found, each pair once, in no particular order. It finds
// what Scan finds in each, and takes less time where buffers are small: of all of them together the kernels see one long buffer.
func (m *Matcher) ScanBatch(bufs [][]byte, s *Scratch, found []Found) []Found {
	for i, b := range bufs {
		if len(b) > batchSmall {
			s.batch.found = m.Scan(b, s, s.batch.found[:0])
			for _, p := range s.batch.found {
				found = append(found, Found{i, p})
			}
			continue
		}
		if len(s.batch.data)+len(b) > batchSize {
			found = m.flush(s, found)
		}
		s.batch.data = append(s.batch.data, b...)
		s.batch.ends = append(s.batch.ends, int32(len(s.batch.data)))
		s.batch.ids = append(s.batch.ids, int32(i))
	}
	return m.flush(s, found)
}

// flush scans the buffers that are collected.
func (m *Matcher) flush(s *Scratch, found []Found) []Found {
	b := &s.batch
	before := len(found)
	s.beginBatch(len(m.patterns), len(b.ends))
	s.found = b.found[:0]
	first := s.epoch
	found = m.batchSingles(s, first, found)
	for _, t := range m.shorts {
		for at := 0; at < len(b.data); at += hitsMax {
			n := m.kernel.scanShort(&t.view, b.data[at:], min(len(b.data)-at, hitsMax), &s.hits)
			found = m.batchHits(t, nil, at, n, s, first, found)
		}
	}
	for _, g := range m.grams {
		for from := 0; from < 4; from += g.stride {
			for at := from; at+g.gram <= len(b.data); at += 4 * hitsMax {
				n := m.kernel.scanGrams(&g.view, b.data[at:], min((len(b.data)-at-g.gram)/4+1, hitsMax), &s.hits)
				found = m.batchHits(nil, g, at, n, s, first, found)
			}
		}
	}
	s.epoch = first + uint32(len(b.ends))
	b.data, b.ends, b.ids, b.found, s.found = b.data[:0], b.ends[:0], b.ids[:0], s.found[:0], nil
	return found[:before+len(compact(found[before:]))]
}

// beginBatch begins n buffers, whose epochs follow each other.
func (s *Scratch) beginBatch(patterns, n int) {
	if s.epoch > 1<<32-2-uint32(n) {
		clear(s.seen)
		s.epoch = 0
	}
	s.begin(patterns)
}

// compact drops what several passes have found.
func compact(found []Found) []Found {
	slices.SortFunc(found, func(a, b Found) int {
		return cmp.Or(cmp.Compare(a.Buffer, b.Buffer), cmp.Compare(a.Pattern, b.Pattern))
	})
	return slices.Compact(found)
}

// start returns where in data the i-th buffer begins.
func (b *batch) start(i int) int {
	if i == 0 {
		return 0
	}
	return int(b.ends[i-1])
}

// take appends what has been found in the i-th buffer.
func (s *Scratch) take(i int, found []Found) []Found {
	for _, p := range s.found {
		found = append(found, Found{int(s.batch.ids[i]), p})
	}
	s.found = s.found[:0]
	return found
}

func (m *Matcher) batchSingles(s *Scratch, first uint32, found []Found) []Found {
	if len(m.singles) == 0 {
		return found
	}
	for i := range s.batch.ends {
		s.epoch = first + uint32(i)
		for k := range m.singles {
			m.singles[k].scan(s.batch.data[s.batch.start(i):s.batch.ends[i]], s)
		}
		found = s.take(i, found)
	}
	return found
}

// batchHits verifies n hits of t, or of g if that is not nil, each in the buffer that it lies in.
func (m *Matcher) batchHits(t *short, g *grams, base, n int, s *Scratch, first uint32, found []Found) []Found {
	b := &s.batch
	i := 0
	for _, hit := range s.hits[:n] {
		at := base + int(hit)
		for at >= int(b.ends[i]) {
			i++
		}
		start := b.start(i)
		buf := b.data[start:b.ends[i]]
		s.epoch = first + uint32(i)
		if at -= start; g != nil {
			m.verifyGram(g, gramAt(buf, at), buf, at, s)
		} else {
			m.verifyShort(t, buf, at, s)
		}
		found = s.take(i, found)
	}
	return found
}
