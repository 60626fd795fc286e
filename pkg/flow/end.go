package flow

import (
	"encoding/binary"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// end takes a flow out of the table: parser, rules and loggers get what is left of it first.
func (t *Tracker) end(f *Flow, reason string) {
	f.Reason = reason
	var r Result
	if f.Verdict == Undecided || f.Verdict == FlowPass {
		if f.TCP != nil {
			t.finish(f, &r)
		} else {
			if f.Parser != nil {
				f.Parser.Close(app.ToServer)
				f.Parser.Close(app.ToClient)
			}
			t.flush(f, f.Last, true, &r)
		}
	}
	if f.App == app.Unknown && f.Proto == decode.ProtoUDP && (f.AppDir[0] == app.Failed || f.AppDir[1] == app.Failed) {
		f.App = app.Failed
	}
	if f.Parser != nil {
		f.Txs += uint64(len(f.Parser.Txs()))
	}
	if f.Frames != nil {
		t.stats.FramesLost += f.Frames.Lost
	}
	t.wheel.disarm(&t.table, f)
	s := &t.stats.Flow
	s.Active--
	*[...]*uint64{&s.EndNew, &s.EndEstablished, &s.EndClosed, &s.EndBypassed}[f.State]++
	t.handler.End(f)
	if f.TCP != nil {
		t.dropSession(f.TCP)
	}
	t.table.remove(f)
}

// finish delivers what is left of both directions of a session, and lets rules look at one before the other is parsed: what its
// end brings to light belongs to its own direction.
func (t *Tracker) finish(f *Flow, r *Result) {
	swapped := f.Swapped
	for dir := app.ToServer; dir <= app.ToClient; dir++ {
		f.TCP.stream[dir].flags |= streamEOF
		t.deliver(f, f.TCP, dir, f.Last, r)
		if f.Swapped != swapped { // the sides were exchanged under way: both are to be looked at anew
			swapped = f.Swapped
			f.TCP.stream[app.ToServer].flags |= streamEOF
			t.deliver(f, f.TCP, app.ToServer, f.Last, r)
			dir = app.ToServer
		}
		t.flushSide(f, dir, f.Last, true, r)
	}
}

// flush asks the handler to look at what rules have not seen of a flow, one direction at a time, without a packet.
func (t *Tracker) flush(f *Flow, now int64, last bool, r *Result) {
	for dir := app.ToServer; dir <= app.ToClient; dir++ {
		t.flushSide(f, dir, now, last, r)
	}
}

func (t *Tracker) flushSide(f *Flow, dir app.Direction, now int64, last bool, r *Result) {
	if f.TCP != nil {
		f.TCP.Trigger(dir)
	}
	if !f.pending(dir) {
		return
	}
	p := &t.pseudo
	t.fakePacket(f, p, dir)
	p.Time = now
	p.Source = decode.SourceStreamFlush
	if last {
		p.Source = decode.SourceStreamTimeout
	}
	fr := &t.flushed
	*fr = Result{Flow: f, Dir: dir, Established: t.established(f), Fed: [2]bool{true, true}, Last: last, Pass: f.Verdict == FlowPass}
	fr.Stream = r.Stream
	t.handler.Flush(p, fr)
}

// pending reports whether rules or loggers may have something left to see in one direction.
func (f *Flow) pending(dir app.Direction) bool {
	if f.TCP != nil && f.TCP.pendingRaw(dir) {
		return true
	}
	if f.pendingFrames(dir) {
		return true
	}
	if f.Packets[dir] == 0 && f.Packets[dir.Opposite()] > 0 { // this side was never heard
		return false
	}
	return f.Parser != nil && len(f.Parser.Txs()) > 0
}

// fakePacket describes a flow's direction as if a packet of it had come.
func (t *Tracker) fakePacket(f *Flow, p *decode.Packet, dir app.Direction) {
	*p = decode.Packet{
		IPVersion: f.IPVersion, Proto: f.Proto, Tenant: f.Tenant, VLAN: f.VLAN, VLANs: f.VLANs,
		Src: f.Src, Dst: f.Dst, SrcPort: f.SrcPort, DstPort: f.DstPort,
	}
	if dir == app.ToClient {
		p.Src, p.Dst, p.SrcPort, p.DstPort = f.Dst, f.Src, f.DstPort, f.SrcPort
	}
	p.Link = f.Link
	n := 8
	if s := f.TCP; s != nil {
		n = 20
		p.Flags = decode.ACK
		p.Seq, p.Ack = s.stream[dir].NextSeq, s.stream[dir.Opposite()].NextSeq
	}
	h := t.header[:n]
	clear(h)
	binary.BigEndian.PutUint16(h, p.SrcPort)
	binary.BigEndian.PutUint16(h[2:], p.DstPort)
	if n == 20 {
		binary.BigEndian.PutUint32(h[4:], p.Seq)
		binary.BigEndian.PutUint32(h[8:], p.Ack)
		h[12], h[13] = 5<<4, p.Flags
	}
	p.L4, p.IPPayload, p.Payload = h, h, h[n:]
}

// datagram takes a UDP packet to the parser.
func (t *Tracker) datagram(f *Flow, p *decode.Packet, r *Result) {
	if len(p.Payload) == 0 || f.App == app.Failed && f.AppDir[r.Dir] != app.Unknown {
		return
	}
	t.feed(f, r.Dir, p.Payload, p.Time, r)
}

// evict makes room for a flow when the table is full: it looks on from where it stopped for one whose emergency timeout is
// over, and otherwise takes the most dispensable it has seen. With an exception policy for flow.memcap other than ignore
// no established flow is given up; the new packet is refused instead.
func (t *Tracker) evict(r *Result) bool {
	const look = 64
	var worst *Flow
	t.stats.Flow.EmergencyEntered++
	for range look {
		if t.hand++; t.hand > uint32(t.table.count) {
			t.hand = 1
		}
		f := t.table.at(t.hand)
		if f.entry.self == 0 {
			continue
		}
		if t.now > f.Last+int64(f.timeout(t.cfg.Timeouts.emergency(f.Proto))) {
			worst = f
			break
		}
		if worst == nil || moreDispensable(f, worst) {
			worst = f
		}
	}
	if worst == nil || worst.State == Established && t.cfg.Policies.FlowMemcap > PolicyIgnore && t.except(nil, r, TargetFlowMemcap) != PolicyIgnore {
		t.stats.Flow.Memcap++
		return false
	}
	t.stats.Flow.GetUsed++
	t.end(worst, "forced")
	return true
}

// moreDispensable orders flows for eviction: closed and bypassed before new before established, then by silence.
func moreDispensable(a, b *Flow) bool {
	rank := [...]int{New: 1, Established: 0, Closed: 3, Bypassed: 2}
	if ra, rb := rank[a.State], rank[b.State]; ra != rb {
		return ra > rb
	}
	return a.Last < b.Last
}
