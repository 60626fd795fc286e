package threshold

import "github.com/weir-ips/weir/pkg/decode"

// Facts are what flow tracking knows of a packet's conversation.
type Facts struct {
	Flow      uint64 // identifies the conversation; 0: the packet belongs to none
	New       bool   // the packet began it
	ToServer  bool   // the packet comes from the side that began it
	Answered  bool   // the other side has been heard
	Completed bool   // the packet completed a TCP handshake
	Ours      uint64 // packets of this direction, this one included
	Theirs    uint64 // packets of the other direction
	Service   Service
}

// Detector finds attacks by how often something happens: floods, reflections, scans, slow requests, guessed passwords. It sees
// every packet of one worker and is used by one goroutine. Its memory is bounded whatever addresses the packets claim to come
// from: tables of fixed size with secret hashes, in which what counts least gives way.
//
// Time is that of the packets. An attack makes one Start, an Update a minute while it lasts, and one End.
type Detector struct {
	limits   Limits
	seed     seed
	began    int64 // Unix ns of the first packet
	now      int64 // Unix ns of the newest packet
	next     int64 // when time's work is due
	tallies  tallies
	floods   []*tally // that are on
	scanners scanners
	scans    []*scan // that are on
	requests requests
	logins   logins
	out      []Detection
	Missed   uint64 // attacks that were not reported because maxActive were on
}

const (
	maxActive   = 256
	updateEvery = int64(60e9)
)

// NewDetector returns a detector with nothing seen.
func NewDetector(l Limits) *Detector {
	d := &Detector{limits: l, seed: newSeed()}
	d.requests.open = map[uint64]int32{}
	d.requests.slow = map[place]*slow{}
	d.logins.tries = map[attempt]*tries{}
	return d
}

// Evicted returns how many places and sources were forgotten within a second of their last packet because a table was full.
func (d *Detector) Evicted() uint64 { return d.tallies.evicted + d.tallies.full + d.scanners.evicted }

// Packet counts one packet. p is lent.
func (d *Detector) Packet(p *decode.Packet, f *Facts) {
	if p.IPVersion == 0 || p.Source.Pseudo() {
		return
	}
	d.pass(p.Time)
	if p.Fragment && !p.Rebuilt {
		d.fragment(p)
		return
	}
	switch p.Proto {
	case decode.ProtoTCP:
		if p.L4 != nil {
			d.tcp(p, f)
		}
	case decode.ProtoUDP:
		d.udp(p, f)
	case decode.ProtoICMP, decode.ProtoICMPv6:
		if p.L4 != nil {
			d.icmp(p, f)
		}
	}
}

// Tick lets time pass while no packet comes; now is Unix ns.
func (d *Detector) Tick(now int64) { d.pass(now) }

// Close ends what is on, as at the end of a capture.
func (d *Detector) Close() {
	for _, t := range d.floods {
		d.floodEnds(t)
	}
	for _, s := range d.scans {
		d.scanEnds(s)
	}
	d.floods, d.scans = d.floods[:0], d.scans[:0]
	d.requests.close(d)
	d.logins.close(d)
}

// Take returns the events since the last call, oldest first; mostly none. They are valid until the next call of any method.
func (d *Detector) Take() []Detection {
	out := d.out
	d.out = d.out[:0]
	return out
}

// pass does every tenth of a second what time brings: ends, updates, requests that grow old.
func (d *Detector) pass(now int64) {
	d.now = max(d.now, now)
	if d.began == 0 {
		d.began = d.now
	}
	if d.now < d.next {
		return
	}
	d.next = (d.now/slot + 1) * slot
	d.floodTick()
	d.scanTick()
	d.requests.tick(d)
	d.logins.tick(d)
}

func (d *Detector) emit(e Detection) {
	e.Time = d.now
	e.ID = AttackID(&e)
	d.out = append(d.out, e)
}

// room reports whether one more attack may be on.
func (d *Detector) room() bool {
	if len(d.floods)+len(d.scans) < maxActive {
		return true
	}
	d.Missed++
	return false
}

func (d *Detector) tcp(p *decode.Packet, f *Facts) {
	switch p.Flags & (decode.SYN | decode.ACK | decode.RST | decode.FIN) {
	case decode.SYN:
		d.synSeen(p)
		d.probe(p, f)
	case decode.SYN | decode.ACK:
		d.unsolicited(p, f)
	case decode.RST, decode.RST | decode.ACK:
		d.unsolicited(p, f)
		d.refused(p, f)
		d.requests.done(f.Flow)
	case 0, decode.FIN:
		d.probe(p, f)
		d.stray(p, f)
	default: // ACK, with or without FIN
		d.stray(p, f)
	}
	if f.Completed {
		d.handshake(p)
	}
	if f.ToServer && f.Ours <= 3 && p.Flags&(decode.SYN|decode.ACK|decode.RST) == decode.ACK { // where one side is seen, who goes on was answered
		d.succeeded(&p.Src, &p.Dst, p.DstPort, p.Proto)
	}
	if len(p.Payload) > 0 {
		d.payload(p, f)
	}
}

func (d *Detector) udp(p *decode.Packet, f *Facts) {
	switch {
	case !f.ToServer && f.Ours == 1:
		d.succeeded(&p.Dst, &p.Src, p.SrcPort, p.Proto)
	case f.ToServer && f.Ours == talks:
		d.succeeded(&p.Src, &p.Dst, p.DstPort, p.Proto)
	}
	many := d.amplification(p)
	if answered(f) {
		return
	}
	d.probe(p, f)
	if !many {
		d.datagram(p)
	}
}

// talks is how many datagrams of one conversation are more than an attempt with its repetitions.
const talks = 4

// answered reports whether the conversation has two sides: a stream that is acknowledged now and then counts.
func answered(f *Facts) bool { return f.Theirs > 0 && f.Ours <= 64*f.Theirs }

// ICMP types (RFC 792, RFC 4443).
const (
	icmpUnreachable  = 3
	icmpEcho         = 8
	icmpTimeExceeded = 11
	icmpTimestamp    = 13
	icmpMask         = 17
	icmp6Unreachable = 1
	icmp6TimeExceed  = 3
	icmp6Echo        = 128
)

func (d *Detector) icmp(p *decode.Packet, f *Facts) {
	kind := p.ICMPType
	if p.Proto == decode.ProtoICMPv6 {
		switch kind {
		case icmp6Echo:
			kind = icmpEcho
		case icmp6Unreachable, icmp6TimeExceed:
			kind = icmpUnreachable
		default:
			return
		}
	}
	switch kind {
	case icmpEcho, icmpTimestamp, icmpMask:
		d.probe(p, f)
		d.echo(p)
	case icmpUnreachable, icmpTimeExceeded:
		if !d.attacked(&p.Dst) && !d.searching(&p.Dst) {
			d.echo(p)
		}
	case 0, icmpTimestamp + 1, icmpMask + 1: // an answer
		d.succeeded(&p.Dst, &p.Src, 0, p.Proto)
	}
}
