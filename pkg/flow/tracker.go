package flow

import (
	"time"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// Tracker follows the conversations of one worker. It is used by one goroutine.
type Tracker struct {
	cfg     *Config
	dec     *decode.Decoder
	handler Handler
	stats   Stats

	now      int64 // newest packet's time, Unix ns
	table    table
	wheel    wheel
	hand     uint32 // where eviction looks next
	pool     pool
	sessions *Session // free list
	spare    []Session
	ended    uint64 // flows ended; makes IDs unique
	expected []expected
	frags    defragmenter
	layers   [maxPackets]decode.Packet
	order    []*decode.Packet
	pseudo   decode.Packet
	header   [20]byte // transport header of pseudo
	result   Result
	flushed  Result // of pseudo
	rest     []byte // a payload without its urgent byte
	frames   FrameWish
	left     *Left                       // by another program; nil: none
	known    func(f *Flow, extra []byte) // told of those
}

// NewTracker makes a tracker. cfg and dec are read, not changed, and may be shared.
func NewTracker(cfg *Config, dec *decode.Decoder, h Handler) *Tracker {
	t := &Tracker{cfg: cfg, dec: dec, handler: h, table: newTable(cfg.MaxFlows)}
	t.pool.max = cfg.ReassemblyMemcap
	t.frags.init(&cfg.Defrag, cfg.OS)
	return t
}

// Track takes a packet into its flow. Packets come in order of time; an earlier one counts as simultaneous.
func (t *Tracker) Track(p *decode.Packet) Result {
	t.tick(p.Time)
	r := &t.result // of the tracker: a Result that methods get by address would be on the heap
	*r = Result{}
	k, ok := t.keyOf(p)
	if !ok {
		if p.Fragment && t.frags.refused {
			t.except(nil, r, TargetDefragMemcap)
		}
		return *r
	}
	h := k.hash(t.table.seed)
	f := t.table.find(&k, h)
	if f == nil && t.left != nil {
		f = t.resume(&k, h, r)
	}
	if f != nil && t.overdue(f, p.Time) {
		t.end(f, "timeout")
		f = nil
	}
	if f != nil && f.TCP != nil && t.reuses(f, p) {
		t.stats.Flow.TCPReuse++
		t.end(f, "tcp_reuse")
		f = nil
	}
	if f == nil {
		if f = t.open(p, &k, h, r); f == nil {
			return *r
		}
	}
	r.Flow = f
	r.Dir = f.direction(p)
	r.WasEstablished = t.established(f)
	t.touch(f, p, r)
	if f.Verdict != Undecided && t.decided(f, p, r) {
		return *r
	}
	switch p.Proto {
	case decode.ProtoTCP:
		t.tcp(f, p, r)
	case decode.ProtoUDP:
		t.datagram(f, p, r)
	}
	r.Established = t.established(f)
	return *r
}

// decided applies what was decided about a flow earlier, and reports whether the packet needs no more work.
func (t *Tracker) decided(f *Flow, p *decode.Packet, r *Result) bool {
	r.Established = t.established(f)
	switch f.Verdict {
	case FlowDrop:
		if t.cfg.IPS {
			r.Drop, r.DropReason = true, "flow drop"
			if f.DropBy != "" {
				r.DropReason = f.DropBy
			}
		}
		return true
	case FlowBypass:
		r.Pass = true
		f.State = Bypassed
		t.stats.Flow.BypassedPkts++
		t.stats.Flow.BypassedBytes += uint64(len(p.Data))
		return true
	default:
		r.Pass = true
		return false
	}
}

func (t *Tracker) established(f *Flow) bool {
	if f.TCP != nil {
		return f.TCP.State >= TCPEstablished
	}
	if f.Proto == decode.ProtoTCP {
		return false
	}
	return f.Packets[0] > 0 && f.Packets[1] > 0
}

// open makes a flow for a packet that has none.
func (t *Tracker) open(p *decode.Packet, k *key, h uint64, r *Result) *Flow {
	if t.table.used >= t.cfg.MaxFlows && !t.evict(r) {
		return nil
	}
	f := t.table.insert(k, h)
	t.ended++
	f.ID = mix(h^t.table.seed, t.ended*0x9e3779b97f4a7c15)>>13 | 1
	f.Tenant, f.VLAN, f.VLANs = p.Tenant, p.VLAN, p.VLANs
	f.Src, f.Dst, f.SrcPort, f.DstPort = p.Src, p.Dst, p.SrcPort, p.DstPort
	f.Proto, f.IPVersion = p.Proto, p.IPVersion
	f.Start, f.Last, f.Link = p.Time, p.Time, p.Link
	f.MinTTL = [2]uint8{255, 255}
	if f.Proto == decode.ProtoESP {
		f.SPI = uint32(k.pa)<<16 | uint32(k.pb)
	}
	r.New = true
	t.count(f)
	t.wheel.arm(&t.table, f, p.Time+int64(t.timeout(f)))
	if f.Proto == decode.ProtoTCP && len(t.expected) > 0 {
		t.announced(f, p.Time)
	}
	return f
}

func (t *Tracker) count(f *Flow) {
	s := &t.stats.Flow
	s.Total++
	s.Active++
	s.Max = max(s.Max, s.Active)
	switch f.Proto {
	case decode.ProtoTCP:
		s.TCP++
	case decode.ProtoUDP:
		s.UDP++
	case decode.ProtoICMP:
		s.ICMPv4++
	case decode.ProtoICMPv6:
		s.ICMPv6++
	default:
		s.Other++
	}
}

// touch counts the packet in its flow.
func (t *Tracker) touch(f *Flow, p *decode.Packet, r *Result) {
	d := r.Dir
	f.Last = max(f.Last, p.Time)
	f.LastDir[d] = p.Time
	f.Packets[d]++
	f.Bytes[d] += uint64(len(p.Data))
	f.MinTTL[d], f.MaxTTL[d] = min(f.MinTTL[d], p.TTL), max(f.MaxTTL[d], p.TTL)
	if f.Packets[d] == 1 && (p.Proto == decode.ProtoICMP || p.Proto == decode.ProtoICMPv6) {
		f.ICMPType[d], f.ICMPCode[d] = p.ICMPType, p.ICMPCode
		f.ICMPID = p.ICMPID
	}
	if f.State == New && f.Proto != decode.ProtoTCP && f.Packets[d.Opposite()] > 0 {
		t.setState(f, Established)
	}
}

// setState changes a flow's state and looks again when it is due, should that be sooner.
func (t *Tracker) setState(f *Flow, s State) {
	if f.State == s || f.State == Bypassed {
		return
	}
	f.State = s
	if s == Closed {
		t.wheel.disarm(&t.table, f)
		t.wheel.arm(&t.table, f, f.Last+int64(t.timeout(f)))
	}
}

// timeout returns how long a flow in its state may be silent.
func (t *Tracker) timeout(f *Flow) time.Duration {
	return f.timeout(t.cfg.Timeouts.of(f.Proto))
}

func (t *Timeouts) of(proto uint8) *StateTimeouts {
	switch proto {
	case decode.ProtoTCP:
		return &t.TCP
	case decode.ProtoUDP:
		return &t.UDP
	case decode.ProtoICMP, decode.ProtoICMPv6:
		return &t.ICMP
	}
	return &t.Other
}

func (t *Timeouts) emergency(proto uint8) *StateTimeouts {
	switch proto {
	case decode.ProtoTCP:
		return &t.EmergencyTCP
	case decode.ProtoUDP:
		return &t.EmergencyUDP
	case decode.ProtoICMP, decode.ProtoICMPv6:
		return &t.EmergencyICMP
	}
	return &t.EmergencyOther
}

func (f *Flow) timeout(s *StateTimeouts) time.Duration {
	return [...]time.Duration{s.New, s.Established, s.Closed, s.Bypassed}[f.State]
}

func (t *Tracker) overdue(f *Flow, now int64) bool { return now > f.Last+int64(t.timeout(f)) }

// tick moves time forward and ends the flows that have become due.
func (t *Tracker) tick(now int64) {
	if now <= t.now {
		return
	}
	t.now = now
	if now/second == t.wheel.now {
		return
	}
	t.wheel.advance(&t.table, now, func(f *Flow) {
		if t.overdue(f, now) {
			t.end(f, "timeout")
			return
		}
		t.wheel.arm(&t.table, f, f.Last+int64(t.timeout(f)))
	})
	t.frags.expire(now, &t.stats.Defrag)
	if t.left != nil {
		t.endSilent(now, silent, "timeout")
	}
}

// Tick forgets flows and fragments whose time is over when no packet comes; now is Unix ns.
func (t *Tracker) Tick(now int64) { t.tick(now) }

// Close ends every flow as at the end of a capture; the tracker is empty afterwards and can be used again.
func (t *Tracker) Close(now int64) {
	t.now = max(t.now, now)
	t.endSilent(now, maxKept, "shutdown")
	for i := uint32(1); t.table.used > 0 && i <= uint32(t.table.count); i++ {
		if f := t.table.at(i); f.entry.self != 0 {
			t.end(f, "shutdown")
		}
	}
	t.frags.reset()
	t.expected = t.expected[:0]
	t.wheel.now, t.now = 0, 0
}

// Stats returns the tracker's counters; they belong to the tracker's goroutine.
func (t *Tracker) Stats() *Stats {
	t.stats.TCP.ReassemblyMemUse = t.pool.out
	t.stats.Flow.MemUse = uint64(len(t.table.chunks)<<chunkBits) * flowSize
	return &t.stats
}

// Done gives back what a packet's inspection and logging have finished with: it frees transactions that are complete,
// inspected (TxBase.Tried) and logged, and stream bytes that nobody needs.
func (t *Tracker) Done(r *Result) {
	f := r.Flow
	if f == nil {
		return
	}
	if f.Parser != nil {
		f.reap()
	}
	if f.Frames != nil {
		t.reapFrames(f)
	}
	if f.TCP != nil {
		t.slide(f, app.ToServer)
		t.slide(f, app.ToClient)
	}
}

// reap frees the oldest transactions that are over.
func (f *Flow) reap() {
	n := 0
	for _, tx := range f.Parser.Txs() {
		if b := tx.Base(); !b.Logged || !over(b, app.ToServer) || !over(b, app.ToClient) {
			break
		}
		n++
	}
	if n > 0 {
		f.Txs += uint64(n)
		f.Parser.Free(n)
	}
}

// over reports whether one direction of a transaction is complete and rules have looked at it, or will never come.
func over(b *app.TxBase, dir app.Direction) bool {
	return b.Complete[dir] && b.Tried[dir] || b.OneWay && b.Dir != dir
}
