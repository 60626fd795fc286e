package capture

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// descriptor is what to poll for a Source of the kernel's.
func (x *XSK) descriptor() int  { return x.fd }
func (r *Ring) descriptor() int { return r.fd }

// Group makes one Source of several: the receive queues of an interface, served by one goroutine. It asks them in turn, so that a
// busy one does not starve the others, and waits for all at once. The frames of a batch are all of one member.
type Group struct {
	members []Source
	fds     []unix.PollFd
	turn    int // the member asked first
	lender  int // the member whose frames are on loan
}

// NewGroup joins sources, of which at least one is given. Closing the group closes them.
func NewGroup(members ...Source) *Group {
	g := &Group{members: members}
	for _, m := range members {
		if d, ok := m.(interface{ descriptor() int }); ok {
			g.fds = append(g.fds, unix.PollFd{Fd: int32(d.descriptor()), Events: unix.POLLIN})
		}
	}
	return g
}

// Recv hands out the frames of the next member that has some.
func (g *Group) Recv(frames []Frame, wait time.Duration) (int, error) {
	n, err := g.ask(frames)
	if n > 0 || err != nil || wait <= 0 {
		return n, err
	}
	if err := poll(wait, g.fds); err != nil {
		return 0, fmt.Errorf("capture: waiting for %d sources: %w", len(g.members), err)
	}
	return g.ask(frames)
}

func (g *Group) ask(frames []Frame) (int, error) {
	for range g.members {
		g.lender = g.turn
		g.turn = (g.turn + 1) % len(g.members)
		if n, err := g.members[g.lender].Recv(frames, 0); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, nil
}

// Done gives the frames back to the member they came from.
func (g *Group) Done(frames []Frame) error {
	if len(frames) == 0 {
		return nil
	}
	return g.members[g.lender].Done(frames)
}

// Send has the member whose frames are on loan send an answer.
func (g *Group) Send(to *Frame, answer []byte, onward bool) bool {
	s, ok := g.members[g.lender].(Sender)
	return ok && s.Send(to, answer, onward)
}

// Inline reports whether the members obey Fate.
func (g *Group) Inline() bool { return g.members[0].Inline() }

// Stats adds the members' up.
func (g *Group) Stats() (sum Stats) {
	for _, m := range g.members {
		sum.add(m.Stats())
	}
	return sum
}

func (s *Stats) add(o Stats) {
	s.Frames += o.Frames
	s.Chained += o.Chained
	s.Bytes += o.Bytes
	s.Forwarded += o.Forwarded
	s.Dropped += o.Dropped
	s.Lost += o.Lost
	s.TxFull += o.TxFull
	s.TxRefused += o.TxRefused
	s.Abandoned += o.Abandoned
	s.Sent += o.Sent
	s.HandedOver += o.HandedOver
	s.BehindPassed += o.BehindPassed
	s.BehindDropped += o.BehindDropped
	s.Truncated += o.Truncated
}

// Close closes all members.
func (g *Group) Close() error {
	var errs []error
	for _, m := range g.members {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}
