package flow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// kept is a flow as one program leaves it to the next. What stands in buffers and parsers is not kept: see restoreApp.
type kept struct {
	key               key
	id, parent        uint64
	src, dst          decode.Addr
	srcPort, dstPort  uint16
	vlans             uint8
	link              uint16
	start, last       int64
	lastDir           [2]int64
	packets, bytes    [2]uint64
	minTTL, maxTTL    [2]uint8
	state, verdict    uint8
	noPayload, reject bool
	alerted, swapped  bool
	app, orig, expect uint8
	appDir            [2]uint8
	appFailed         [2]bool
	events            uint8
	idle              bool // between two messages
	txs               uint64
	icmpType          [2]uint8
	icmpCode          [2]uint8
	icmpID            uint16
	spi               uint32
	hasTCP            bool
	tcp               keptSession
	dropBy, extra     uint16 // bytes that follow
}

type keptSession struct {
	state            uint8
	flags            [2]uint8
	midstream, async bool
	marks            uint16
	urgent           [2]uint32
	sides            [2]keptSide
}

type keptSide struct {
	Stream
	nextWin, lastTS uint32
	lastTSTime      int64
	rstSeq          uint32
	flags           uint16
	at, end         uint64
}

// maxKept bounds the flows of one program that the next takes over.
const maxKept = 1 << 20

// Keep appends what the next program needs to go on with the tracker's flows, all but those that are over; extra appends what others know of
// a flow, at most 65,535 bytes. The tracker is not to be used afterwards.
func (t *Tracker) Keep(buf []byte, extra func(buf []byte, f *Flow) []byte) []byte {
	for _, data := range t.left.some(maxKept) { // not heard since the program before: numbers in it are that one's
		t.revive(data)
	}
	buf = slices.Grow(buf, t.table.used*(coderSize+64))
	for i := uint32(1); i <= uint32(t.table.count); i++ {
		f := t.table.at(i)
		if f.entry.self == 0 || f.State == Closed {
			continue
		}
		buf = f.keep(buf, extra)
	}
	return buf
}

func (f *Flow) keep(buf []byte, extra func([]byte, *Flow) []byte) []byte {
	k := kept{
		key: f.entry.key, id: f.ID, parent: f.Parent, src: f.Src, dst: f.Dst, srcPort: f.SrcPort, dstPort: f.DstPort, vlans: f.VLANs,
		link: uint16(f.Link), start: f.Start, last: f.Last, lastDir: f.LastDir, packets: f.Packets, bytes: f.Bytes, minTTL: f.MinTTL, maxTTL: f.MaxTTL,
		state: uint8(f.State), verdict: uint8(f.Verdict), noPayload: f.NoPayload, reject: f.Reject, alerted: f.Alerted, swapped: f.Swapped,
		app: uint8(f.App), orig: uint8(f.AppOrig), expect: uint8(f.AppExpect), appDir: [2]uint8{uint8(f.AppDir[0]), uint8(f.AppDir[1])},
		appFailed: f.AppFailed, events: uint8(f.AppEvents), idle: f.idle(), txs: f.Txs, icmpType: f.ICMPType, icmpCode: f.ICMPCode, icmpID: f.ICMPID,
		spi: f.SPI, hasTCP: f.TCP != nil, dropBy: uint16(min(len(f.DropBy), 255)),
	}
	if f.TCP != nil {
		k.tcp = f.TCP.keep()
	}
	c := coder{buf: buf, write: true}
	begin := len(buf)
	k.code(&c)
	buf = append(c.buf, f.DropBy[:k.dropBy]...)
	behind := len(buf)
	if buf = extra(buf, f); len(buf)-behind > 1<<16-1 {
		buf = buf[:behind]
	}
	binary.LittleEndian.PutUint16(buf[begin+2:], uint16(len(buf)-behind)) // kept.extra
	return buf
}

// idle reports whether the parser is between two messages: a new one may go on in its place.
func (f *Flow) idle() bool {
	if f.Parser == nil || f.AppFailed != [2]bool{} {
		return false
	}
	for _, tx := range f.Parser.Txs() {
		b := tx.Base()
		if !(b.Complete[0] || b.OneWay && b.Dir != 0) || !(b.Complete[1] || b.OneWay && b.Dir != 1) {
			return false
		}
	}
	if f.TCP == nil {
		return true
	}
	for d := range f.TCP.stream {
		if st := &f.TCP.stream[d]; st.flags&streamNoApp == 0 && len(st.blocks) > 0 && st.app < st.blocks[len(st.blocks)-1].end() {
			return false
		}
	}
	return true
}

