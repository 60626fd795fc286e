package flow

import (
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// step takes a segment through the state machine of its session and reports whether it is acceptable.
func (g *segmentOf) step() bool {
	s := g.s
	if g.has(decode.SYN | decode.FIN) {
		g.event(StreamFinSyn)
		return false
	}
	if s.State >= TCPSynRecv && g.early() {
		return true
	}
	switch s.State {
	case TCPSynSent:
		return g.synSent()
	case TCPSynRecv:
		return g.synRecv()
	case TCPEstablished:
		return g.established()
	case TCPClosed:
		return g.closed()
	default:
		return g.closing()
	}
}

// early handles segments that change nothing: keep-alives and retransmissions of what has been acknowledged.
func (g *segmentOf) early() bool {
	p := g.p
	if p.Flags&(decode.SYN|decode.FIN|decode.RST) != 0 || p.Flags&decode.ACK == 0 || g.s.Async {
		return false
	}
	n := len(p.Payload)
	if n <= 1 && p.Seq == g.snd.NextSeq-1 && g.s.State >= TCPEstablished && p.Ack == g.rcv.LastAck { // keep-alive (RFC 9293 §3.8.4)
		return true
	}
	if n > 0 && g.s.State >= TCPEstablished && !seqAfter(g.end(), g.snd.LastAck) && !seqAfter(p.Ack, g.rcv.NextSeq) && g.s.flags&sessRstSeen == 0 {
		g.event(StreamPacketSpuriousRetransmission)
		g.takeAck()
		g.r.InStream = true // rules have seen these bytes in the stream
		return true
	}
	return false
}

func (g *segmentOf) established() bool {
	switch {
	case g.has(decode.RST):
		return g.reset()
	case g.has(decode.FIN):
		return g.validTimestamp() && g.stepFin()
	case g.has(decode.SYN | decode.ACK):
		return g.establishedSynAck()
	case g.has(decode.SYN):
		return g.establishedSyn()
	case g.has(decode.ACK):
		return g.data(StreamEstInvalidAck, StreamEstPacketOutOfWindow)
	}
	return len(g.p.Payload) == 0
}

func (g *segmentOf) establishedSynAck() bool {
	if g.dir == app.ToServer && g.s.flags&sessFourWay == 0 {
		g.event(StreamEstSynAckToServer)
		return false
	}
	if g.p.Ack != g.rcv.LastAck && g.p.Ack != g.rcv.ISN+1 {
		g.event(StreamEstSynAckResendWithDifferentAck)
		return false
	}
	if g.p.Seq != g.snd.ISN {
		g.event(StreamEstSynAckResendWithDiffSeq)
		return false
	}
	if g.s.flags&sessConfirmed != 0 {
		g.event(StreamEstSynAckResend)
		return false
	}
	return true
}

func (g *segmentOf) establishedSyn() bool {
	if g.dir == app.ToClient && g.s.flags&sessFourWay == 0 {
		g.event(StreamEstSynToClient)
		return false
	}
	if g.p.Seq != g.snd.ISN {
		g.event(StreamEstSynResendDiffSeq)
		return false
	}
	if g.s.flags&sessConfirmed != 0 {
		g.event(StreamEstSynResend)
		return false
	}
	return true
}

// data checks a segment of an open direction and takes it.
func (g *segmentOf) data(badAck, badSeq StreamEvent) bool {
	if !g.validTimestamp() {
		return false
	}
	if !g.validAck() {
		g.event(StreamPacketInvalidAck)
		g.event(badAck)
		return false
	}
	if !g.inWindow() {
		g.event(badSeq)
		return false
	}
	if len(g.p.Payload) > 0 || g.dir == app.ToServer {
		g.s.flags |= sessConfirmed
	}
	if n := len(g.p.Payload); n > 0 && seqBefore(g.p.Seq, g.snd.NextSeq) && !seqAfter(g.end(), g.snd.NextSeq) {
		g.event(StreamPacketRetransmission)
	}
	g.takeAck()
	g.advance()
	g.takeTimestamp()
	return true
}

// inWindow reports whether the payload is in the window that the receiver offers. What is not known is taken on trust.
func (g *segmentOf) inWindow() bool {
	if len(g.p.Payload) == 0 {
		return true
	}
	if !seqAfter(g.end(), g.snd.nextWin) {
		return !seqBefore(g.end(), g.snd.LastAck-g.rcv.Window-1)
	}
	if g.s.Async || g.s.Midstream {
		g.snd.nextWin = g.end()
		return true
	}
	return g.rcv.Window == 0 && len(g.p.Payload) == 1 // zero window probe
}

// validAck reports whether the acknowledgement is plausible: of something that could have been sent.
func (g *segmentOf) validAck() bool {
	ack, st := g.p.Ack, g.rcv
	switch {
	case g.p.Flags&decode.ACK == 0 || ack == st.LastAck:
		return true
	case seqAfter(ack, st.LastAck):
		if seqAfter(ack, st.NextSeq) {
			g.t.stats.TCP.AckUnseenData++
		}
		fin := uint32(0)
		if st.flags&streamFin != 0 {
			fin = 1
		}
		if !seqAfter(ack, st.nextWin+fin) || !seqAfter(ack, st.NextSeq+fin) {
			return true
		}
		return g.s.Async || g.s.Midstream
	default:
		return !seqBefore(ack, st.LastAck-max(st.Window, g.snd.Window, 65535)) || g.s.Async
	}
}

// takeAck notes what the segment acknowledges and the window it offers.
func (g *segmentOf) takeAck() {
	p := g.p
	if p.Flags&decode.ACK == 0 {
		return
	}
	if seqAfter(p.Ack, g.rcv.LastAck) {
		g.rcv.LastAck = p.Ack
	}
	if seqAfter(p.Ack, g.rcv.NextSeq) && g.rcv.flags&streamFin == 0 {
		g.rcv.NextSeq = p.Ack
	}
	if p.Ack == g.rcv.LastAck {
		g.snd.Window = uint32(p.Window) << g.snd.Scale
	}
	if w := g.rcv.LastAck + g.snd.Window; seqAfter(w, g.rcv.nextWin) || g.rcv.nextWin == 0 {
		g.rcv.nextWin = w
	}
}

// advance moves the sender's next sequence number behind the payload.
func (g *segmentOf) advance() {
	if end := g.end(); seqAfter(end, g.snd.NextSeq) {
		g.snd.NextSeq = end
	}
	if g.s.Async && seqAfter(g.snd.NextSeq, g.snd.LastAck) {
		g.snd.LastAck = g.snd.NextSeq
		g.snd.nextWin = g.snd.LastAck + max(g.snd.Window, 65535)
	}
}

// stepFin takes a FIN of a direction that has not ended.
func (g *segmentOf) stepFin() bool {
	p, st := g.p, g.snd
	if seqBefore(g.end(), st.NextSeq) || seqAfter(p.Seq, st.LastAck+max(g.rcv.Window, g.snd.Window, 65535)) && !g.s.Async {
		g.event(StreamFinOutOfWindow)
		return false
	}
	if !g.validAck() {
		g.event(StreamPacketInvalidAck)
		g.event(StreamFinInvalidAck)
		return false
	}
	g.takeAck()
	g.advance()
	g.takeTimestamp()
	g.markFin()
	if g.dir == app.ToServer {
		g.s.State = TCPCloseWait
	} else {
		g.s.State = TCPFinWait1
	}
	return true
}

// markFin notes where the sender's stream ends.
func (g *segmentOf) markFin() {
	st := g.snd
	if st.flags&streamFin == 0 {
		st.flags |= streamFin
		st.end = uint64(max(0, st.offset(g.end()-g.s.Urgent[g.dir])))
	}
}

// closingEvents are the stream events of a state in which a side has ended.
var closingEvents = [...]struct{ ackSeq, ack, finSeq StreamEvent }{
	TCPFinWait1:  {StreamFin1AckWrongSeq, StreamFin1InvalidAck, StreamFin1FinWrongSeq},
	TCPFinWait2:  {StreamFin2AckWrongSeq, StreamFin2InvalidAck, StreamFin2FinWrongSeq},
	TCPTimeWait:  {StreamTimeWaitAckWrongSeq, StreamTimeWaitInvalidAck, StreamTimeWaitAckWrongSeq},
	TCPLastAck:   {StreamLastAckAckWrongSeq, StreamLastAckInvalidAck, StreamLastAckAckWrongSeq},
	TCPCloseWait: {StreamCloseWaitAckOutOfWindow, StreamCloseWaitInvalidAck, StreamCloseWaitFinOutOfWindow},
	TCPClosing:   {StreamClosingAckWrongSeq, StreamClosingInvalidAck, StreamClosingAckWrongSeq},
}

// closing handles the states in which at least one side has sent its FIN.
func (g *segmentOf) closing() bool {
	ev := &closingEvents[g.s.State]
	switch {
	case g.has(decode.RST):
		return g.reset()
	case g.has(decode.SYN):
		g.event(StreamShutdownSynResend)
		return false
	case g.has(decode.FIN):
		if !g.validTimestamp() {
			return false
		}
		if g.snd.flags&streamFin == 0 && (seqBefore(g.end(), g.snd.NextSeq) || seqAfter(g.p.Seq, g.snd.nextWin)) {
			g.event(ev.finSeq)
			return false
		}
		if !g.validAck() {
			g.event(StreamPacketInvalidAck)
			g.event(ev.ack)
			return false
		}
		g.takeAck()
		g.advance()
		g.takeTimestamp()
		g.markFin()
	case g.has(decode.ACK):
		if len(g.p.Payload) > 0 && g.snd.flags&streamFin != 0 && seqAfter(g.end(), g.snd.NextSeq) {
			g.event(ev.ackSeq)
			return false
		}
		if !g.data(ev.ack, ev.ackSeq) {
			return false
		}
	default:
		return len(g.p.Payload) == 0
	}
	g.progress()
	return true
}

// progress derives the state from which sides have ended and whose end has been acknowledged. The names are those that a
// server's socket would be in.
func (g *segmentOf) progress() {
	s := g.s
	cli, srv := &s.stream[app.ToServer], &s.stream[app.ToClient]
	cliFin, srvFin := cli.flags&streamFin != 0, srv.flags&streamFin != 0
	cliAcked, srvAcked := cliFin && seqAfter(cli.LastAck, cli.NextSeq), srvFin && seqAfter(srv.LastAck, srv.NextSeq)
	switch s.State {
	case TCPCloseWait:
		if srvFin {
			s.State = TCPLastAck
		}
	case TCPFinWait1, TCPFinWait2:
		switch {
		case cliFin && srvAcked:
			s.State = TCPTimeWait
		case cliFin:
			s.State = TCPClosing
		case srvAcked:
			s.State = TCPFinWait2
		}
	case TCPClosing:
		if srvAcked {
			s.State = TCPTimeWait
		}
	}
	switch s.State {
	case TCPLastAck:
		if srvAcked {
			g.close()
		}
	case TCPTimeWait:
		if cliAcked {
			g.close()
		}
	}
}

// closed handles what comes after the end. Traffic that goes on after a RST says that the RST was forged or refused: the
// session is followed again.
func (g *segmentOf) closed() bool {
	if g.s.flags&sessRstSeen == 0 || g.has(decode.RST) || g.has(decode.SYN) || g.p.Flags&decode.ACK == 0 {
		return true
	}
	if g.snd.ISN == g.snd.NextSeq || g.rcv.ISN == g.rcv.NextSeq || g.rcv.flags&streamRst == 0 && g.snd.flags&streamRst == 0 {
		return true
	}
	if !g.validAck() || !g.inWindow() || seqBefore(g.p.Seq, g.snd.LastAck) || len(g.p.Payload) == 0 && g.snd.flags&streamRst == 0 {
		return true
	}
	g.event(StreamSuspectedRstInject)
	if len(g.p.Payload) == 0 {
		return true
	}
	g.s.flags &^= sessRstSeen
	g.snd.flags &^= streamRst
	g.rcv.flags &^= streamRst
	g.s.State = TCPEstablished
	return g.data(StreamEstInvalidAck, StreamEstPacketOutOfWindow)
}

// reset takes a RST, if it is one that the receiver would accept.
func (g *segmentOf) reset() bool {
	if !g.validReset() {
		return false
	}
	g.takeAck()
	g.snd.flags |= streamRst
	g.snd.rstSeq = g.p.Seq
	g.s.flags |= sessRstSeen
	g.close()
	return true
}

func (g *segmentOf) close() { g.s.State = TCPClosed }

// validReset reports whether the receiver would take a RST (RFC 9293 §3.5.3, RFC 5961 §3.2, and what systems really do).
func (g *segmentOf) validReset() bool {
	p := g.p
	if g.s.State != TCPSynSent && !g.validTimestamp() {
		return false
	}
	if g.s.State == TCPSynSent {
		return g.dir == app.ToServer || p.Flags&decode.ACK == 0 || p.Ack == g.rcv.NextSeq || p.Ack == g.rcv.ISN+1
	}
	if p.Flags&decode.ACK != 0 && p.Ack != 0 && !g.validAck() {
		g.event(StreamPacketInvalidAck)
		g.event(StreamRstInvalidAck)
		return false
	}
	if g.s.Async {
		return !seqBefore(p.Seq, g.snd.NextSeq)
	}
	next, window := g.snd.NextSeq, max(g.rcv.Window, 1)
	if g.snd.flags&streamFin != 0 && p.Seq == next+1 {
		return true
	}
	switch g.snd.style {
	case HPUX11:
		return !seqBefore(p.Seq, next)
	case Linux, OldLinux, Solaris, OldSolaris, IRIX, HPUX10:
		return !seqBefore(p.Seq+uint32(len(p.Payload)), g.snd.LastAck) && !seqAfter(p.Seq, next+window)
	default:
		return p.Seq == next || g.s.State == TCPSynRecv && !seqBefore(p.Seq, g.snd.ISN) && !seqAfter(p.Seq, next+window)
	}
}

const pawsIdle = 24 * 24 * 3600 * second // RFC 7323 §5.5

// validTimestamp protects against wrapped sequence numbers: the sender's clock does not run backwards (RFC 7323 §5).
func (g *segmentOf) validTimestamp() bool {
	if g.s.flags&sessTimestamps == 0 || g.p.TCPOptions.Has&decode.HasTimestamps == 0 {
		return true
	}
	st, ts := g.snd, g.p.TCPOptions.TSVal
	if st.flags&streamTimestamp == 0 || st.lastTS == 0 || st.flags&streamZeroTS != 0 && ts == 0 {
		return true
	}
	diff := int32(ts - st.lastTS)
	if st.style == Linux || st.style == Windows2003 { // take a clock that is one tick behind
		diff++
	}
	if diff < 0 && g.p.Time < st.lastTSTime+pawsIdle {
		g.event(StreamPacketInvalidTimestamp)
		return false
	}
	return true
}

// takeTimestamp notes the sender's clock, unless the segment is an old one.
func (g *segmentOf) takeTimestamp() {
	if g.s.flags&sessTimestamps == 0 || g.p.TCPOptions.Has&decode.HasTimestamps == 0 {
		return
	}
	if ts := g.p.TCPOptions.TSVal; int32(ts-g.snd.lastTS) >= 0 || g.snd.flags&streamTimestamp == 0 || g.p.Time > g.snd.lastTSTime+pawsIdle {
		g.snd.lastTS, g.snd.lastTSTime = ts, g.p.Time
		g.snd.flags |= streamTimestamp
	}
}

// reuses reports whether a segment begins a new connection between the ends of one that is over.
func (t *Tracker) reuses(f *Flow, p *decode.Packet) bool {
	if p.Proto != decode.ProtoTCP || p.Flags&(decode.SYN|decode.RST|decode.FIN) != decode.SYN {
		return false
	}
	s, first := f.TCP, &f.TCP.stream[f.direction(p)]
	switch {
	case p.Flags&decode.ACK != 0:
		return false
	case s.State == TCPSynRecv && first.flags&streamFastOpen != 0 && s.flags&sessFastOpen == 0 && len(p.Payload) == 0:
		return p.Seq == first.ISN // the server has ignored the data of the first SYN, and the client begins anew without
	}
	return s.State >= TCPLastAck && p.Seq != first.ISN
}
