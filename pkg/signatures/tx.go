package signatures

import (
	"slices"

	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// txState is what the engine remembers of one direction of a transaction, in TxBase.Inspect.
type txState struct {
	epoch   uint64
	proto   app.Proto // whose rules these are; a flow's protocol may turn out to be a special one
	events  int       // events that have been looked at
	scanned []int     // by engine: bytes of the buffer that have been scanned; final when it does not change any more
	pending []txRule  // in the order of evaluation
	fired   []uint32  // rules that have matched or cannot match any more
	files   int       // files of the direction when it was last looked at
	done    int       // those of them that had come to their end
}

// final marks an engine whose buffer has been scanned whole.
const final = -1

// txRule is a rule under evaluation: which of its groups have matched.
type txRule struct {
	order   uint32
	matched uint64
	begun   bool // header and states have been tested
}

// payloadBit marks the payload items of a rule that has groups as well.
const payloadBit = 63

// byTx evaluates the rules about transactions, in the packet's direction alone: what the other side has acknowledged is
// looked at with the next packet of its sender.
func (e *Engine) byTx(f *flow.Flow) {
	d := e.ctx.Dir
	for _, tx := range f.Parser.Txs() {
		if b := tx.Base(); !b.Tried[d] && (b.Touched[d] || b.Complete[d]) {
			e.inspectTx(f, tx, d)
		}
	}
	e.ctx.Turn(d)
	e.ctx.Tx = nil
}

func (e *Engine) inspectTx(f *flow.Flow, tx app.Tx, d app.Direction) {
	b := tx.Base()
	g := &e.rules.txs[f.Parser.Proto()][d]
	st := e.txState(b, d, f.Parser.Proto(), len(g.engines))
	b.Touched[d] = false
	x := &e.ctx
	x.Turn(d)
	x.Tx = tx
	e.rearm(st, b, d)
	e.begin()
	e.collect(g, st, tx, d)
	e.admit(st)
	e.evaluateTx(f, tx, d, st)
	if other, ok := b.Inspect[d.Opposite()].(*txState); ok && e.hasTransactional(other) {
		x.Turn(d.Opposite())
		e.evaluateTx(f, tx, d.Opposite(), other)
	}
	st.done = doneFiles(b, d)
	if b.Complete[d] {
		b.Tried[d] = true
		if !e.hasTransactional(st) || b.Complete[d.Opposite()] {
			b.Inspect[d] = nil
			e.recycle(st)
		}
	}
}

// rearm lets rules about files match once more when another file has come: those before are done with.
func (e *Engine) rearm(st *txState, b *app.TxBase, d app.Direction) {
	n := 0
	for _, f := range b.Files {
		if f.Dir == d {
			n++
		}
	}
	e.ctx.FirstFile = st.done
	if n > st.files && st.files > 0 {
		st.fired = slices.DeleteFunc(st.fired, func(o uint32) bool {
			again := e.rules.signatures[o].TestsFiles
			if again {
				e.pend(st, o)
			}
			return again
		})
	}
	st.files = n
}

// doneFiles counts the files of a direction that come before the first that may still grow.
func doneFiles(b *app.TxBase, d app.Direction) (n int) {
	for _, f := range b.Files {
		switch {
		case f.Dir != d:
		case !f.Done():
			return n
		default:
			n++
		}
	}
	return n
}

func (e *Engine) txState(b *app.TxBase, d app.Direction, p app.Proto, engines int) *txState {
	st, ok := b.Inspect[d].(*txState)
	if !ok {
		if n := len(e.freeTx); n > 0 {
			st = e.freeTx[n-1]
			e.freeTx = e.freeTx[:n-1]
		} else {
			st = &txState{}
		}
		st.epoch, st.proto = e.epoch, p
		b.Inspect[d] = st
	}
	if st.epoch != e.epoch { // other rules have other numbers
		*st = txState{epoch: e.epoch, proto: p, scanned: st.scanned[:0], pending: st.pending[:0], fired: st.fired[:0]}
	}
	if st.proto != p { // other buffers, in another order: all are scanned once more
		clear(st.scanned)
		st.proto, st.scanned = p, st.scanned[:min(len(st.scanned), engines)]
	}
	for len(st.scanned) < engines {
		st.scanned = append(st.scanned, 0)
	}
	return st
}

const maxFreeTx = 1 << 12

func (e *Engine) recycle(st *txState) {
	if len(e.freeTx) < maxFreeTx {
		*st = txState{scanned: st.scanned[:0], pending: st.pending[:0], fired: st.fired[:0]}
		e.freeTx = append(e.freeTx, st)
	}
}

// collect looks for fast patterns in the buffers that are there and have not been scanned.
func (e *Engine) collect(g *txGroup, st *txState, tx app.Tx, d app.Direction) {
	b := tx.Base()
	e.candidates(g.always)
	if g.byPayload {
		e.candidatesByPayload(d)
	}
	if len(b.Events) > st.events {
		st.events = len(b.Events)
		e.candidates(g.events)
	}
	for i := range g.engines {
		en := &g.engines[i]
		if st.scanned[i] == final {
			continue
		}
		if b.Progress[d] < en.source.Progress && !b.Complete[d] {
			break // and so are all that follow
		}
		e.scanBuffer(en, &st.scanned[i], tx, d)
	}
}

// candidatesByPayload adds the rules that have no other fast pattern than the one that was found in the payload.
func (e *Engine) candidatesByPayload(d app.Direction) {
	for _, o := range e.inPayload {
		s := e.rules.signatures[o]
		if s.Fast.Pattern == nil && len(s.AppEvents) == 0 && s.Dirs.Has(d) && (s.Apps == 0 || s.Apps.Has(e.ctx.Flow.Parser.Proto())) {
			e.candidate(o)
		}
	}
}

func (e *Engine) scanBuffer(en *txEngine, scanned *int, tx app.Tx, d app.Direction) {
	whole := isFinal(en.source, tx.Base(), d)
	for k := 0; ; k++ {
		buf, ok := e.ctx.Fetch(en.group, en.source, tx, k)
		if !ok {
			break
		}
		if buf.Wait {
			continue
		}
		data, base := buf.Data, buf.Base
		if k == 0 && *scanned > 0 { // a growing body: what is new, and what a pattern across the edge needs
			skip := min(max(*scanned-base-en.longest, 0), len(data))
			data, base = data[skip:], base+skip
		}
		e.scan(en.set, data, base)
		if k == 0 && !whole && len(en.group.Transforms) == 0 {
			*scanned = buf.Base + len(buf.Data)
		}
	}
	if whole {
		*scanned = final
	}
}

// isFinal reports whether a source's bytes do not change any more.
func isFinal(s *keyword.Source, b *app.TxBase, d app.Direction) bool {
	return b.Complete[d] || b.Progress[d] >= s.FinalStep()
}

// maxPending bounds the rules under evaluation of one direction of a transaction.
const maxPending = 4096

// admit makes the candidates rules under evaluation, unless they are or were. Their headers and states are tested when it is
// their turn: a rule before may set what they ask for.
func (e *Engine) admit(st *txState) {
	for _, o := range e.inOrder() {
		if slices.Contains(st.fired, o) {
			continue
		}
		e.pend(st, o)
	}
}

// pend puts a rule under evaluation, unless it is.
func (e *Engine) pend(st *txState, o uint32) {
	at, there := slices.BinarySearchFunc(st.pending, o, func(r txRule, o uint32) int { return int(r.order) - int(o) })
	switch {
	case there:
	case len(st.pending) >= maxPending:
		e.ctx.Stats.StateFull++
	default:
		st.pending = slices.Insert(st.pending, at, txRule{order: o})
	}
}

// evaluateTx carries the rules under evaluation as far as the transaction allows.
func (e *Engine) evaluateTx(f *flow.Flow, tx app.Tx, d app.Direction, st *txState) {
	b, kept := tx.Base(), st.pending[:0]
	for _, r := range st.pending {
		s := e.rules.signatures[r.order]
		e.ctx.Matched = nil
		var outcome keyword.Outcome
		begin := e.profile.begin()
		if r.begun = r.begun || s.Header(&e.ctx) && s.Tests(&e.ctx); r.begun {
			outcome = e.advance(f, s, &r, tx, d)
		}
		e.profile.end(r.order, begin, outcome == keyword.Matched)
		if !r.begun {
			continue // it may become a candidate again
		}
		switch outcome {
		case keyword.Matched:
			if s.EachUpdate && !b.Complete[d] && b.Progress[d] == s.Groups[0].Source(f.Parser.Proto(), d).Progress {
				kept = append(kept, txRule{order: r.order})
			} else {
				st.fired = append(st.fired, r.order)
			}
			e.fire(s, InTx, tx)
		case keyword.Never:
			st.fired = append(st.fired, r.order)
		case keyword.Later:
			kept = append(kept, r)
		}
		e.ctx.Captured = e.ctx.Captured[:0]
	}
	st.pending = kept
}

// advance matches those groups of a rule that have not matched yet.
func (e *Engine) advance(f *flow.Flow, s *keyword.Signature, r *txRule, tx app.Tx, d app.Direction) keyword.Outcome {
	b := tx.Base()
	if len(s.AppEvents) > 0 && !s.EventMatch(&e.ctx) {
		return e.unlessComplete(b, d)
	}
	if len(s.Payload) > 0 && r.matched&(1<<payloadBit) == 0 && e.mayMatchPayload(s) { // the stream goes on: what is there now is not there when the buffers are
		if _, ok := e.payload(s, e.ctx.Packet.Payload); ok {
			r.matched |= 1 << payloadBit
		}
	}
	for i, g := range s.Groups {
		if r.matched&(1<<min(i, payloadBit-1)) != 0 {
			continue
		}
		src := g.Source(f.Parser.Proto(), d)
		if src == nil && s.Transactional {
			src = g.Source(f.Parser.Proto(), d.Opposite())
		}
		if src == nil {
			return keyword.Never
		}
		if b.Progress[src.Dir] < src.Progress && !b.Complete[src.Dir] {
			return keyword.Later
		}
		if o := g.Match(&e.ctx, src, tx, isFinal(src, b, src.Dir)); o != keyword.Matched {
			return o
		}
		if i < payloadBit-1 {
			r.matched |= 1 << i
		}
	}
	if len(s.Payload) > 0 && r.matched&(1<<payloadBit) == 0 {
		return e.unlessComplete(b, d)
	}
	return keyword.Matched
}

// mayMatchPayload reports whether the payload has the pattern that the rule's contents in the payload need.
func (e *Engine) mayMatchPayload(s *keyword.Signature) bool {
	return s.PayloadFast.Pattern == nil || slices.Contains(e.inPayload, s.Order)
}

func (e *Engine) unlessComplete(b *app.TxBase, d app.Direction) keyword.Outcome {
	if b.Complete[d] {
		return keyword.Never
	}
	return keyword.Later
}

// hasTransactional reports whether a rule with => waits for the other direction.
func (e *Engine) hasTransactional(st *txState) bool {
	for _, r := range st.pending {
		if e.rules.signatures[r.order].Transactional {
			return true
		}
	}
	return false
}
