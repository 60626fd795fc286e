package path

import (
	"math"
	"strconv"

	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures"
)

// wantFrames makes parsers mark the frames that rules or records ask for.
func (p *Path) wantFrames(rs *signatures.Ruleset) {
	w := flow.FrameWish{Log: p.wants.frame}
	if rs != nil {
		w.Types = rs.Frames()
		w.Inspect = w.Types != [app.NumProtos]app.FrameSet{}
	}
	if w.Log {
		for i := range w.Types {
			w.Types[i] = math.MaxUint64
		}
	}
	p.tracker.WantFrames(w)
}

// frames writes the records of the frames that have come to their end in the packet's direction.
func (p *Path) frames(f *flow.Flow, dir app.Direction) {
	if !p.wants.frame || f.Frames == nil {
		return
	}
	live := f.Frames.Live(dir)
	for i := range live {
		if fr := &live[i]; !fr.Logged && f.FrameEnded(fr) {
			fr.Logged = true
			p.log.Frame(&p.subject, p.frameData(f, fr))
		}
	}
}

// frameData puts together what is held of a frame. It is valid until the next call.
func (p *Path) frameData(f *flow.Flow, fr *app.Frame) *event.FrameData {
	d := &p.frame
	*d = event.FrameData{Frame: fr, Datagram: f.TCP == nil}
	end, known := fr.End()
	if !known {
		end = f.Frames.End(fr.Dir)
	}
	d.Complete = known && f.Frames.End(fr.Dir) >= end
	p.marked = p.marked[:0]
	for at := fr.Offset; at < end && len(p.marked) < event.FramePayload; {
		data, from := f.FrameBytes(fr, at, p.subject.Packet.Payload)
		if len(data) == 0 {
			from = end
		}
		if from > at {
			p.marked = append(p.marked, '[')
			p.marked = strconv.AppendUint(p.marked, from-at, 10)
			p.marked = append(p.marked, " bytes missing]"...)
		}
		p.marked = append(p.marked, data...)
		at = from + uint64(len(data))
	}
	d.Payload = p.marked[:min(len(p.marked), event.FramePayload)]
	return d
}
