package prefilter

// hitsMax is how many places a kernel may report in one call; slack is how far vector stores may run over.
const (
	hitsMax = 2048
	slack   = 64
)

// Scratch is the working memory of scans: reused, for one goroutine, and for any number of matchers.
type Scratch struct {
	seen  []uint32 // epoch of the scan that found a pattern
	epoch uint32
	hits  [hitsMax + slack]uint32
	found []uint32
	every bool // report each occurrence in ends, not each pattern in found
	ends  []Match
	batch batch
}

func (s *Scratch) begin(patterns int) {
	if len(s.seen) < patterns {
		s.seen = make([]uint32, patterns)
		s.epoch = 0
	}
	s.next()
}

// next begins another buffer.
func (s *Scratch) next() {
	s.epoch++
	if s.epoch == 0 {
		clear(s.seen)
		s.epoch = 1
	}
}

// done reports whether more occurrences of the pattern do not matter.
func (s *Scratch) done(pattern uint32) bool { return s.seen[pattern] == s.epoch && !s.every }

func (s *Scratch) hit(pattern uint32, end int) {
	if s.every {
		s.ends = append(s.ends, Match{pattern, end})
		return
	}
	s.seen[pattern] = s.epoch
	s.found = append(s.found, pattern)
}
