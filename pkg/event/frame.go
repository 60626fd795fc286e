package event

import "github.com/weir-ips/weir/pkg/flow/app"

// FramePayload bounds the bytes of a frame that go into a record.
const FramePayload = 4096

// FrameData is a frame with what is held of it.
type FrameData struct {
	*app.Frame
	Payload  []byte // lacking bytes are marked as "[N bytes missing]"; lent
	Complete bool   // all of it has come
	Datagram bool   // of UDP: it has no place in a stream
}

// Frame writes a frame's own record.
func (l *Logger) Frame(s *Subject, f *FrameData) {
	for _, o := range l.Outputs {
		if !o.Types.Has(Frame) || s.Flow == nil {
			continue
		}
		e := l.begin(o, Frame, s, ofPacket)
		e.appProto(s.Flow)
		e.frame(f)
		l.put(o, Frame)
	}
}

// frame writes "frame".
func (e *encoder) frame(f *FrameData) {
	e.open("frame")
	e.str("type", f.Type.String())
	e.num("id", uint64(f.ID))
	e.str("direction", [...]string{app.ToServer: "toserver", app.ToClient: "toclient"}[f.Dir]) // without the underscore of other records
	if !f.Datagram {
		e.num("stream_offset", f.Offset)
	}
	if f.Length >= 0 {
		e.num("length", uint64(f.Length))
	}
	e.flag("complete", f.Complete)
	e.base64("payload", f.Payload)
	e.printable("payload_printable", f.Payload[:min(len(f.Payload), FramePayload-1)])
	if f.HasTx {
		e.num("tx_id", f.Tx)
	}
	e.close()
}
