package flow

import (
	"math"
	"strconv"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// Inspectable returns bytes of the raw stream of dir that rules should look at now, and the stream offset of the first; nil
// when there are none, or too few to bother yet. Call it again after Advance: behind a gap there may be more.
//
// When inspection is inline the bytes reach back over what was inspected before (a sliding window of Config.ChunkSize);
// otherwise each byte is returned once, in chunks of at least Config.ChunkSize unless a transaction, a gap, a close by both
// sides or the end of the flow asks for less. The bytes are valid until the next call of the Tracker.
func (s *Session) Inspectable(dir app.Direction) (data []byte, offset uint64) {
	st := &s.stream[dir]
	if st.flags&streamNoRaw != 0 {
		return nil, 0
	}
	avail := s.available(dir)
	b := st.blockAt(st.raw)
	if b == nil || b.start >= avail {
		return nil, 0
	}
	from, to := max(st.raw, b.start), min(b.end(), avail)
	if from >= to {
		return nil, 0
	}
	if s.cfg.Inline {
		if back := uint64(s.cfg.ChunkSize[dir]); to-from < back {
			from = max(b.start+uint64(b.skip), to-min(to, back))
		}
	} else if to-from < uint64(s.cfg.ChunkSize[dir]) && st.flags&(streamTrigger|streamEOF) == 0 && s.State <= TCPTimeWait && b.start <= st.raw && !st.gapAt(to, s.acked(dir)) {
		return nil, 0
	}
	st.seen = to
	return b.data[from-b.start : to-b.start], from
}

// Advance says that rules have looked at what Inspectable returned.
func (s *Session) Advance(dir app.Direction) {
	st := &s.stream[dir]
	st.raw = max(st.raw, st.seen)
	if b := st.blockAt(st.raw); b == nil || max(b.start, st.raw) >= s.available(dir) {
		st.flags &^= streamTrigger
	}
}

// Trigger lets Inspectable return what it has of dir, however little.
func (s *Session) Trigger(dir app.Direction) { s.stream[dir].flags |= streamTrigger }

// StopRaw keeps nothing of dir for Inspectable any more.
func (s *Session) StopRaw(dir app.Direction) { s.stream[dir].flags |= streamNoRaw }

// gapAt reports whether bytes at offset at are missing though the receiver has acknowledged them.
func (s *stream) gapAt(at, acked uint64) bool {
	if at >= acked {
		return false
	}
	b := s.blockAt(at)
	return b == nil || b.start > at
}

// acked returns the stream offset up to which the receiver has acknowledged dir's bytes.
func (s *Session) acked(dir app.Direction) uint64 {
	st := &s.stream[dir]
	off := st.offset(st.LastAck - s.Urgent[dir])
	if off < 0 {
		return 0
	}
	if st.flags&streamFin != 0 { // the FIN takes a sequence number of its own
		return min(uint64(off), st.end)
	}
	return uint64(off)
}

// available returns the offset up to which dir's bytes may be looked at: all that came when inspection is inline, what was
// acknowledged otherwise.
func (s *Session) available(dir app.Direction) uint64 {
	if s.cfg.Inline || s.Async || s.stream[dir].flags&streamEOF != 0 {
		return math.MaxUint64
	}
	return s.acked(dir)
}

// pendingRaw reports whether rules have yet to look at bytes of dir.
func (s *Session) pendingRaw(dir app.Direction) bool {
	st := &s.stream[dir]
	return st.flags&streamNoRaw == 0 && st.blockAt(st.raw) != nil
}

// AppendStream appends what is held of dir's bytes to dst, for the payload of an alert, and marks what is missing between
// them as "[N bytes missing]". It stops when dst has limit bytes; 0 means no limit. Bytes are held until parser and rules have
// seen them.
func (s *Session) AppendStream(dst []byte, dir app.Direction, limit int) []byte {
	st := &s.stream[dir]
	at := st.base
	for i := range st.blocks {
		b := &st.blocks[i]
		from := max(at, b.start)
		if from > at {
			dst = append(dst, '[')
			dst = strconv.AppendUint(dst, from-at, 10)
			dst = append(dst, " bytes missing]"...)
		}
		dst = append(dst, b.bytes(from)...)
		at = b.end()
		if limit > 0 && len(dst) >= limit {
			return dst[:limit]
		}
	}
	return dst
}

// slide gives back what neither parser, rules, frames nor overlap checks need any more.
func (t *Tracker) slide(f *Flow, dir app.Direction) {
	s := f.TCP
	st := &s.stream[dir]
	if len(st.blocks) == 0 && len(st.segs) == 0 {
		return
	}
	to := uint64(math.MaxUint64)
	if st.flags&streamNoApp == 0 {
		to = st.app
	}
	if st.flags&streamNoRaw == 0 {
		keep := uint64(0)
		if s.cfg.Inline {
			keep = uint64(s.cfg.ChunkSize[dir])
		}
		to = min(to, st.raw-min(st.raw, keep))
	}
	if !s.Async && st.flags&streamEOF == 0 {
		to = min(to, s.acked(dir))
	}
	if to == math.MaxUint64 { // nobody wants anything: up to what has come
		to = st.base
		if n := len(st.blocks); n > 0 {
			to = st.blocks[n-1].end()
		}
	}
	if f.Frames != nil {
		to = min(to, f.frameEdge(dir))
	}
	st.slide(&t.pool, to)
}
