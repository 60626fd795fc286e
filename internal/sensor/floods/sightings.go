package floods

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/threshold"
)

// Sights are packets that the kernel shows of destinations for which it was asked: *enforce.Sightings.
type Sights interface {
	Next(wait time.Duration) (bpf.Sighting, bool, error)
	Close() error
}

// Watch takes what is shown until ctx ends: packets of attacks, to find out what they have in common, and in peace what is normal.
func (c *Control) Watch(ctx context.Context, s Sights) error {
	defer context.AfterFunc(ctx, func() { s.Close() })()
	for {
		sighting, ok, err := s.Next(time.Second)
		switch {
		case errors.Is(err, os.ErrClosed), ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case ok:
			c.sighted(&sighting, time.Now())
		}
	}
}

// sighted takes one packet.
func (c *Control) sighted(s *bpf.Sighting, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Sighted++
	dst := decode.Addr(s.Dst)
	attacked := false
	for _, a := range c.attacks {
		if a.Network().Contains(dst.IP()) && slices.Contains(seenClasses(a.Vector), s.Class) {
			a.see(s, now)
			attacked = true
		}
	}
	if !attacked {
		c.normals.add(threshold.Network(dst), s.Class, &s.Features, now)
	}
}

const (
	seenKept    = 256 // packets of an attack that are looked at
	goodKept    = 64
	samplesKept = 4 // of which an event tells
	talkerKept  = 16
)

// seen are packets of an attack, the newest in place of the oldest.
type seen struct {
	list    []bpf.Features
	of      []bpf.Class    // of list
	good    []bpf.Features // of sources known to be real
	next    int
	fresh   int // since the last search
	classes [bpf.Classes]int
	sources threshold.Distinct
	talkers []threshold.Talker // Misra-Gries: whoever sends more than a seventeenth is among them
	total   uint64
}

func (a *attack) see(s *bpf.Sighting, now time.Time) {
	v := &a.seen
	v.total++
	v.talk(decode.Addr(s.Src))
	v.sources.Add(decode.Addr(s.Src))
	if len(a.Samples) < samplesKept {
		f := &s.Features
		a.Samples = append(a.Samples, threshold.Sample{Time: now.UnixNano(), Src: decode.Addr(s.Src), Dst: decode.Addr(s.Dst), SrcPort: f.SPort,
			DstPort: f.DPort, Proto: f.Proto, TTL: f.TTL, Length: f.Length})
	}
	if s.Good != 0 {
		if len(v.good) < goodKept {
			v.good = append(v.good, s.Features)
		}
		return
	}
	v.fresh++
	v.classes[s.Class%bpf.Classes]++
	if len(v.list) < seenKept {
		v.list, v.of = append(v.list, s.Features), append(v.of, s.Class)
		return
	}
	v.list[v.next], v.of[v.next] = s.Features, s.Class
	v.next = (v.next + 1) % seenKept
}

// class is the class of most packets.
func (v *seen) class() bpf.Class {
	most := 0
	for i := range v.classes {
		if v.classes[i] > v.classes[most] {
			most = i
		}
	}
	return bpf.Class(most)
}

func (v *seen) talk(src decode.Addr) {
	for i := range v.talkers {
		if v.talkers[i].Addr == src {
			v.talkers[i].Packets++
			return
		}
	}
	if len(v.talkers) < talkerKept {
		v.talkers = append(v.talkers, threshold.Talker{Addr: src, Packets: 1})
		return
	}
	v.talkers = slices.DeleteFunc(v.talkers, func(t threshold.Talker) bool { return t.Packets <= 1 })
	for i := range v.talkers {
		v.talkers[i].Packets--
	}
}

// top returns the sources of a good part of the packets seen, with their share of all packets.
func (v *seen) top(packets uint64) []threshold.Talker {
	var out []threshold.Talker
	for _, t := range v.talkers {
		if t.Packets*50 >= v.total && v.total >= talkerKept {
			out = append(out, threshold.Talker{Addr: t.Addr, Packets: packets * t.Packets / v.total})
		}
	}
	slices.SortFunc(out, func(x, y threshold.Talker) int { return int(y.Packets) - int(x.Packets) })
	return out[:min(len(out), 8)]
}
