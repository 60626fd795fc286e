package flow

import (
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// queuedSyn and queuedSynAck are the variants of a handshake that an attacker or a confused peer has sent; which one counts
// is known when it is answered.
type queuedSyn struct {
	seq     uint32
	window  uint32
	options decode.TCPOptions
	data    uint32 // bytes of payload
}

type queuedSynAck struct {
	seq, ack uint32
	window   uint32
	options  decode.TCPOptions
}

// open begins a session with the first segment of a flow that has none, if it may.
func (g *segmentOf) open() bool {
	p, cfg := g.p, g.t.cfg
	switch {
	case g.has(decode.RST):
		g.event(StreamRstButNoSession)
		return false
	case g.has(decode.SYN | decode.FIN):
		g.event(StreamFinSyn)
		return false
	case g.has(decode.SYN | decode.ACK):
		return g.mayPickUp() && g.openSynAck()
	case g.has(decode.SYN):
		return g.openSyn()
	case g.has(decode.FIN):
		if !cfg.Midstream && !cfg.AsyncOneside || len(p.Payload) == 0 {
			g.event(StreamFinButNoSession)
			if !cfg.Midstream {
				g.t.except(g.f, g.r, TargetMidstream)
			}
			return false
		}
		return g.mayPickUp() && g.openMidstream()
	case g.has(decode.ACK):
		return g.mayPickUp() && g.openMidstream()
	}
	return false
}

// mayPickUp decides about a session whose beginning was not seen.
func (g *segmentOf) mayPickUp() bool {
	g.t.except(g.f, g.r, TargetMidstream)
	return (g.t.cfg.Midstream || g.t.cfg.AsyncOneside) && g.f.Verdict != FlowBypass
}

// begin makes the session and points the segment at it.
func (g *segmentOf) begin() bool {
	if g.t.newSession(g.f, g.r) == nil {
		return false
	}
	g.bind()
	return true
}

func (g *segmentOf) openSyn() bool {
	if !g.begin() {
		return false
	}
	g.s.State = TCPSynSent
	g.takeSyn(queuedSyn{seq: g.p.Seq, window: uint32(g.p.Window), options: g.p.TCPOptions, data: uint32(len(g.p.Payload))})
	if g.p.TCPOptions.Has&decode.HasFastOpen != 0 && len(g.p.Payload) > 0 {
		g.s.flags |= sessFastOpen
		g.snd.flags |= streamFastOpen
	}
	return true
}

// takeSyn sets the sender's side up as a SYN describes it.
func (g *segmentOf) takeSyn(q queuedSyn) { g.snd.takeSyn(q, g.p.Time) }

func (s *stream) takeSyn(q queuedSyn, now int64) {
	s.ISN, s.NextSeq = q.seq, q.seq+1+q.data
	s.LastAck = q.seq + 1
	s.Window = q.window
	if q.options.Has&decode.HasWindowScale != 0 {
		s.Scale = min(q.options.WindowScale, 14)
	}
	if q.options.Has&decode.HasTimestamps != 0 {
		s.flags |= streamTimestamp
		s.lastTS, s.lastTSTime = q.options.TSVal, now
		if q.options.TSVal == 0 {
			s.flags |= streamZeroTS
		}
	}
}

// openSynAck takes up a session at the server's answer: the sender is the server.
func (g *segmentOf) openSynAck() bool {
	if g.dir == app.ToServer { // the first packet of the flow made its sender the client
		g.t.swap(g.f)
		g.dir, g.r.Dir = app.ToClient, app.ToClient
	}
	if !g.begin() {
		return false
	}
	s, p := g.s, g.p
	s.Midstream = true
	s.flags |= sessMidSynAck
	g.t.stats.TCP.Midstream++
	s.State = TCPSynRecv
	g.takeSyn(queuedSyn{seq: p.Seq, window: uint32(p.Window), options: p.TCPOptions})
	c := g.rcv
	c.ISN, c.NextSeq, c.LastAck = p.Ack-1, p.Ack, p.Ack
	c.nextWin = p.Ack + uint32(p.Window)
	if p.TCPOptions.Has&decode.HasWindowScale != 0 {
		c.Scale = 14 // the client's is not known: the largest
	}
	return true
}

// openMidstream takes up a session in its middle. Window scales are not known: the largest.
func (g *segmentOf) openMidstream() bool {
	if !g.begin() {
		return false
	}
	s, p := g.s, g.p
	s.Midstream, s.State = true, TCPEstablished
	if g.t.cfg.AsyncOneside {
		s.Async = true
	}
	s.flags |= sessConfirmed
	g.t.stats.TCP.Midstream++
	g.snd.ISN, g.snd.NextSeq, g.snd.LastAck = p.Seq-1, g.end(), p.Seq
	g.snd.Scale, g.rcv.Scale = 14, 14
	g.snd.Window = uint32(p.Window) << 14
	g.snd.nextWin = g.end() + g.snd.Window
	g.rcv.ISN, g.rcv.NextSeq, g.rcv.LastAck = p.Ack-1, p.Ack, p.Ack
	g.rcv.Window = g.snd.Window
	g.rcv.nextWin = p.Ack + g.snd.Window
	if p.TCPOptions.Has&decode.HasTimestamps != 0 {
		s.flags |= sessTimestamps
		g.takeTimestamp()
	}
	if g.has(decode.FIN) {
		return g.stepFin()
	}
	return true
}

// synSent handles what follows a SYN.
func (g *segmentOf) synSent() bool {
	switch {
	case g.has(decode.RST):
		return g.synSentReset()
	case g.has(decode.FIN):
		return g.echoes()
	case g.has(decode.SYN | decode.ACK):
		return g.synSentSynAck()
	case g.has(decode.SYN):
		return g.synSentSyn()
	case g.has(decode.ACK):
		return g.synSentAck()
	}
	return true
}

// echoes reports whether the server's first timestamp echoes the SYN's, as the client demands (RFC 7323 §3.2); a forged
// answer that nobody takes does not.
func (g *segmentOf) echoes() bool {
	o := &g.p.TCPOptions
	if g.dir == app.ToServer || o.Has&decode.HasTimestamps == 0 || o.TSEcr == 0 {
		return true
	}
	if c := g.rcv; c.flags&streamTimestamp != 0 && o.TSEcr == c.lastTS || c.flags&streamZeroTS != 0 {
		return true
	}
	g.event(StreamPacketInvalidTimestamp)
	return false
}

func (g *segmentOf) synSentReset() bool {
	if !g.echoes() || !g.validReset() {
		return false
	}
	if g.dir == app.ToServer {
		if g.p.Seq == g.snd.ISN && g.p.Window == 0 && g.p.Ack == g.snd.ISN+1 {
			g.s.flags |= sessRstSeen
			g.close()
		}
		return true
	}
	g.s.flags |= sessRstSeen
	g.close()
	return true
}

func (g *segmentOf) synSentSyn() bool {
	p, s := g.p, g.s
	if g.dir == app.ToClient { // both sides open at once (RFC 9293 §3.5)
		s.flags |= sessFourWay
		g.takeSyn(queuedSyn{seq: p.Seq, window: uint32(p.Window), options: p.TCPOptions})
		return true
	}
	if s.flags&sessFourWay != 0 || p.Seq == g.snd.ISN {
		return true
	}
	if len(s.syns) < g.t.cfg.MaxSynQueued { // the peer answers one of them; the latest is the likeliest
		s.syns = append(s.syns, s.currentSyn())
	} else {
		g.event(StreamHandshakeSynFlood)
	}
	g.snd.flags &^= streamTimestamp | streamZeroTS
	g.snd.Scale = 0
	g.takeSyn(queuedSyn{seq: p.Seq, window: uint32(p.Window), options: p.TCPOptions, data: uint32(len(p.Payload))})
	return true
}

// currentSyn describes the SYN that the client's side is set up from.
func (s *Session) currentSyn() queuedSyn {
	c := &s.stream[app.ToServer]
	o := s.optionsOf(app.ToServer)
	return queuedSyn{seq: c.ISN, window: c.Window, options: o, data: c.NextSeq - c.ISN - 1}
}

func (g *segmentOf) synSentSynAck() bool {
	p, s := g.p, g.s
	if s.flags&sessFourWay != 0 && g.dir == app.ToServer {
		return g.fourWaySynAck()
	}
	if g.dir == app.ToServer {
		g.event(StreamHandshakeSynAckInWrongDirection)
		return false
	}
	c := g.rcv // the client
	if !g.answers(c.ISN, c.NextSeq) {
		for _, q := range s.syns {
			if p.Ack == q.seq+1 || q.data > 0 && p.Ack == q.seq+1+q.data {
				c.takeSyn(q, p.Time)
				break
			}
		}
		if !g.answers(c.ISN, c.NextSeq) {
			g.event(StreamHandshakeSynAckWithWrongAck)
			return false
		}
	}
	if s.flags&sessFastOpen != 0 && p.Ack == c.ISN+1 {
		if p.TCPOptions.Has&decode.HasFastOpen != 0 {
			g.event(StreamHandshakeSynAckFastOpenDataIgnored)
		}
		c.NextSeq = c.ISN + 1
		s.flags &^= sessFastOpen
		c.refuseEarly(&g.t.pool)
	}
	g.takeSynAck(queuedSynAck{seq: p.Seq, ack: p.Ack, window: uint32(p.Window), options: p.TCPOptions})
	s.State = TCPSynRecv
	return true
}

// answers reports whether the segment acknowledges a SYN, and perhaps its data.
func (g *segmentOf) answers(isn, next uint32) bool {
	return g.p.Ack == isn+1 || g.s.flags&sessFastOpen != 0 && g.p.Ack == next
}

// refuseEarly forgets the data of a SYN that the server did not take.
func (s *stream) refuseEarly(p *pool) {
	s.release(p)
	s.app, s.raw, s.base = 0, 0, 0
}

// takeSynAck sets both sides up as a SYN/ACK and the SYN it answers describe them.
func (g *segmentOf) takeSynAck(q queuedSynAck) {
	srv, cli := &g.s.stream[app.ToClient], &g.s.stream[app.ToServer]
	scale := cli.Scale
	if q.options.Has&decode.HasWindowScale == 0 { // both or none (RFC 7323 §2.2)
		scale, cli.Scale = 0, 0
	}
	srv.flags &^= streamTimestamp
	srv.takeSyn(queuedSyn{seq: q.seq, window: q.window, options: q.options}, g.p.Time)
	if scale == 0 && cli.Scale == 0 && q.options.Has&decode.HasWindowScale == 0 {
		srv.Scale = 0
	}
	cli.LastAck = q.ack
	cli.nextWin = q.ack + q.window
	srv.nextWin = srv.LastAck + cli.Window
	if cli.flags&streamTimestamp != 0 && srv.flags&streamTimestamp != 0 {
		g.s.flags |= sessTimestamps
	} else {
		g.s.flags &^= sessTimestamps
	}
}

// fourWaySynAck is the second half of a simultaneous open.
func (g *segmentOf) fourWaySynAck() bool {
	if g.p.Ack != g.rcv.ISN+1 {
		g.event(StreamFourWaySynAckWithWrongAck)
		return false
	}
	if g.p.Seq != g.snd.ISN {
		g.event(StreamFourWaySynAckWithWrongSyn)
		return false
	}
	g.s.State = TCPSynRecv
	g.rcv.LastAck = g.p.Ack
	g.rcv.nextWin = g.p.Ack + uint32(g.p.Window)
	g.snd.nextWin = g.snd.LastAck + g.rcv.Window
	return true
}

// synSentAck: the server is not seen, if that is allowed.
func (g *segmentOf) synSentAck() bool {
	s, p := g.s, g.p
	if g.dir == app.ToClient || !g.t.cfg.AsyncOneside { // not part of the handshake, and rules look at the packet
		return true
	}
	if p.Seq != g.snd.NextSeq {
		g.event(StreamHandshakeAsyncWrongSeq)
		return false
	}
	s.Async, s.State = true, TCPEstablished
	g.snd.Window = uint32(p.Window) << g.snd.Scale
	g.snd.nextWin = g.snd.LastAck + g.snd.Window
	g.rcv.ISN, g.rcv.NextSeq, g.rcv.LastAck = p.Ack-1, p.Ack, p.Ack
	g.rcv.nextWin = p.Ack + g.snd.Window
	g.advance()
	return true
}

// synRecv handles what follows a SYN/ACK.
func (g *segmentOf) synRecv() bool {
	switch {
	case g.has(decode.RST):
		if !g.validReset() {
			return false
		}
		g.s.flags |= sessRstSeen
		g.close()
		return true
	case g.has(decode.SYN | decode.ACK):
		return g.synRecvSynAck()
	case g.has(decode.SYN):
		if g.dir == app.ToClient && g.s.flags&sessFourWay == 0 {
			g.event(StreamHandshakeSynToClientOnSynRecv)
			return false
		}
		if g.p.Seq != g.snd.ISN {
			g.event(StreamHandshakeSynResendDiffSeqOnSynRecv)
			return false
		}
		return true
	case g.has(decode.FIN):
		if g.validTimestamp() && g.synRecvAck() {
			return g.stepFin()
		}
		return false
	case g.has(decode.ACK):
		return g.validTimestamp() && g.synRecvAck()
	}
	return true
}

func (g *segmentOf) synRecvSynAck() bool {
	p, s := g.p, g.s
	if g.dir == app.ToServer && s.flags&sessFourWay == 0 {
		g.event(StreamHandshakeSynAckToServerOnSynRecv)
		return false
	}
	if s.flags&sessFourWay != 0 {
		return true
	}
	if !g.answers(g.rcv.ISN, g.rcv.NextSeq) {
		g.event(StreamHandshakeSynAckResendWithDifferentAck)
		return false
	}
	if p.Seq == g.snd.ISN {
		return true
	}
	for _, q := range s.acks {
		if q.seq == p.Seq && q.ack == p.Ack {
			return true
		}
	}
	if len(s.acks) >= g.t.cfg.MaxSynAckQueued {
		g.event(StreamHandshakeSynAckFlood)
		return false
	}
	if len(s.acks) == 0 {
		s.acks = append(s.acks, queuedSynAck{seq: g.snd.ISN, ack: p.Ack, window: g.snd.Window, options: g.s.optionsOf(g.dir)})
	}
	s.acks = append(s.acks, queuedSynAck{seq: p.Seq, ack: p.Ack, window: uint32(p.Window), options: p.TCPOptions})
	return true
}

// optionsOf rebuilds the options that a SYN/ACK has set up.
func (s *Session) optionsOf(dir app.Direction) (o decode.TCPOptions) {
	st := &s.stream[dir]
	if st.Scale > 0 || s.stream[dir.Opposite()].Scale > 0 {
		o.Has |= decode.HasWindowScale
		o.WindowScale = st.Scale
	}
	if st.flags&streamTimestamp != 0 {
		o.Has |= decode.HasTimestamps
		o.TSVal = st.lastTS
	}
	return o
}

// synRecvAck is the third step of the handshake, or something that shows that it was taken.
func (g *segmentOf) synRecvAck() bool {
	p, s := g.p, g.s
	for _, q := range s.acks { // of several SYN/ACKs the client picks one
		if g.dir == app.ToServer && p.Ack == q.seq+1 && q.seq != g.rcv.ISN {
			g.takeSynAck(q)
			break
		}
	}
	if g.dir == app.ToClient {
		return g.synRecvServerAck()
	}
	c := g.snd
	inWindow := !seqBefore(p.Seq, c.LastAck) && (c.nextWin == 0 || !seqAfter(g.end(), c.nextWin))
	rightAck := p.Ack == g.rcv.NextSeq || s.flags&sessUnconfirmed != 0
	switch {
	case p.Seq == c.NextSeq && rightAck, s.flags&sessFastOpen != 0 && p.Ack == g.rcv.NextSeq && inWindow:
	case p.Seq == c.NextSeq:
		g.event(StreamHandshakeRightSeqWrongAckEvasion)
		return false
	case rightAck && inWindow && len(p.Payload) > 0: // the ACK itself was lost or comes later
	case s.Midstream && s.flags&sessMidSynAck != 0 && inWindow:
	case s.flags&sessFourWay != 0 && p.Ack == g.rcv.NextSeq:
	default:
		g.event(StreamHandshakeWrongSeqWrongAck)
		return false
	}
	s.State = TCPEstablished
	s.syns, s.acks = s.syns[:0], s.acks[:0]
	g.takeAck()
	g.advance()
	g.takeTimestamp()
	return true
}

// synRecvServerAck: data or an ACK of the server before the client's ACK was seen. Inline, data at this point is a known
// injection and never lets through.
func (g *segmentOf) synRecvServerAck() bool {
	p, s := g.p, g.s
	switch {
	case s.flags&sessFourWay != 0:
		if p.Seq != g.snd.NextSeq {
			g.event(StreamFourWayWrongSeq)
			return false
		}
		if p.Ack != g.rcv.NextSeq {
			g.event(StreamFourWayInvalidAck)
			return false
		}
	case s.flags&sessFastOpen != 0:
		if len(p.Payload) == 0 {
			return true
		}
	case s.flags&sessMidSynAck != 0 && p.Seq == g.snd.NextSeq: // the client is not seen
		s.Async = g.t.cfg.AsyncOneside
	case len(p.Payload) > 0 && g.t.cfg.Inline:
		g.event(StreamHandshakeAckDataInject)
		if g.t.cfg.IPS {
			g.r.Drop, g.r.DropReason = true, "stream error"
		}
		return false
	case len(p.Payload) > 0 && p.Seq == g.snd.NextSeq && p.Ack == g.rcv.NextSeq:
		s.flags |= sessUnconfirmed // the client's ACK was missed
	case len(p.Payload) == 0 && p.Seq == g.snd.NextSeq-1: // keep-alive
		return true
	default:
		g.event(StreamHandshakeAckInWrongDirection)
		return false
	}
	s.State = TCPEstablished
	g.takeAck()
	g.advance()
	g.takeTimestamp()
	return true
}
