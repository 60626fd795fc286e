package capture

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Share is one worker's part of the sockets that Deal has dealt out: an inline Source of the frames of its conversations, whoever's
// queue they came by.
type Share struct {
	spread  *spread
	index   int
	own     []*XSK        // whose frames it deals out, sends and recycles
	fds     []unix.PollFd // of the own sockets, and the bell
	bell    *bell
	sharder sharder
	out     []int       // frames with each worker
	mail    chan letter // answers for the own sockets to send

	turn   int     // the source asked first: own sockets, then workers
	lender int     // whose frames are on loan, likewise
	behind []Frame // of one batch, those whose worker has no room

	returned [][]Frame // by own socket
	gathered arena

	draining bool
	quiet    atomic.Bool // draining, and nothing is out
	stats    struct{ handed, passed, dropped atomic.Uint64 }
}

// letter is an answer that the owner of a socket is to send.
type letter struct {
	member uint16
	frame  []byte
	onward bool
}

// letters bounds the answers that wait for an owner. Answers are bounded by the second; a burst beyond this is limited, and counted.
const letters = 64

// Recv hands out frames of the next own socket or other worker that has some, all of a batch of one of them.
func (s *Share) Recv(frames []Frame, wait time.Duration) (int, error) {
	n, err := s.ask(frames)
	if n > 0 || err != nil || wait <= 0 {
		return n, err
	}
	s.bell.rest()
	rung := false
	if !s.called() {
		if err := poll(wait, s.fds); err != nil {
			return 0, fmt.Errorf("capture: waiting for %d sources: %w", len(s.fds), err)
		}
		rung = s.fds[len(s.fds)-1].Revents != 0
	}
	if err := s.bell.wake(rung); err != nil {
		return 0, fmt.Errorf("capture: %w", err)
	}
	return s.ask(frames)
}

// called reports whether another worker wants something: it may not have seen that this one rests.
func (s *Share) called() bool {
	for i := range s.spread.shares {
		if i != s.index && (s.spread.lanes[i][s.index].there.ready() > 0 || s.spread.lanes[s.index][i].back.ready() > 0) {
			return true
		}
	}
	return len(s.mail) > 0
}

