package signatures

import (
	"slices"

	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// frameGroup are the rules about one kind of frame in one direction.
type frameGroup struct {
	set     *scanSet
	longest int      // of its patterns
	always  []uint32 // without fast pattern
}

type frameBuilder struct {
	set    setBuilder
	always []uint32
	used   bool
}

// addFrame sorts in a rule that is evaluated on frames.
func (b *builder) addFrame(s *keyword.Signature) {
	t := s.Frame()
	if t == app.NoFrame {
		return
	}
	for _, d := range [...]app.Direction{app.ToServer, app.ToClient} {
		if !s.Dirs.Has(d) {
			continue
		}
		g := &b.frames[t][d]
		g.used = true
		if s.Fast.Pattern != nil {
			g.set.add(&s.Fast, s.Order)
		} else {
			g.always = append(g.always, s.Order)
		}
	}
}

func (b *builder) finishFrames() {
	for t := range b.frames {
		for d := range b.frames[t] {
			from := &b.frames[t][d]
			if !from.used {
				continue
			}
			if b.rs.groups.frames == nil {
				b.rs.groups.frames = new([app.NumFrameTypes][2]frameGroup)
			}
			g := &b.rs.groups.frames[t][d]
			g.set, g.always, g.longest = from.set.build(), from.always, from.set.longest
		}
	}
}

// Frames returns the frames that rules look at, by protocol.
func (rs *Ruleset) Frames() (types [app.NumProtos]app.FrameSet) {
	for _, s := range rs.signatures {
		t := s.Frame()
		for p := range types {
			if t != app.NoFrame && s.Apps.Has(app.Proto(p)) {
				types[p] |= 1 << t
			}
		}
	}
	return types
}

// frameState is what the engine remembers of one frame, in Frame.Inspect.
type frameState struct {
	epoch   uint64
	scanned uint64   // offset up to which fast patterns have been looked for
	pending []uint32 // rules that may match yet, in the order of evaluation
	fired   []uint32 // rules that have matched
}

// frameChunk is how many bytes of a frame that goes on must have come before rules look at them, unless inspection is inline.
const frameChunk = 2500

// byFrame evaluates the rules about frames of the packet's direction.
func (e *Engine) byFrame(f *flow.Flow) {
	d := e.ctx.Dir
	live := f.Frames.Live(d)
	for i := range live {
		fr := &live[i]
		g := &e.rules.frames[fr.Type][d]
		if fr.Tried || g.set == nil && g.always == nil {
			fr.Tried = true
			continue
		}
		ended, fed := f.FrameEnded(fr), f.Frames.End(d)
		if !ended && !e.ctx.Inline && fed < fr.Seen+frameChunk {
			continue
		}
		e.inspectFrame(f, fr, g, ended)
		fr.Seen = fed
		if ended {
			fr.Tried = true
			if st, ok := fr.Inspect.(*frameState); ok {
				fr.Inspect = nil
				e.recycleFrame(st)
			}
		}
	}
	e.ctx.Tx = nil
}

// inspectFrame looks at what is held of a frame, one run of bytes between gaps after the other.
func (e *Engine) inspectFrame(f *flow.Flow, fr *app.Frame, g *frameGroup, ended bool) {
	st := e.frameState(fr)
	payload := e.ctx.Packet.Payload
	e.ctx.Tx = txOfFrame(f, fr)
	for at := fr.Offset; ; {
		data, from := f.FrameBytes(fr, at, payload)
		if len(data) == 0 {
			break
		}
		at = from + uint64(len(data))
		end, known := fr.End()
		e.ctx.Forget()
		e.frameCandidates(g, st, data, from, int(from-fr.Offset))
		e.evaluateFrame(f, fr, st, data, int(from-fr.Offset), known && at >= end || !known && ended)
	}
	st.scanned = max(st.scanned, f.Frames.End(fr.Dir))
}

// frameCandidates adds the rules whose fast pattern is in what is new of a run of bytes, which begins at base of the frame.
func (e *Engine) frameCandidates(g *frameGroup, st *frameState, data []byte, from uint64, base int) {
	e.begin()
	e.candidates(g.always)
	fresh := data
	if edge := st.scanned - min(st.scanned, uint64(g.longest)); edge > from {
		fresh = data[min(edge-from, uint64(len(data))):]
	}
	e.scan(g.set, fresh, base+len(data)-len(fresh))
	for _, o := range e.inOrder() {
		if at, there := slices.BinarySearch(st.pending, o); !there && len(st.pending) < maxPending && !slices.Contains(st.fired, o) {
			st.pending = slices.Insert(st.pending, at, o)
		}
	}
}

// evaluateFrame matches the rules that may match yet against a run of bytes.
func (e *Engine) evaluateFrame(f *flow.Flow, fr *app.Frame, st *frameState, data []byte, base int, end bool) {
	x := &e.ctx
	kept := st.pending[:0]
	for _, o := range st.pending {
		s := e.rules.signatures[o]
		begin := e.profile.begin()
		ok := s.Apps.Has(f.Parser.Proto()) && s.Header(x) && s.Tests(x) && s.MatchFrame(x, data, base, end) && e.besides(s)
		e.profile.end(o, begin, ok)
		if !ok {
			x.Captured = x.Captured[:0]
			kept = append(kept, o)
			continue
		}
		st.fired = append(st.fired, o)
		n := len(e.matches)
		e.fire(s, InStream, x.Tx)
		if len(e.matches) > n {
			e.matches[n].frame = *fr
		}
	}
	st.pending = kept
}

// besides matches what a rule about frames asks of the payload.
func (e *Engine) besides(s *keyword.Signature) bool {
	if len(s.Payload) == 0 {
		return true
	}
	_, ok := e.payload(s, e.ctx.Packet.Payload)
	return ok
}

// txOfFrame returns the transaction that a frame belongs to, nil when there is none or it is gone.
func txOfFrame(f *flow.Flow, fr *app.Frame) app.Tx {
	if !fr.HasTx {
		return nil
	}
	for _, tx := range f.Parser.Txs() {
		if tx.Base().ID == fr.Tx {
			return tx
		}
	}
	return nil
}

func (e *Engine) frameState(fr *app.Frame) *frameState {
	st, ok := fr.Inspect.(*frameState)
	if !ok {
		if n := len(e.frames); n > 0 {
			st = e.frames[n-1]
			e.frames = e.frames[:n-1]
		} else {
			st = &frameState{}
		}
		st.epoch = e.epoch
		fr.Inspect = st
	}
	if st.epoch != e.epoch { // other rules have other numbers
		*st = frameState{epoch: e.epoch, pending: st.pending[:0], fired: st.fired[:0]}
	}
	return st
}

func (e *Engine) recycleFrame(st *frameState) {
	if len(e.frames) < maxFreeTx {
		*st = frameState{pending: st.pending[:0], fired: st.fired[:0]}
		e.frames = append(e.frames, st)
	}
}
