package flow

import "bytes"

// stream is one direction of a session: what its sender sent. Offsets count from the byte after the SYN.
type stream struct {
	Stream
	nextWin    uint32 // end of the window that the receiver offered
	lastTS     uint32 // the sender's last timestamp (RFC 7323)
	lastTSTime int64  // Unix ns when lastTS was taken
	rstSeq     uint32 // sequence number of an accepted RST
	flags      streamFlags
	style      OverlapStyle // of the receiver

	base   uint64 // offset of the oldest byte that may still be wanted
	app    uint64 // offset of the next byte for the parser
	raw    uint64 // offset of the next byte for rules on the raw stream
	end    uint64 // offset after the last byte, known once streamFin is set
	blocks []block
	segs   []segment // boundaries of segments at or behind base, in order of start; policies need them
	seen   uint64    // raw offset up to which Inspectable has just returned
}

type streamFlags uint16

const (
	streamFin       streamFlags = 1 << iota // FIN accepted, stream.end is known
	streamRst                               // RST accepted from this side
	streamNoApp                             // the parser does not want this direction any more
	streamNoRaw                             // rules do not want this direction any more
	streamDepth                             // depth reached
	streamTrigger                           // Inspectable shall return what there is
	streamEOF                               // nothing more will come: all is to be delivered
	streamClosed                            // Parser.Close has been called
	streamTimestamp                         // timestamps in use
	streamZeroTS                            // the first timestamp was 0
	streamFastOpen
	streamDetected // detection of the protocol is over for this direction
)

// block is a run of bytes without gaps.
type block struct {
	start uint64
	data  []byte // of the tracker's pool, which knows it by its capacity: never resliced from the front
	skip  int    // bytes at the front that are not wanted any more
}

func (b *block) end() uint64 { return b.start + uint64(len(b.data)) }

// bytes returns what the block holds from offset at, which must be in it.
func (b *block) bytes(at uint64) []byte { return b.data[at-b.start:] }

// segment remembers where a segment began and ended, as far as it has not been given away yet.
type segment struct{ start, end uint64 }

// inserted says what became of a segment.
type inserted struct {
	before    bool // all of it lay before what is still wanted
	overlap   bool
	different bool // overlapping bytes differ
	memcap    bool // there was no room
	limit     bool // too many segments
	cut       bool // cut at the limit
	stored    bool // something of it is in the stream
}

// offset turns a sequence number into a stream offset; negative means before the first byte.
func (s *stream) offset(seq uint32) int64 {
	return int64(s.base) + int64(int32(seq-(s.ISN+1+uint32(s.base))))
}

// next returns the offset after the last byte that is contiguous from at.
func (s *stream) contiguous(at uint64) uint64 {
	for i := range s.blocks {
		b := &s.blocks[i]
		if b.start <= at && at < b.end() {
			return b.end()
		}
	}
	return at
}

// blockAt returns the block that holds offset at, or the first one behind it; nil when there is none.
func (s *stream) blockAt(at uint64) *block {
	for i := range s.blocks {
		if at < s.blocks[i].end() {
			return &s.blocks[i]
		}
	}
	return nil
}

// insert puts data, whose first byte has offset at, into the stream. What lies at or behind limit is cut off. Where bytes are
// there already, newWins decides which stay.
func (s *stream) insert(p *pool, w newWins, limit uint64, segments int, at int64, data []byte) (r inserted) {
	if end := at + int64(len(data)); end <= int64(s.base) {
		r.before = true
		return r
	}
	if lead := int64(s.base) - at; lead > 0 {
		data, at = data[lead:], int64(s.base)
		r.overlap = true
	}
	start := uint64(at)
	if start >= limit {
		r.cut = true
		return r
	}
	if end := start + uint64(len(data)); end > limit {
		data = data[:limit-start]
		r.cut = true
	}
	if len(s.segs) >= segments {
		s.merge()
		if len(s.segs) >= segments {
			r.limit = true
			return r
		}
	}
	s.store(p, w, start, data, &r)
	return r
}

// store writes data in pieces: those that overlap an older segment by the receiver's style, the rest where there is nothing.
func (s *stream) store(p *pool, w newWins, start uint64, data []byte, r *inserted) {
	end := start + uint64(len(data))
	if n := len(s.blocks); n == 0 || s.blocks[n-1].end() <= start { // behind all else, the common case
		if s.fill(p, start, data, r) {
			s.segs = append(s.segs, segment{start, end})
		}
		return
	}
	fresh := segment{start, end}
	for i := range s.segs {
		old := s.segs[i]
		from, to := max(start, old.start), min(end, old.end)
		if from >= to {
			continue
		}
		r.overlap = true
		s.overlay(w, old, fresh, from, data[from-start:to-start], r)
	}
	if s.holes(p, start, data, r) {
		s.remember(fresh)
	}
}

