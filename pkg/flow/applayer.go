package flow

import (
	"math"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// maxDetect is how many bytes of a direction may pass before its protocol must be known.
const maxDetect = 16 << 10

// deliver gives the parser what has become available of one direction of a session: bytes, gaps, and the end.
func (t *Tracker) deliver(f *Flow, s *Session, dir app.Direction, now int64, r *Result) {
	st := &s.stream[dir]
	avail, acked := s.available(dir), s.acked(dir)
	stuck := 0 // changes of protocol without a byte in between
	for st.flags&streamNoApp == 0 {
		b := st.blockAt(st.app)
		if b != nil && b.start <= st.app {
			to := min(b.end(), avail)
			if to <= st.app {
				break
			}
			if st.flags&streamDepth != 0 {
				f.truncateFiles(dir)
			}
			swapped, parsed := f.Swapped, f.Parser != nil
			n := t.feed(f, dir, b.bytes(st.app)[:to-st.app], now, r)
			if f.Swapped != swapped { // the sides were exchanged under way
				dir = dir.Opposite()
				st = &s.stream[dir]
				avail, acked = s.available(dir), s.acked(dir)
			}
			st.app += uint64(n)
			if n > 0 {
				stuck = 0
			} else if stuck++; stuck > 2 || f.Parser != nil == parsed {
				break
			}
			continue
		}
		if b == nil { // nothing has come behind it either: it may be late
			break
		}
		to := b.start
		if st.flags&streamEOF == 0 || s.State == TCPClosed { // a flow that just stops may be continued by what was not acknowledged
			to = min(to, acked)
		}
		if st.flags&streamDepth != 0 {
			to = min(to, s.depth)
		}
		if to <= st.app {
			break
		}
		t.lose(f, st, dir, to, r)
	}
	if st.flags&(streamNoApp|streamDepth) == streamNoApp && f.Packets[dir] > 0 {
		t.skipLost(st, acked, r)
	}
	t.closeParser(f, st, dir, r)
}

// lose tells the parser that the bytes up to offset to will not come.
func (t *Tracker) lose(f *Flow, st *stream, dir app.Direction, to uint64, r *Result) {
	n := to - st.app
	st.app = to
	st.Gap = true
	t.stats.TCP.Gap++
	r.Stream.Add(StreamReassemblySeqGap)
	if f.Parser != nil {
		if f.Frames != nil {
			f.Frames.Fed(dir, to)
		}
		f.Parser.Gap(dir, int(min(n, math.MaxInt32)))
		r.Fed[dir] = true
		return
	}
	if f.App == app.Unknown { // the beginning is lost: content cannot say any more what it is
		t.undetected(f, dir)
	}
}

// skipLost notes a gap when nobody but rules on the raw stream is interested.
func (t *Tracker) skipLost(st *stream, acked uint64, r *Result) {
	if st.app < acked && st.gapAt(max(st.app, st.base), acked) {
		st.Gap = true
		t.stats.TCP.Gap++
		r.Stream.Add(StreamReassemblySeqGap)
	}
	st.app = max(st.app, acked)
}

// truncateFiles ends what is open of one direction: the rest of the stream will not be reassembled.
func (f *Flow) truncateFiles(dir app.Direction) {
	if f.Parser == nil {
		return
	}
	for _, tx := range f.Parser.Txs() {
		for _, file := range tx.Base().Files {
			if file.Dir == dir && !file.Done() {
				file.Truncate()
				tx.Base().Touch(dir)
			}
		}
	}
}

// closeParser tells the parser once that a direction has ended.
func (t *Tracker) closeParser(f *Flow, st *stream, dir app.Direction, r *Result) {
	if st.flags&streamClosed != 0 {
		return
	}
	over := st.flags&streamEOF != 0 || st.flags&streamFin != 0 && st.app >= st.end
	if st.flags&streamDepth != 0 && f.TCP.depth != 0 && st.app >= f.TCP.depth {
		over = true
	}
	if !over {
		return
	}
	st.flags |= streamClosed
	if f.Parser != nil {
		f.Parser.Close(dir)
		r.Fed[dir] = true
	}
}

// feed gives data to the parser, or to detection while there is none. It returns how much was taken; 0 waits for more.
func (t *Tracker) feed(f *Flow, dir app.Direction, data []byte, now int64, r *Result) int {
	if f.Parser == nil {
		swapped := f.Swapped
		if f.App == app.Unknown && len(t.expected) > 0 { // the announcement may have been read after the flow's first packet
			t.announced(f, now)
		}
		if !t.detect(f, dir, data, r) {
			if f.App == app.Failed {
				return len(data)
			}
			return 0
		}
		if f.Swapped != swapped {
			dir = dir.Opposite()
		}
	} else if f.AppDir[dir] == app.Unknown {
		t.detectOther(f, dir, data)
	}
	if f.Parser == nil { // recognised, but nobody parses it
		f.stopApp()
		return len(data)
	}
	return t.parse(f, dir, data, now, r)
}

// parse feeds the parser and acts on what it learns. It returns how much of data is done with: what follows a change of
// protocol is not.
func (t *Tracker) parse(f *Flow, dir app.Direction, data []byte, now int64, r *Result) int {
	if f.AppFailed[dir] {
		return len(data)
	}
	r.Fed[dir] = true
	if f.Frames != nil {
		f.fedFrames(dir, len(data))
	}
	if err := f.Parser.Feed(dir, data, now); err != nil {
		f.AppFailed[dir] = true
		t.stats.AppErrors[f.App]++
		if f.TCP != nil {
			f.TCP.stream[dir].flags |= streamNoApp
		}
		t.except(f, r, TargetAppError)
	}
	return len(data) - min(len(data), t.watch(f, dir, now, r))
}

// watch looks for what a parser may announce: finished transactions, encryption, swapped sides, a change of protocol. It
// returns how many bytes of the last ones belong to the new protocol.
func (t *Tracker) watch(f *Flow, dir app.Direction, now int64, r *Result) int {
	t.triggerRaw(f, dir)
	if p := f.Parser.Proto(); p != f.App {
		t.refine(f, p)
	}
	w := &f.watch
	if w.swapper != nil && w.swapper.Swapped() {
		t.exchange(f, r)
	}
	if w.encrypter != nil && w.encrypter.Encrypted() {
		t.encrypted(f, now, r)
	}
	if w.expecter != nil {
		t.expect(f, w.expecter.Expected(), now)
	}
	if w.upgrader != nil {
		if next, rest, ok := w.upgrader.Upgrade(); ok {
			n := len(rest)
			t.upgrade(f, next, now, r)
			return n
		}
	}
	return 0
}

// watcher holds what a flow's parser can do besides parsing, found once instead of for each packet.
type watcher struct {
	upgrader  app.Upgrader
	expecter  app.Expecter
	encrypter app.Encrypter
	swapper   app.Swapper
	done      [2]uint64 // transactions known to be complete, by direction
}

func (w *watcher) of(p app.Parser) {
	*w = watcher{}
	w.upgrader, _ = p.(app.Upgrader)
	w.expecter, _ = p.(app.Expecter)
	w.encrypter, _ = p.(app.Encrypter)
	w.swapper, _ = p.(app.Swapper)
}

// triggerRaw lets rules look at the raw stream as soon as a transaction's direction is complete, not only when a chunk is.
func (t *Tracker) triggerRaw(f *Flow, dir app.Direction) {
	if f.TCP == nil || t.cfg.Inline || t.cfg.NoRaw {
		return
	}
	txs := f.Parser.Txs()
	for i := len(txs) - 1; i >= 0; i-- {
		b := txs[i].Base()
		if b.ID < f.watch.done[dir] {
			return
		}
		if b.Complete[dir] {
			f.watch.done[dir] = b.ID + 1
			f.TCP.Trigger(dir)
			return
		}
	}
}

// encrypted ends the inspection of content, as far as configured. Rules first see what came in the clear.
func (t *Tracker) encrypted(f *Flow, now int64, r *Result) {
	f.watch.encrypter = nil
	switch t.cfg.Encryption[f.App] {
	case EncryptionFull:
	case EncryptionBypass:
		t.bypass(f)
	default:
		if f.TCP != nil {
			t.flush(f, now, false, r)
		}
		f.NoPayload = true
		f.stopRaw()
	}
}

// bypass takes a flow out of inspection; its packets are only counted any more.
func (t *Tracker) bypass(f *Flow) {
	if f.Verdict != Undecided {
		return
	}
	f.Verdict = FlowBypass
	t.setState(f, Bypassed)
	t.stats.Flow.Bypassed++
	f.stopApp()
	f.stopRaw()
}

// stopRaw ends the inspection of the raw stream.
func (f *Flow) stopRaw() {
	if f.TCP != nil {
		f.TCP.StopRaw(app.ToServer)
		f.TCP.StopRaw(app.ToClient)
	}
}

// stopApp ends parsing of both directions.
func (f *Flow) stopApp() {
	if f.TCP == nil {
		return
	}
	for dir := range f.TCP.stream {
		f.TCP.stream[dir].flags |= streamNoApp
	}
}

// exchange exchanges the sides of a flow while a packet of it is at work.
func (t *Tracker) exchange(f *Flow, r *Result) {
	t.swap(f)
	r.Dir = r.Dir.Opposite()
	r.Fed[0], r.Fed[1] = r.Fed[1], r.Fed[0]
}

// swap exchanges the sides of a flow whose initiator turned out to be the server.
func (t *Tracker) swap(f *Flow) {
	f.Swapped = !f.Swapped
	f.Src, f.Dst = f.Dst, f.Src
	f.SrcPort, f.DstPort = f.DstPort, f.SrcPort
	swap(&f.LastDir)
	swap(&f.Packets)
	swap(&f.Bytes)
	swap(&f.MinTTL)
	swap(&f.MaxTTL)
	swap(&f.AppDir)
	swap(&f.AppFailed)
	swap(&f.ICMPType)
	swap(&f.ICMPCode)
	swap(&f.watch.done)
	swap(&f.probed)
	f.Frames.Swap()
	if s := f.TCP; s != nil {
		swap(&s.stream)
		swap(&s.Flags)
		swap(&s.Urgent)
	}
}

func swap[T any](a *[2]T) { a[0], a[1] = a[1], a[0] }

// upgrade changes a flow's protocol. Rules and loggers first see the old protocol's transactions to their end.
func (t *Tracker) upgrade(f *Flow, next app.Proto, now int64, r *Result) {
	old := f.Parser
	old.Close(app.ToServer)
	old.Close(app.ToClient)
	t.flush(f, now, false, r)
	f.AppOrig = f.App
	f.Txs += uint64(len(old.Txs()))
	f.App, f.AppDir, f.Parser, f.AppFailed, f.probed = app.Unknown, [2]app.Proto{}, nil, [2]bool{}, [2]uint64{}
	f.watch, f.Frames = watcher{}, nil
	if next != app.Unknown {
		f.App, f.AppDir = next, [2]app.Proto{next, next}
		if p := t.cfg.protocol(next, f.Proto); p != nil {
			t.adopt(f, p)
			inherit(old, f.Parser, now)
		}
	}
}

// inherit hands the request that asked for the change of protocol over to the parser that sees the answer.
func inherit(old, next app.Parser, now int64) {
	from, ok1 := old.(app.Bequeather)
	to, ok2 := next.(app.Heir)
	if !ok1 || !ok2 {
		return
	}
	if r := from.Bequest(); r != nil {
		to.Inherit(r, now)
	}
}

// refine notes that a parser has found its protocol to be a special case of what was recognised.
func (t *Tracker) refine(f *Flow, p app.Proto) {
	f.AppOrig, f.App, f.AppDir = f.App, p, [2]app.Proto{p, p}
	t.stats.AppFlows[p]++
}