func (s *Session) keep() keptSession {
	k := keptSession{state: uint8(s.State), flags: s.Flags, midstream: s.Midstream, async: s.Async, marks: uint16(s.flags), urgent: s.Urgent}
	for d := range s.stream {
		st := &s.stream[d]
		k.sides[d] = keptSide{
			Stream: st.Stream, nextWin: st.nextWin, lastTS: st.lastTS, lastTSTime: st.lastTSTime, rstSeq: st.rstSeq,
			flags: uint16(st.flags), at: max(st.contiguous(st.app), st.raw), end: st.end,
		}
	}
	return k
}

// Left are flows that another program has left, until their next packet comes. It is shared by all workers: nobody knows which of them a
// flow will come to.
type Left struct {
	n     atomic.Int64
	until int64 // Unix ns: whoever has not been heard by then is over
	alike func(app.Proto) app.Proto

	mu    sync.Mutex
	flows map[key][]byte
}

// ErrKept is wrapped by errors about what another program has left.
var ErrKept = errors.New("flows that another program has left")

// ReadLeft reads what Keep has appended, and holds on to it. until is when a flow without a packet is over, Unix ns; alike tells what the other
// program's number of a protocol is here.
func ReadLeft(data []byte, until int64, alike func(app.Proto) app.Proto) (*Left, error) {
	l := &Left{until: until, alike: alike, flows: map[key][]byte{}}
	for len(data) > 0 {
		k, size, err := readKept(data)
		if err != nil {
			return nil, err
		}
		if len(l.flows) == maxKept {
			return nil, fmt.Errorf("%w: more than %d", ErrKept, maxKept)
		}
		l.flows[k.key] = data[:size:size]
		data = data[size:]
	}
	l.n.Store(int64(len(l.flows)))
	return l, nil
}

func readKept(data []byte) (k kept, size int, err error) {
	if len(data) < coderSize {
		return k, 0, fmt.Errorf("%w: %d bytes are no flow", ErrKept, len(data))
	}
	c := coder{buf: data}
	k.code(&c)
	size = coderSize + int(k.dropBy) + int(k.extra)
	if size > len(data) || k.state > uint8(Bypassed) || k.verdict > uint8(FlowBypass) || k.tcp.state > uint8(TCPClosed) {
		return k, 0, fmt.Errorf("%w: a flow that cannot be", ErrKept)
	}
	return k, size, nil
}

// Len is how many flows are left.
func (l *Left) Len() int {
	if l == nil {
		return 0
	}
	return int(l.n.Load())
}

func (l *Left) take(k *key) []byte {
	if l.Len() == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	data, ok := l.flows[*k]
	if ok {
		delete(l.flows, *k)
		l.n.Add(-1)
	}
	return data
}

// some takes up to n flows, whichever.
func (l *Left) some(n int) (out [][]byte) {
	if l.Len() == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, data := range l.flows {
		if len(out) == n {
			break
		}
		out = append(out, data)
		delete(l.flows, k)
	}
	l.n.Add(-int64(len(out)))
	return out
}

// Resume has the tracker go on with flows that another program has left. known is told of each before its packet is looked at, with what
// Keep's extra has appended. To be called before the first packet.
func (t *Tracker) Resume(l *Left, known func(f *Flow, extra []byte)) { t.left, t.known = l, known }

// resume takes up the flow of a packet if it was left by another program.
func (t *Tracker) resume(k *key, h uint64, r *Result) *Flow {
	data := t.left.take(k)
	if data == nil || t.table.used >= t.cfg.MaxFlows && !t.evict(r) {
		return nil
	}
	return t.restore(data, h, r)
}

