package daemon

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

const (
	remembered  = 16384 // conversations that are over, of all workers together
	surveyStep  = 32768 // places of the flow table that a worker looks at in one tick
	surveyPeers = 65536 // distinct addresses that are told apart
)

// surveyed counts what a verdict would have hit. Each worker looks through its own conversations, some at a time between packets;
// what is not done when ctx ends is left out.
func (d *Daemon) surveyed(ctx context.Context, q *wire.Survey) *wire.Findings {
	s := &survey{match: &q.Match, from: time.Now().Add(-q.Window).UnixNano(), peers: map[netip.Addr]struct{}{}, kernel: d.kernelCounts}
	for _, w := range d.workers {
		s.left.Add(1)
		w.survey.Store(&workerSurvey{survey: s})
	}
	done := make(chan struct{})
	go func() { s.left.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		for _, w := range d.workers {
			if part := w.survey.Swap(nil); part != nil {
				part.finish()
			}
		}
	}
	return s.result(ctx.Err() != nil)
}

// kernelCounts is what XDP counted of a conversation that it decides by itself: packets and bytes from its initiator and to it.
func (d *Daemon) kernelCounts(c *path.Conversation) (packets, bytes [2]uint64) {
	key, swapped := bpf.NewTuple(c.Tenant, c.Src, c.Dst, c.SrcPort, c.DstPort, c.Proto)
	packets, bytes, _ = d.enforcer.FlowCounters(key)
	if swapped {
		packets[0], packets[1], bytes[0], bytes[1] = packets[1], packets[0], bytes[1], bytes[0]
	}
	return packets, bytes
}

// survey adds up what all workers find.
type survey struct {
	match  *verdict.Match
	from   int64 // Unix ns
	kernel func(*path.Conversation) (packets, bytes [2]uint64)
	left   sync.WaitGroup // workers

	mu    sync.Mutex
	found wire.Findings
	since int64
	peers map[netip.Addr]struct{}
}

// workerSurvey is one worker's part of a survey.
type workerSurvey struct {
	*survey
	cursor path.Cursor
	once   sync.Once
}

// step looks at some more conversations of the worker's path, and reports whether there are no more.
func (s *workerSurvey) step(p *path.Path) bool {
	s.mu.Lock()
	since, done := p.Recall(&s.cursor, surveyStep, s.look)
	s.since = max(s.since, since)
	s.mu.Unlock()
	if done {
		s.finish()
	}
	return done
}

func (s *workerSurvey) finish() { s.once.Do(s.left.Done) }

// look counts the packets of a conversation that the verdict would have decided about: those of one side, or of both.
func (s *survey) look(c *path.Conversation) {
	if c.Last < s.from {
		return
	}
	src, dst := netip.AddrPortFrom(c.Src.IP(), c.SrcPort), netip.AddrPortFrom(c.Dst.IP(), c.DstPort)
	sides := [2]bool{s.match.Covers(c.Tenant, src, dst, c.Proto), s.match.Covers(c.Tenant, dst, src, c.Proto)}
	if !sides[0] && !sides[1] {
		return
	}
	packets, bytes := c.Packets, c.Bytes
	if c.Alive && s.kernel != nil {
		p, b := s.kernel(c)
		packets[0], packets[1], bytes[0], bytes[1] = packets[0]+p[0], packets[1]+p[1], bytes[0]+b[0], bytes[1]+b[1]
	}
	f := &s.found
	f.Flows++
	if c.Alive && c.Proved {
		f.Established++
		if time.Duration(c.Last-c.Start) >= wire.LongLived {
			f.LongLived++
		}
	}
	for side, peer := range [2]netip.Addr{dst.Addr(), src.Addr()} {
		if !sides[side] {
			continue
		}
		f.Packets += packets[side]
		f.Bytes += bytes[side]
		if len(s.peers) < surveyPeers {
			s.peers[peer] = struct{}{}
		} else if _, known := s.peers[peer]; !known {
			f.Partial = true
		}
	}
}

// result is what has been found so far; some workers may not be done.
func (s *survey) result(late bool) *wire.Findings {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.found
	f.Partial = f.Partial || late
	f.PeerCount = uint64(len(s.peers))
	for a := range s.peers {
		if len(f.Peers) == wire.MaxPeers {
			break
		}
		f.Peers = append(f.Peers, a)
	}
	f.Window = time.Since(time.Unix(0, max(s.since, s.from)))
	return &f
}
