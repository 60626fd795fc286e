package threshold

import (
	"bytes"

	"github.com/weir-ips/weir/pkg/decode"
)

// Requests whose headers are unfinished.
const (
	slowAfter   = int64(10e9)
	maxRequests = 65536 // open at once; more are not followed, and counted
)

// request is an HTTP request whose headers have begun and not ended.
type request struct {
	flow  uint64
	place place
	peer  uint64
	start int64 // Unix ns
	tail  [3]byte
	state requestState
	first Sample
}

type requestState uint8

const (
	requestFree requestState = iota
	requestOpen              // waits in the queue to grow old
	requestOver              // ended while it waited
	requestOld               // counted in slow
)

// requests are the open ones: a pool, an index by flow, and a queue in order of their start.
type requests struct {
	open    map[uint64]int32
	pool    []request
	free    []int32
	queue   []int32
	head    int
	slow    map[place]*slow
	Refused uint64 // not followed because maxRequests were open
}

// slow is an address and port with old requests.
type slow struct {
	place
	old, peak  uint64
	total      uint64
	on         bool
	since, low int64
	told       int64
	peers      distinct
	samples    [4]Sample
	taken      int
	src        decode.Addr
	many       bool
}

var methods = [...]string{"GET ", "POST", "HEAD", "PUT ", "OPTI", "DELE", "PATC", "CONN", "TRAC", "PROP"}

func beginsRequest(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	for _, m := range methods {
		if string(b[:4]) == m {
			return true
		}
	}
	return false
}

// payload looks at data of a TCP conversation: requests that stay unfinished, logins that fail.
func (d *Detector) payload(p *decode.Packet, f *Facts) {
	if !f.ToServer {
		d.reply(p, f)
		return
	}
	d.tls(p, f)
	begins := beginsRequest(p.Payload)
	if begins {
		d.requestBegins(p, f)
	}
	if d.limits.Requests == 0 || f.Flow == 0 {
		return
	}
	if i, ok := d.requests.open[f.Flow]; ok {
		if d.requests.pool[i].continued(p.Payload) {
			d.requests.done(f.Flow)
		}
		return
	}
	if !begins || bytes.Contains(p.Payload, []byte("\r\n\r\n")) || bytes.Contains(p.Payload, []byte("\n\n")) {
		return
	}
	d.requests.begin(d, p, f)
}

// continued takes more of the headers; true when they end.
func (r *request) continued(b []byte) bool {
	var joint [6]byte
	n := copy(joint[:], r.tail[:])
	n += copy(joint[n:], b[:min(len(b), 3)])
	if bytes.Contains(joint[:n], []byte("\r\n\r\n")) || bytes.Contains(b, []byte("\r\n\r\n")) || bytes.Contains(b, []byte("\n\n")) {
		return true
	}
	r.remember(b)
	return false
}

func (r *request) remember(b []byte) {
	for _, c := range b[max(0, len(b)-3):] {
		r.tail = [3]byte{r.tail[1], r.tail[2], c}
	}
}

func (q *requests) begin(d *Detector, p *decode.Packet, f *Facts) {
	i := int32(len(q.pool))
	switch {
	case len(q.free) > 0:
		i = q.free[len(q.free)-1]
		q.free = q.free[:len(q.free)-1]
	case i >= maxRequests:
		q.Refused++
		return
	default:
		q.pool = append(q.pool, request{})
	}
	r := &q.pool[i]
	*r = request{flow: f.Flow, place: place{addr: p.Dst, port: p.DstPort, vector: SlowHTTP}, peer: d.seed.addr(&p.Src), start: d.now,
		state: requestOpen, first: sampleOf(p)}
	r.remember(p.Payload)
	q.open[f.Flow] = i
	q.queue = append(q.queue, i)
}

// done ends the request of a flow, if it has an open one.
func (q *requests) done(flow uint64) {
	i, ok := q.open[flow]
	if !ok {
		return
	}
	delete(q.open, flow)
	r := &q.pool[i]
	if r.state == requestOpen {
		r.state = requestOver
		return
	}
	if s := q.slow[r.place]; s != nil {
		s.old--
	}
	q.release(i)
}

func (q *requests) release(i int32) {
	q.pool[i] = request{}
	q.free = append(q.free, i)
}

// tick lets requests grow old, and starts and ends attacks.
func (q *requests) tick(d *Detector) {
	for q.head < len(q.queue) && d.now-q.pool[q.queue[q.head]].start >= slowAfter {
		i := q.queue[q.head]
		q.head++
		if r := &q.pool[i]; r.state == requestOpen {
			r.state = requestOld
			q.aged(d, r)
		} else {
			q.release(i)
		}
	}
	if q.head == len(q.queue) || q.head > maxRequests {
		q.queue = append(q.queue[:0], q.queue[q.head:]...)
		q.head = 0
	}
	for k, s := range q.slow {
		if s.judge(d) {
			delete(q.slow, k)
		}
	}
}

func (q *requests) aged(d *Detector, r *request) {
	s := q.slow[r.place]
	if s == nil {
		s = &slow{place: r.place, since: r.start, src: r.first.Src}
		q.slow[r.place] = s
	}
	s.old++
	s.total++
	s.peak = max(s.peak, s.old)
	s.peers.add(r.peer)
	s.many = s.many || s.src != r.first.Src
	if s.taken < len(s.samples) {
		s.samples[s.taken] = r.first
		s.taken++
	}
	if s.old >= uint64(d.limits.Requests) && !s.on && d.room() {
		s.on, s.told = true, d.now
		d.emit(s.event(Start, d))
	}
}

// judge ends the attack once few requests are left, and reports whether nothing is left to remember.
func (s *slow) judge(d *Detector) (forget bool) {
	if !s.on {
		return s.old == 0
	}
	switch {
	case s.old >= uint64(d.limits.Requests)/2:
		s.low = 0
	case s.low == 0:
		s.low = d.now
	case d.now-s.low >= holdDown:
		s.on = false
		d.emit(s.event(End, d))
		return s.old == 0
	}
	if d.now-s.told >= updateEvery {
		s.told = d.now
		d.emit(s.event(Update, d))
	}
	return false
}

func (s *slow) event(phase Phase, d *Detector) Detection {
	e := Detection{Vector: SlowHTTP, Phase: phase, Since: s.since, Dst: s.addr, Port: s.port, Proto: decode.ProtoTCP, Value: s.old,
		Threshold: uint64(d.limits.Requests), Window: slowAfter, Peak: s.peak, Packets: s.total, Sources: s.peers.estimate(),
		Samples: append([]Sample(nil), s.samples[:s.taken]...)}
	if !s.many {
		e.Src = s.src
	}
	return e
}

func (q *requests) close(d *Detector) {
	for _, s := range q.slow {
		if s.on {
			d.emit(s.event(End, d))
		}
	}
	clear(q.slow)
	clear(q.open)
	q.pool, q.free, q.queue, q.head = q.pool[:0], q.free[:0], q.queue[:0], 0
}