func (t *Tracker) restore(data []byte, h uint64, r *Result) *Flow {
	k, size, err := readKept(data)
	if err != nil { // has been read before
		return nil
	}
	f := t.table.insert(&k.key, h)
	f.Tenant, f.VLAN, f.Proto, f.IPVersion = k.key.tenant, k.key.vlan, k.key.proto, k.key.ip
	f.ID, f.Parent, f.VLANs, f.Link = k.id, k.parent, k.vlans, decode.LinkType(k.link)
	f.Src, f.Dst, f.SrcPort, f.DstPort = k.src, k.dst, k.srcPort, k.dstPort
	f.Start, f.Last, f.LastDir, f.Packets, f.Bytes, f.MinTTL, f.MaxTTL = k.start, k.last, k.lastDir, k.packets, k.bytes, k.minTTL, k.maxTTL
	f.State, f.Verdict, f.NoPayload, f.Reject, f.Alerted, f.Swapped = State(k.state), FlowVerdict(k.verdict), k.noPayload, k.reject, k.alerted, k.swapped
	f.Txs, f.ICMPType, f.ICMPCode, f.ICMPID, f.SPI = k.txs, k.icmpType, k.icmpCode, k.icmpID, k.spi
	behind := data[coderSize:size]
	f.DropBy = string(behind[:k.dropBy])
	t.count(f)
	t.stats.Flow.Resumed++
	t.wheel.arm(&t.table, f, max(f.Last, t.now)+int64(t.timeout(f)))
	parse := t.restoreApp(f, &k)
	if k.hasTCP && t.newSession(f, r) != nil {
		f.TCP.restore(&k.tcp, f.App == app.Unknown)
	}
	if parse != nil {
		f.setParser(parse.New())
		t.mark(f)
	}
	if t.known != nil {
		t.known(f, behind[k.dropBy:])
	}
	return f
}

// restoreApp tells a flow its protocol. The parser's memory is gone: a new one takes its place if messages of the protocol stand alone and
// the old one was between two; else the protocol is to be detected again. What is not looked at any more keeps its name.
func (t *Tracker) restoreApp(f *Flow, k *kept) *Protocol {
	proto := t.left.alike(app.Proto(k.app))
	p := t.cfg.protocol(proto, f.Proto)
	stays := p != nil && p.Standalone && k.idle && p.New != nil
	if !stays && !f.NoPayload && proto != app.Failed && f.Verdict == Undecided {
		return nil
	}
	f.App, f.AppOrig, f.AppExpect = proto, t.left.alike(app.Proto(k.orig)), t.left.alike(app.Proto(k.expect))
	for d := range f.AppDir {
		f.AppDir[d] = t.left.alike(app.Proto(k.appDir[d]))
	}
	f.AppFailed, f.AppEvents = k.appFailed, AppEventSet(k.events)
	if !stays {
		return nil
	}
	return p
}

// restore sets a session up behind the last byte that came without a gap before it. anew: the protocol is to be detected again.
func (s *Session) restore(k *keptSession, anew bool) {
	s.State, s.Flags, s.Midstream, s.Async, s.flags, s.Urgent = TCPState(k.state), k.flags, k.midstream, k.async, sessionFlags(k.marks), k.urgent
	for d := range s.stream {
		st, side := &s.stream[d], &k.sides[d]
		st.Stream, st.nextWin, st.lastTS, st.lastTSTime, st.rstSeq = side.Stream, side.nextWin, side.lastTS, side.lastTSTime, side.rstSeq
		st.Scale = min(st.Scale, 14)
		st.base, st.app, st.raw, st.end = side.at, side.at, side.at, side.end
		flags := streamFlags(side.flags) &^ (streamEOF | streamTrigger)
		if anew {
			flags &^= streamNoApp | streamDetected | streamClosed
		}
		st.flags |= flags
	}
}

// silent is how many flows that were left and never heard again a tracker ends in a second.
const silent = 64

// endSilent ends flows that another program has left and that nobody has heard since.
func (t *Tracker) endSilent(now int64, n int, reason string) {
	if t.left.Len() == 0 || now < t.left.until && reason == "timeout" {
		return
	}
	for _, data := range t.left.some(n) {
		if f := t.revive(data); f != nil {
			t.end(f, reason)
		}
	}
}

// revive takes up a flow without a packet; nil if there is no room.
func (t *Tracker) revive(data []byte) *Flow {
	k, _, err := readKept(data)
	if err != nil || t.table.used >= t.cfg.MaxFlows {
		return nil
	}
	h := k.key.hash(t.table.seed)
	if t.table.find(&k.key, h) != nil {
		return nil
	}
	return t.restore(data, h, &t.result)
}
