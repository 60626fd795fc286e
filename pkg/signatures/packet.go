package signatures

import (
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// byAddress evaluates the rules about addresses alone: once per flow and direction, or for each packet without flow.
func (e *Engine) byAddress(st *flowState) {
	x := &e.ctx
	if x.Packet.IPVersion == 0 || isPseudo(x.Packet) {
		return
	}
	if st != nil {
		if st.addresses[x.Dir] {
			return
		}
		st.addresses[x.Dir] = true
	}
	e.begin()
	a := &e.rules.addresses
	e.candidates(a.any)
	if len(a.src.from)+len(a.dst.from) > 0 {
		e.candidates(a.src.find(keyword.Number(x.Packet.Src)))
		e.candidates(a.dst.find(keyword.Number(x.Packet.Dst)))
	}
	for _, o := range e.inOrder() {
		s := e.rules.signatures[o]
		begin := e.profile.begin()
		ok := s.Header(x) && s.Tests(x)
		e.profile.end(o, begin, ok)
		if ok {
			e.fire(s, InPacket, nil)
		}
	}
}

// byPacket evaluates the rules about packets, their flow and the raw stream, by the plan that it returns.
func (e *Engine) byPacket(st *flowState) *plan {
	x := &e.ctx
	p, f := x.Packet, x.Flow
	e.begin()
	e.events(p)
	if x.NewAppEvents != 0 {
		e.candidates(e.rules.appEvents)
	}
	if st != nil && st.proto[x.Dir] != f.App && (f.App == app.Failed || f.AppDir[x.Dir] != app.Unknown) {
		st.proto[x.Dir] = f.App
		if f.AppOrig != app.Unknown { // a change of protocol is detected once, for both sides
			st.proto[x.Dir.Opposite()] = f.App
		}
		e.candidates(e.rules.protoOnly)
	}
	pl := e.plan(st)
	e.candidates(pl.always)
	if len(pl.opening) > 0 && p.Flags&decode.SYN != 0 {
		e.candidates(pl.opening)
	}
	payload := p.Payload
	if f != nil && f.NoPayload {
		payload = nil
	}
	sets := pl.packets
	if f != nil && x.Result.InStream && p.Proto == decode.ProtoTCP { // most rules look for the same bytes in the stream
		sets = pl.segments
	}
	e.scanAll(sets, payload, 0)
	e.chunk = chunk{}
	if f != nil && f.TCP != nil {
		e.nextChunk(f, pl)
	}
	e.evaluate(payload)
	return pl
}

// restOfStream evaluates the rules about the stream on what lies behind a gap.
func (e *Engine) restOfStream(f *flow.Flow, pl *plan) {
	for e.chunk.data != nil {
		f.TCP.Advance(e.ctx.Dir)
		e.begin()
		if e.nextChunk(f, pl); e.chunk.data != nil {
			e.evaluate(nil)
		}
	}
}

// nextChunk takes the next bytes of the raw stream of the packet's direction and looks for fast patterns in them.
func (e *Engine) nextChunk(f *flow.Flow, pl *plan) {
	d := e.ctx.Dir
	data, base := f.TCP.Inspectable(d)
	if e.chunk = (chunk{data, int(base)}); len(data) == 0 {
		e.chunk.data = nil
		return
	}
	e.candidates(pl.streamed)
	e.scanAll(pl.streams, data, int(base))
}

// events adds the rules about what is wrong with the packet or its session.
func (e *Engine) events(p *decode.Packet) {
	if p.Events.Any() {
		e.candidates(e.rules.decodeAny)
		for ev := range p.Events.All() {
			e.candidates(e.rules.decode[ev])
		}
	}
	if e.ctx.Result.Stream.Any() {
		for ev := range e.ctx.Result.Stream.All() {
			e.candidates(e.rules.stream[ev])
		}
	}
}

// evaluate matches the candidates against the packet, its payload and the stream's chunk.
func (e *Engine) evaluate(payload []byte) {
	x := &e.ctx
	pseudo := isPseudo(x.Packet)
	for _, o := range e.inOrder() {
		s := e.rules.signatures[o]
		if s.Type == keyword.TypeTx {
			e.inPayload = append(e.inPayload, o)
			continue
		}
		begin := e.profile.begin()
		where, ok := e.check(s, payload, pseudo)
		e.profile.end(o, begin, ok)
		if ok {
			e.fire(s, where, nil)
		}
		x.Captured = x.Captured[:0]
	}
}

// check matches one rule against the packet, its payload and the stream's chunk.
func (e *Engine) check(s *keyword.Signature, payload []byte, pseudo bool) (Where, bool) {
	x := &e.ctx
	switch {
	case pseudo && (s.RealPacket || !s.NeedStream && s.Type != keyword.TypeProtocolOnly):
	case s.Dirs != 0 && (x.Flow == nil || !s.Dirs.Has(x.Dir)):
	case s.Apps != 0 && (x.Flow == nil || !s.Apps.Has(x.Flow.App)):
	case !s.Header(x) || !s.Tests(x):
	case len(s.Payload) == 0:
		return InPacket, true
	default:
		return e.payload(s, payload)
	}
	return InPacket, false
}

// isPseudo reports whether a packet was made to look at the rest of a stream: it was never on the wire.
func isPseudo(p *decode.Packet) bool {
	return p.Source == decode.SourceStreamFlush || p.Source == decode.SourceStreamTimeout
}

// payload matches a rule's content in the stream first, then in the packet when the rule asks for packets, or when the
// payload is not part of a stream.
func (e *Engine) payload(s *keyword.Signature, payload []byte) (Where, bool) {
	x := &e.ctx
	if s.NeedStream {
		if c := &e.chunk; c.data != nil && s.MatchPayload(x, c.data, c.base, true) {
			return InStream, true
		}
		if x.Result.InStream && streamInstead(s) {
			return 0, false
		}
	}
	if s.StreamOnly || len(payload) == 0 {
		return 0, false
	}
	return InPacket, s.MatchPayload(x, payload, 0, false)
}
