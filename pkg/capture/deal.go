package capture

import (
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/sys/unix"
)

// Bundle is AF_XDP sockets that one goroutine must serve, because they send by each other.
type Bundle []*XSK

// Close closes all of them.
func (b Bundle) Close() error {
	var errs []error
	for _, x := range b {
		errs = append(errs, x.Close())
	}
	return errors.Join(errs...)
}

// DealOptions say how frames are dealt out.
type DealOptions struct {
	Workers int    // 1 to MaxWorkers
	Seed    uint64 // of the hash that chooses among them: bpf.Control's
	Behind  Fate   // of a frame whose worker has no room for it
}

// MaxWorkers is how many goroutines can share an interface.
const MaxWorkers = 64

// Deal makes a Source for each of the workers, which are goroutines of their own, out of sockets. A receive queue is chosen by what the
// network card sees, a tunnel's outer header, and the two directions of a conversation may come by different ones; a worker is
// chosen by the conversation, so that it sees all of it, and in order. The bundles are shared out among the workers: each reads its
// own queues, keeps the frames of its own conversations, and hands the others over by a lane, without a lock and without a copy. They
// come back by another, for only the queue's owner sends and recycles. A worker without a queue lives on what it is handed.
func Deal(bundles []Bundle, o DealOptions) ([]Source, error) {
	if o.Workers < 1 || o.Workers > MaxWorkers {
		return nil, fmt.Errorf("capture: %d workers: must be 1 to %d", o.Workers, MaxWorkers)
	}
	if o.Workers == 1 {
		var all []Source
		for _, b := range bundles {
			for _, x := range b {
				all = append(all, x)
			}
		}
		return []Source{NewGroup(all...)}, nil
	}
	s := newSpread(o)
	for i, b := range bundles {
		owner := s.shares[i%o.Workers]
		for _, x := range b {
			x.member = uint16(len(s.members))
			s.members = append(s.members, x)
			s.chains = s.chains || x.pieces != nil
			owner.own = append(owner.own, x)
		}
	}
	var sources []Source
	for i, share := range s.shares {
		if err := share.open(); err != nil {
			for _, opened := range s.shares[:i] {
				err = errors.Join(err, opened.bell.close())
			}
			return nil, fmt.Errorf("capture: %w", err)
		}
		sources = append(sources, share)
	}
	return sources, nil
}

// spread is what the shares of one interface have in common.
type spread struct {
	members []*XSK
	shares  []*Share
	lanes   [][]crossing // by owner of the queue, and worker
	room    int          // frames of one owner that one worker may hold
	behind  Fate
	chains  bool // sockets take frames of several buffers
}

// crossing is the way of frames from the owner of their queue to another worker, and back.
type crossing struct{ there, back *lane }

// A worker's room for the frames of one owner: so many that a burst fits, so few that a worker that hangs leaves most of a queue's
// buffers to the others.
const (
	mostRoom  = defaultFrames / 4
	leastRoom = 128
)

func newSpread(o DealOptions) *spread {
	room := 1 << bits.Len(uint(4*defaultFrames/o.Workers-1))
	s := &spread{room: min(max(room, leastRoom), mostRoom), behind: o.Behind}
	s.lanes = make([][]crossing, o.Workers)
	for owner := range o.Workers {
		s.lanes[owner] = make([]crossing, o.Workers)
		for worker := range o.Workers {
			if worker != owner {
				s.lanes[owner][worker] = crossing{newLane(s.room), newLane(s.room)}
			}
		}
		s.shares = append(s.shares, &Share{
			spread: s, index: owner, sharder: sharder{o.Seed, o.Workers}, out: make([]int, o.Workers), mail: make(chan letter, letters),
		})
	}
	return s
}

// open readies the share for its goroutine.
func (s *Share) open() (err error) {
	for _, x := range s.own {
		s.fds = append(s.fds, unix.PollFd{Fd: int32(x.fd), Events: unix.POLLIN})
	}
	s.returned = make([][]Frame, len(s.own))
	if s.bell, err = newBell(); err != nil {
		return err
	}
	s.fds = append(s.fds, unix.PollFd{Fd: int32(s.bell.fd), Events: unix.POLLIN})
	return nil
}