func (s *Share) ask(frames []Frame) (int, error) {
	if err := s.collect(); err != nil {
		return 0, err
	}
	sources := len(s.own) + len(s.spread.shares)
	for range sources {
		s.lender = s.turn
		s.turn = (s.turn + 1) % sources
		n, err := 0, error(nil)
		if s.lender < len(s.own) {
			n, err = s.receive(s.own[s.lender], frames)
		} else if from := s.lender - len(s.own); from != s.index {
			n = s.accept(from, frames)
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, nil
}

// receive reads an own socket and deals its frames out; those of this worker's conversations are returned.
func (s *Share) receive(x *XSK, frames []Frame) (int, error) {
	if s.draining || s.leaving() { // what comes waits in the socket; what has been sent makes room
		x.reap()
		return 0, x.idle()
	}
	n, err := x.recv(frames, 0)
	if n == 0 || err != nil {
		return n, err
	}
	kept := 0
	for i := range frames[:n] {
		f := &frames[i]
		to := s.sharder.worker(f.Data)
		switch {
		case to == s.index:
			if kept < i {
				frames[kept] = *f
			}
			kept++
		case s.out[to] == s.spread.room:
			f.Fate = s.spread.behind
			s.behind = append(s.behind, *f)
		default:
			s.spread.lanes[s.index][to].there.push(f.slip())
			s.out[to]++
		}
	}
	s.handOver()
	s.join(frames[:kept])
	return kept, s.giveUp(x)
}

// handOver shows the other workers what they have been given.
func (s *Share) handOver() {
	for to := range s.out {
		if to == s.index {
			continue
		}
		l := s.spread.lanes[s.index][to].there
		if n := l.put - l.shown.Load(); n > 0 {
			l.show()
			s.spread.shares[to].bell.ring()
			s.stats.handed.Add(uint64(n))
		}
	}
}

// giveUp does by policy with the frames that nobody has room for.
func (s *Share) giveUp(x *XSK) error {
	n := len(s.behind)
	if n == 0 {
		return nil
	}
	if s.spread.behind == Discard {
		s.stats.dropped.Add(uint64(n))
	} else {
		s.stats.passed.Add(uint64(n))
	}
	err := x.Done(s.behind)
	s.behind = s.behind[:0]
	return err
}

// accept takes frames that another worker has handed over.
func (s *Share) accept(from int, frames []Frame) int {
	l := s.spread.lanes[from][s.index].there
	n := min(l.ready(), len(frames))
	if n == 0 {
		return 0
	}
	now := time.Now().UnixNano()
	for i := range frames[:n] {
		p := l.pop()
		s.spread.members[p.member].borrow(&frames[i], &p, now)
	}
	s.join(frames[:n])
	return n
}

// join makes the frames that lie in several buffers one piece.
func (s *Share) join(frames []Frame) {
	if s.spread.chains {
		s.gathered.gather(frames, func(f *Frame) *XSK { return s.spread.members[f.member] })
	}
}

// Done sends or drops the frames, or gives them back to the worker whose socket they came by.
func (s *Share) Done(frames []Frame) error {
	if len(frames) == 0 {
		return nil
	}
	if s.lender < len(s.own) {
		return s.own[s.lender].Done(frames)
	}
	from := s.lender - len(s.own)
	l := s.spread.lanes[from][s.index].back
	for i := range frames {
		f := &frames[i]
		l.push(f.slip())
	}
	l.show()
	s.spread.shares[from].bell.ring()
	return nil
}

// collect sends and recycles what the other workers have given back.
func (s *Share) collect() error {
	for i := range s.out {
		if i == s.index || s.out[i] == 0 {
			continue
		}
		l := s.spread.lanes[s.index][i].back
		n := l.ready()
		for range n {
			p := l.pop()
			x := s.spread.members[p.member]
			var f Frame
			x.borrow(&f, &p, 0)
			f.Fate = p.fate
			at := s.place(x)
			s.returned[at] = append(s.returned[at], f)
		}
		s.out[i] -= n
	}
	s.post()
	for i, frames := range s.returned {
		if len(frames) == 0 {
			continue
		}
		s.returned[i] = frames[:0]
		if err := s.own[i].Done(frames); err != nil {
			return err
		}
	}
	if s.draining && !s.quiet.Load() {
		s.quiet.Store(s.idle())
	}
	return nil
}

// place is the socket's place among the own ones, which have numbers in order.
func (s *Share) place(x *XSK) int {
	for i, o := range s.own {
		if o == x {
			return i
		}
	}
	return 0 // cannot be: frames come back to the owner of their socket
}

// idle reports whether no other worker has a frame of the own sockets.
func (s *Share) idle() bool {
	for _, n := range s.out {
		if n > 0 {
			return false
		}
	}
	return true
}

// leaving reports whether an own socket is to be bound anew, and frames have yet to come back for that.
func (s *Share) leaving() bool {
	for _, x := range s.own {
		if x.giveUp.Load() {
			return !s.idle()
		}
	}
	return false
}

// post sends the answers that other workers have asked for.
func (s *Share) post() {
	for {
		select {
		case m := <-s.mail:
			x := s.spread.members[m.member]
			x.Send(nil, m.frame, m.onward)
			// It goes with the next frames, or now.
			x.tx.publish()
			if x.peer != nil {
				x.peer.tx.publish()
			}
		default:
			return
		}
	}
}

// Send has the owner of the socket that the frame came by send an answer.
func (s *Share) Send(to *Frame, answer []byte, onward bool) bool {
	if s.lender < len(s.own) {
		return s.own[s.lender].Send(to, answer, onward)
	}
	if len(answer) > s.spread.members[to.member].cfg.FrameSize {
		return false
	}
	select {
	case s.spread.shares[s.lender-len(s.own)].mail <- letter{to.member, append([]byte(nil), answer...), onward}:
		return true
	default:
		return false
	}
}

// Drain stops reading the own sockets: what comes waits there. The Source is to be used on until Drained.
func (s *Share) Drain() { s.draining = true }

// Drained reports whether all workers drain and have all their frames back.
func (s *Share) Drained() bool {
	for _, o := range s.spread.shares {
		if !o.quiet.Load() {
			return false
		}
	}
	return true
}

// Inline is true: Fate is obeyed.
func (s *Share) Inline() bool { return true }

// Stats are those of the own sockets, whoever inspected their frames.
func (s *Share) Stats() (sum Stats) {
	for _, x := range s.own {
		sum.add(x.Stats())
	}
	sum.HandedOver, sum.BehindPassed, sum.BehindDropped = s.stats.handed.Load(), s.stats.passed.Load(), s.stats.dropped.Load()
	return sum
}

// Bequeath leaves the own sockets to the next process.
func (s *Share) Bequeath() ([]Inherited, error) { return bequeath(s.own) }

// Close closes the own sockets.
func (s *Share) Close() error { return errors.Join(Bundle(s.own).Close(), s.bell.close()) }
