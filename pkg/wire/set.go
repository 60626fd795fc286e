package wire

// Set is which verdicts are in force and at which number each was decided: enough to compare two sides by one hash.
// The zero value is empty. It is not safe for concurrent use.
type Set struct {
	seqs map[string]uint64
	hash uint64
}

// NewSet returns an empty set with room for n verdicts.
func NewSet(n int) Set { return Set{seqs: make(map[string]uint64, n)} }

// Add puts id in, decided at seq, replacing an earlier decision.
func (s *Set) Add(id string, seq uint64) {
	if s.seqs == nil {
		s.seqs = map[string]uint64{}
	}
	s.Remove(id)
	s.seqs[id] = seq
	s.hash += entryHash(id, seq)
}

// Remove takes id out and reports whether it was in.
func (s *Set) Remove(id string) bool {
	seq, ok := s.seqs[id]
	if ok {
		delete(s.seqs, id)
		s.hash -= entryHash(id, seq)
	}
	return ok
}

// Has reports whether id is in.
func (s *Set) Has(id string) bool { _, ok := s.seqs[id]; return ok }

// Len is the number of verdicts.
func (s *Set) Len() int { return len(s.seqs) }

// Hash is equal for equal sets, whatever the order of changes: the sum modulo 2^64 of a hash of each (id, seq). Within an
// epoch a seq names one signed decision, so equal hashes mean equal verdicts. It detects drift, not forgery.
func (s *Set) Hash() uint64 { return s.hash }

// entryHash is FNV-1a over id and seq, finished by splitmix64 so that sums of similar entries differ.
func entryHash(id string, seq uint64) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	h ^= seq * 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
