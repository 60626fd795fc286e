package flow

import (
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// seqAfter and seqBefore compare sequence numbers, which wrap (RFC 9293 §3.4).
func seqAfter(a, b uint32) bool  { return int32(a-b) > 0 }
func seqBefore(a, b uint32) bool { return int32(a-b) < 0 }

// segmentOf is one TCP packet at work: the session, who sent it, and what became of it.
type segmentOf struct {
	t   *Tracker
	f   *Flow
	s   *Session
	p   *decode.Packet
	r   *Result
	dir app.Direction
	snd *stream // the sender's direction
	rcv *stream // the receiver's direction: what this segment acknowledges
	was TCPState
}

func (g *segmentOf) event(e StreamEvent) { g.r.Stream.Add(e) }

func (g *segmentOf) has(flags uint8) bool { return g.p.Flags&flags == flags }

// end returns the sequence number after the payload, and after the FIN if there is one.
func (g *segmentOf) end() uint32 { return g.p.Seq + uint32(len(g.p.Payload)) }

// tcp takes a segment through its session's state machine, and what is acceptable into the stream.
func (t *Tracker) tcp(f *Flow, p *decode.Packet, r *Result) {
	if t.cfg.Checksums && p.BadL4Checksum {
		t.stats.TCP.InvalidChecksum++
		if t.cfg.IPS && t.cfg.DropInvalid {
			r.Drop, r.DropReason = true, "stream error"
		}
		return
	}
	t.countFlags(p)
	g := segmentOf{t: t, f: f, s: f.TCP, p: p, r: r, dir: r.Dir}
	if g.s != nil {
		g.was = g.s.State
	}
	ok := false
	if p.Flags&decode.ACK == 0 && p.Ack != 0 {
		g.event(StreamPacketBrokenAck)
	}
	if f.TCP == nil {
		ok = g.open()
	} else {
		g.bind()
		ok = g.step()
	}
	if g.s == nil {
		return
	}
	g.s.Flags[g.dir] |= p.Flags
	if !ok {
		if t.cfg.IPS && t.cfg.DropInvalid && !r.Drop {
			r.Drop, r.DropReason = true, "stream error"
		}
		return
	}
	g.consume()
	g.settle()
	r.NewState = g.s.State != g.was
}

func (t *Tracker) countFlags(p *decode.Packet) {
	s := &t.stats.TCP
	switch {
	case p.Flags&(decode.SYN|decode.ACK) == decode.SYN|decode.ACK:
		s.SynAck++
	case p.Flags&decode.SYN != 0:
		s.Syn++
	}
	if p.Flags&decode.RST != 0 {
		s.Rst++
	}
	if p.Flags&decode.URG != 0 {
		s.Urg++
	}
}

// bind points the segment at its session's streams.
func (g *segmentOf) bind() {
	g.s = g.f.TCP
	g.snd, g.rcv = &g.s.stream[g.dir], &g.s.stream[g.dir.Opposite()]
}

// settle brings the flow's state and the consumers up to date after an accepted segment.
func (g *segmentOf) settle() {
	f, s := g.f, g.s
	switch s.State {
	case TCPTimeWait, TCPLastAck, TCPClosed:
		g.r.Closed = s.State == TCPClosed && g.was != TCPClosed
		g.t.setState(f, Closed)
	case TCPEstablished, TCPFinWait1, TCPFinWait2, TCPCloseWait, TCPClosing:
		g.t.setState(f, Established)
	}
}

// consume puts the payload into the sender's stream and gives parsers what has become available: of the other direction
// what this segment acknowledged, of this one what is looked at before it is acknowledged.
func (g *segmentOf) consume() {
	t, f, s := g.t, g.f, g.s
	if s.State < TCPEstablished && s.flags&sessFastOpen == 0 {
		return
	}
	if len(g.p.Payload) > 0 && g.p.Flags&decode.RST == 0 {
		g.insert()
	}
	now, known := g.p.Time, f.Parser != nil
	t.deliver(f, s, g.r.Dir.Opposite(), now, g.r)
	t.deliver(f, s, g.r.Dir, now, g.r) // r.Dir follows when a parser exchanges the sides
	if !known && f.Parser != nil {     // this side has told the protocol; the other may have waited for that
		t.deliver(f, s, g.r.Dir.Opposite(), now, g.r)
	}
	if t.cfg.NoRaw {
		s.StopRaw(app.ToServer)
		s.StopRaw(app.ToClient)
	}
	t.slide(f, app.ToServer)
	t.slide(f, app.ToClient)
}

// maxSpan is how far ahead of what is still wanted bytes are kept when Depth is unlimited.
const maxSpan = 8 << 20

// insert puts the payload into the stream and reports what was odd.
func (g *segmentOf) insert() {
	t, st := g.t, g.snd
	data, seq := g.p.Payload, g.p.Seq
	if g.p.Flags&decode.SYN != 0 {
		seq++
	}
	seq -= g.s.Urgent[g.dir]
	if g.p.Flags&decode.URG != 0 && g.p.Urgent != 0 {
		data = g.urgent(data)
		if data == nil {
			return
		}
	}
	c := &t.stats.TCP
	limit := g.s.depth
	if limit == 0 {
		limit = st.base + maxSpan
	}
	var in inserted
	if st.flags&streamDepth != 0 {
		in.cut = true
	} else {
		in = st.insert(&t.pool, OverlapStyle.segment, limit, t.cfg.MaxSegments, st.offset(seq), data)
	}
	if in.before {
		g.event(StreamReassemblySegmentBeforeBaseSeq)
	}
	if in.overlap {
		c.Overlap++
	}
	if in.different {
		c.OverlapDiffData++
		g.event(StreamReassemblyOverlapDifferentData)
		if t.cfg.IPS && t.cfg.Inline {
			g.rewrite(seq)
		}
	}
	if in.cut && g.s.depth != 0 && st.flags&streamDepth == 0 {
		st.flags |= streamDepth
		c.StreamDepthReached++
		g.event(StreamReassemblyDepthReached)
		if t.cfg.Bypass {
			t.bypass(g.f)
		}
	}
	if in.limit || in.cut && g.s.depth == 0 {
		c.InsertDataNormalFail++
		g.event(StreamReassemblyInsertLimit)
	}
	if in.memcap {
		c.SegmentMemcap++
		g.event(StreamReassemblyInsertMemcap)
		t.except(g.f, g.r, TargetReassemblyMemcap)
	}
	if t.cfg.Inline && !in.before { // rules look at a retransmission again: what is forwarded has been inspected
		st.raw = min(st.raw, uint64(max(st.offset(seq), int64(st.base))))
	}
	g.r.InStream = in.stored || in.overlap && !in.different
}

// maxUrgent is how many out-of-band bytes a direction may have before Config.UrgentLimit decides.
const maxUrgent = 65536

// urgent takes the urgent byte out of the payload, as most receivers do (RFC 6093); nil means that the packet is refused.
func (g *segmentOf) urgent(data []byte) []byte {
	t := g.t
	policy := t.cfg.Urgent
	if policy == UrgentOOB && g.s.Urgent[g.dir] >= maxUrgent {
		g.event(StreamReassemblyUrgentOOBLimitReached)
		policy = t.cfg.UrgentLimit
	}
	switch policy {
	case UrgentDrop:
		if t.cfg.IPS {
			g.r.Drop, g.r.DropReason = true, "stream urgent"
		}
		return nil
	case UrgentOOB, UrgentGap:
		at := int(g.p.Urgent) - 1
		if at < 0 || at >= len(data) {
			return data
		}
		t.stats.TCP.UrgentOOB++
		t.rest = append(append(t.rest[:0], data[:at]...), data[at+1:]...)
		g.s.Urgent[g.dir]++
		return t.rest
	}
	return data
}

// dropSession gives a session and its buffers back.
func (t *Tracker) dropSession(s *Session) {
	t.stats.TCP.Active--
	s.stream[0].release(&t.pool)
	s.stream[1].release(&t.pool)
	b0, g0, b1, g1 := s.stream[0].blocks, s.stream[0].segs, s.stream[1].blocks, s.stream[1].segs
	syns, acks := s.syns[:0], s.acks[:0]
	*s = Session{next: t.sessions, syns: syns, acks: acks}
	s.stream[0].blocks, s.stream[0].segs, s.stream[1].blocks, s.stream[1].segs = b0, g0, b1, g1
	t.sessions = s
}

// newSession makes a session for a flow, or returns nil when there are too many.
func (t *Tracker) newSession(f *Flow, r *Result) *Session {
	if t.stats.TCP.Active >= uint64(t.cfg.MaxSessions) {
		t.stats.TCP.SSNMemcap++
		t.except(f, r, TargetStreamMemcap)
		return nil
	}
	s := t.sessions
	if s != nil {
		t.sessions = s.next
		s.next = nil
	} else {
		if len(t.spare) == 0 {
			t.spare = make([]Session, 64)
		}
		s, t.spare = &t.spare[0], t.spare[1:]
	}
	s.cfg, s.depth = t.cfg, t.cfg.Depth
	f.TCP = s
	t.stats.TCP.Sessions++
	t.stats.TCP.Active++
	s.stream[app.ToServer].style = t.style(f.Dst)
	s.stream[app.ToClient].style = t.style(f.Src)
	if f.App == app.Failed || f.NoPayload {
		f.stopApp()
	}
	return s
}

// style returns how a receiver reads overlapping data: host-os-policy, longest prefix first.
func (t *Tracker) style(receiver decode.Addr) OverlapStyle {
	return styleOf(t.cfg.OS, receiver)
}

func styleOf(list []OSPolicy, receiver decode.Addr) OverlapStyle {
	if len(list) == 0 {
		return BSD
	}
	best, bits := BSD, -1
	for i := range list {
		if o := &list[i]; o.Prefix.Bits() > bits && o.Prefix.Contains(receiver.IP()) {
			best, bits = o.Style, o.Prefix.Bits()
		}
	}
	return best
}
