package flow

import "github.com/weir-ips/weir/pkg/flow/app"

// FrameWish says which frames parsers shall mark, and who looks at them.
type FrameWish struct {
	Types   [app.NumProtos]app.FrameSet
	Inspect bool // rules look at them: they stay until Frame.Tried
	Log     bool // records are written of them: they stay until Frame.Logged
}

// WantFrames makes the parsers of flows that are recognised from now on mark frames. It belongs to the tracker's goroutine.
func (t *Tracker) WantFrames(w FrameWish) { t.frames = w }

// Bytes of a frame that are held for rules and records from its start; of longer ones, and of those without known end, the
// last frameOverlap before what rules have not seen are held.
const (
	frameHold    = 32 << 10
	frameOverlap = 8 << 10
	frameMargin  = 4 << 10 // held before what the parser was given last: it may mark a frame only when it has seen more of it
)

// mark lets a flow's new parser mark the frames that somebody asks for.
func (t *Tracker) mark(f *Flow) {
	f.Frames = nil
	wanted := t.frames.Types[f.App]
	if wanted == 0 {
		return
	}
	if p, ok := f.Parser.(app.Framer); ok {
		f.Frames = &app.Frames{Wanted: wanted}
		p.SetFrames(f.Frames)
	}
}

// fedFrames tells the frames of a flow what its parser is about to be given.
func (f *Flow) fedFrames(dir app.Direction, n int) {
	s := f.Frames
	if f.TCP == nil {
		s.Fed(dir, uint64(n))
		return
	}
	if s.End(dir) == 0 {
		s.Fed(dir, f.TCP.stream[dir].app)
		s.Add(dir, app.FrameStream, 0, -1)
	}
	s.Fed(dir, f.TCP.stream[dir].app+uint64(n))
}

// FrameBytes returns the next bytes of a frame that are held at or behind offset from, without gaps, and the offset of the first; nil
// when there are none. payload is the packet's: frames of datagrams are in it.
func (f *Flow) FrameBytes(fr *app.Frame, from uint64, payload []byte) (data []byte, at uint64) {
	to := f.Frames.End(fr.Dir)
	if end, known := fr.End(); known {
		to = min(to, end)
	}
	if f.TCP == nil {
		to = min(to, uint64(len(payload)))
		if from >= to {
			return nil, from
		}
		return payload[from:to], from
	}
	b := f.TCP.stream[fr.Dir].blockAt(from)
	if b == nil || b.start >= to {
		return nil, to
	}
	at = max(from, b.start+uint64(b.skip))
	if to = min(to, b.end()); at >= to {
		return nil, at
	}
	return b.data[at-b.start : to-b.start], at
}

// FrameEnded reports whether no more of a frame will come: its end was given to the parser, or there is no more to give.
func (f *Flow) FrameEnded(fr *app.Frame) bool {
	if f.TCP == nil || f.TCP.stream[fr.Dir].flags&(streamEOF|streamClosed) != 0 {
		return true
	}
	end, known := fr.End()
	return known && f.Frames.End(fr.Dir) >= end
}

// reapFrames forgets the frames that everybody has done with.
func (t *Tracker) reapFrames(f *Flow) {
	for d := app.ToServer; d <= app.ToClient; d++ {
		if len(f.Frames.Live(d)) > 0 {
			f.Frames.Reap(d, func(fr *app.Frame) bool {
				return (!t.frames.Inspect || fr.Tried) && (!t.frames.Log || fr.Logged)
			})
		}
	}
}

// frameEdge returns the offset from which on dir's bytes are held for frames.
func (f *Flow) frameEdge(dir app.Direction) uint64 {
	edge := f.Frames.End(dir)
	edge -= min(edge, frameMargin)
	for i := range f.Frames.Live(dir) {
		fr := &f.Frames.Live(dir)[i]
		from := fr.Offset
		if fed := f.Frames.End(dir); fed > from+frameHold {
			from = max(from, fed-frameHold, fr.Seen-min(fr.Seen, frameOverlap))
		}
		edge = min(edge, from)
	}
	return edge
}

// pendingFrames reports whether rules or records have yet to see frames of dir.
func (f *Flow) pendingFrames(dir app.Direction) bool { return len(f.Frames.Live(dir)) > 0 }