// holes stores those parts of data that no block covers.
func (s *stream) holes(p *pool, start uint64, data []byte, r *inserted) bool {
	end := start + uint64(len(data))
	for at := start; at < end; {
		b := s.blockAt(at)
		if b == nil || b.start >= end {
			return s.fill(p, at, data[at-start:], r)
		}
		if b.start > at {
			stop := b.start
			if !s.fill(p, at, data[at-start:stop-start], r) {
				return false
			}
			at = stop
			continue
		}
		at = b.end()
	}
	return true
}

// overlay compares the part of fresh that overlaps old and, if the receiver would take the newer bytes, writes them.
func (s *stream) overlay(w newWins, old, fresh segment, from uint64, data []byte, r *inserted) {
	newer := w(s.style, old.start, old.end, fresh.start, fresh.end)
	for len(data) > 0 {
		b := s.blockAt(from)
		if b == nil || b.start > from {
			return
		}
		have := b.bytes(from)
		n := min(len(have), len(data))
		if !bytes.Equal(have[:n], data[:n]) {
			r.different = true
			// What rules or the parser have been given stays as it was: they cannot be asked twice.
			if newer {
				if given := max(s.app, s.raw); from < given {
					keep := min(n, int(given-from))
					copy(have[keep:n], data[keep:n])
				} else {
					copy(have[:n], data[:n])
				}
			}
		}
		from += uint64(n)
		data = data[n:]
	}
}

// remember inserts a segment's boundaries in order of start.
func (s *stream) remember(f segment) {
	i := len(s.segs)
	s.segs = append(s.segs, f)
	for ; i > 0 && s.segs[i-1].start > f.start; i-- {
		s.segs[i] = s.segs[i-1]
	}
	s.segs[i] = f
}

// fill stores bytes where there are none: behind the block that ends there, or in a new one; then it joins neighbours.
func (s *stream) fill(p *pool, start uint64, data []byte, r *inserted) bool {
	if len(data) == 0 {
		return true
	}
	i := 0
	for i < len(s.blocks) && s.blocks[i].end() < start {
		i++
	}
	if i == len(s.blocks) || s.blocks[i].start > start {
		buf := p.get(len(data))
		if buf == nil {
			r.memcap = true
			return false
		}
		s.blocks = append(s.blocks, block{})
		copy(s.blocks[i+1:], s.blocks[i:])
		s.blocks[i] = block{start: start, data: append(buf, data...)}
		s.Regions = max(s.Regions, uint32(len(s.blocks)))
	} else if !s.blocks[i].extend(p, data) {
		r.memcap = true
		return false
	}
	r.stored = true
	s.join(p, i)
	return true
}

// extend appends data to the block, dropping what is not wanted at the front before asking for a larger buffer.
func (b *block) extend(p *pool, data []byte) bool {
	if len(b.data)+len(data) <= cap(b.data) {
		b.data = append(b.data, data...)
		return true
	}
	live := b.data[b.skip:]
	if need := len(live) + len(data); need <= cap(b.data) && b.skip >= len(live) {
		b.start += uint64(b.skip)
		b.data = append(append(b.data[:0], live...), data...)
		b.skip = 0
		return true
	}
	buf := p.get(len(live) + len(data) + len(data)/2)
	if buf == nil {
		return false
	}
	buf = append(append(buf, live...), data...)
	p.put(b.data)
	b.start += uint64(b.skip)
	b.data, b.skip = buf, 0
	return true
}

// join appends block i+1 to block i when they touch. When there is no memory they stay two blocks that touch.
func (s *stream) join(p *pool, i int) {
	for i+1 < len(s.blocks) && s.blocks[i].end() == s.blocks[i+1].start {
		next := s.blocks[i+1]
		if !s.blocks[i].extend(p, next.data) {
			return
		}
		p.put(next.data)
		s.blocks = append(s.blocks[:i+1], s.blocks[i+2:]...)
	}
}

// merge forgets the boundaries between segments that touch, keeping the newest.
func (s *stream) merge() {
	out := s.segs[:0]
	for _, g := range s.segs {
		if n := len(out); n > 0 && out[n-1].end >= g.start {
			out[n-1].end = max(out[n-1].end, g.end)
			continue
		}
		out = append(out, g)
	}
	s.segs = out
}

// slide drops what lies before offset to.
func (s *stream) slide(p *pool, to uint64) {
	if to <= s.base {
		return
	}
	s.base = to
	n := 0
	for n < len(s.blocks) && s.blocks[n].end() <= to {
		p.put(s.blocks[n].data)
		n++
	}
	if n > 0 {
		s.blocks = append(s.blocks[:0], s.blocks[n:]...)
	}
	if len(s.blocks) > 0 && s.blocks[0].start < to {
		s.blocks[0].skip = int(to - s.blocks[0].start)
	}
	n = 0
	for n < len(s.segs) && s.segs[n].end <= to {
		n++
	}
	if n > 0 {
		s.segs = append(s.segs[:0], s.segs[n:]...)
	}
}

// release gives all buffers back.
func (s *stream) release(p *pool) {
	for i := range s.blocks {
		p.put(s.blocks[i].data)
		s.blocks[i] = block{}
	}
	s.blocks, s.segs = s.blocks[:0], s.segs[:0]
}
