package event

import (
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// StreamTCP writes a TCP packet with its session, to outputs that ask for it.
func (l *Logger) StreamTCP(s *Subject, r *flow.Result) {
	for _, o := range l.Outputs {
		w := &o.Options.Stream
		if !o.Types.Has(StreamTCP) || !w.All && !(w.Events && r.Stream.Any()) && !(w.State && r.NewState) {
			continue
		}
		e := l.begin(o, StreamTCP, s, ofPacket)
		e.str("direction", directionName(s.Dir))
		e.open("stream_tcp")
		e.open("packet")
		e.dropHeader(s.Packet)
		e.close()
		if t := s.Flow.TCP; t != nil {
			e.session(t)
		}
		if r.Stream.Any() {
			e.list("events")
			for ev := range r.Stream.All() {
				e.elemStr("stream." + ev.String())
			}
			e.end()
		}
		e.close()
		l.put(o, StreamTCP)
	}
}

// session writes "session".
func (e *encoder) session(t *flow.Session) {
	e.open("session")
	e.str("state", t.State.String())
	for d, name := range [...]string{app.ToServer: "client", app.ToClient: "server"} {
		i := t.Info(app.Direction(d))
		e.open(name)
		e.num("isn", uint64(i.ISN))
		e.num("next_seq", uint64(i.NextSeq))
		e.num("last_ack", uint64(i.LastAck))
		e.num("window", uint64(i.Window))
		e.num("wscale", uint64(i.Scale))
		e.close()
	}
	e.close()
}
