package flow

import "github.com/weir-ips/weir/pkg/decode"

// fragKey identifies a fragmented datagram (RFC 791 §3.2, RFC 8200 §4.5; IPv6 has no protocol in it).
type fragKey struct {
	tenant   uint64
	src, dst decode.Addr
	id       uint32
	vlan     [3]uint16
	ip       uint8
	proto    uint8
}

// datagram is one that is being put together.
type datagram struct {
	key        fragKey
	stream     stream // its bytes behind the unfragmentable part
	total      uint64 // length, once the last fragment has been seen
	last       bool
	head       []byte // link layer and IP header of the first fragment
	linkLen    int    // of head, link layer
	fragments  int
	touched    int64 // Unix ns
	prev, next *datagram
}

// defragmenter puts IP datagrams together. Its list is in order of time; the oldest make room.
type defragmenter struct {
	cfg       DefragConfig
	os        []OSPolicy
	pool      pool
	byKey     map[fragKey]*datagram
	list      datagram // ring; list.next is the oldest
	free      *datagram
	fragments int
	out       [maxRebuilt][]byte // datagrams put together of one frame
	rebuilt   int
	refused   bool // the memcap refused the last fragment
}

// maxRebuilt is how often fragments may be nested in what tunnels carry in fragments.
const maxRebuilt = 4

// maxDatagram is the longest payload of an IP datagram in bytes.
const maxDatagram = 65535

func (d *defragmenter) init(c *DefragConfig, os []OSPolicy) {
	d.cfg, d.os = *c, os
	d.pool.max = uint64(c.Memcap)
	d.byKey = make(map[fragKey]*datagram)
	d.list.next, d.list.prev = &d.list, &d.list
}

func keyOfFragment(p *decode.Packet) fragKey {
	k := fragKey{tenant: p.Tenant, src: p.Src, dst: p.Dst, id: p.IPID, vlan: p.VLAN, ip: p.IPVersion}
	if p.IPVersion == 4 {
		k.proto = p.Proto
	}
	return k
}

// add takes a fragment and reports whether it completes its datagram, which is then in frame, with its link layer.
func (d *defragmenter) add(p *decode.Packet, s *DefragStats) (frame []byte, ok bool) {
	d.refused = false
	more := p.IPFlags&1 != 0
	n := uint64(len(p.IPPayload))
	if n == 0 || more && n%8 != 0 && p.IPVersion == 6 {
		return nil, false
	}
	if uint64(p.FragOff)+n > maxDatagram {
		if p.IPVersion == 4 {
			p.Events.Add(decode.IPv4FragmentPacketTooLarge)
		} else {
			p.Events.Add(decode.IPv6FragmentPacketTooLarge)
		}
		return nil, false
	}
	g := d.find(p, s)
	g.touched = p.Time
	in := g.stream.insert(&d.pool, OverlapStyle.fragment, maxDatagram, d.cfg.MaxFragments, int64(p.FragOff), p.IPPayload)
	g.fragments++
	d.fragments++
	if in.memcap {
		s.Memcap++
		d.refused = true
		return nil, false
	}
	if in.overlap {
		s.Overlap++
		if p.IPVersion == 4 {
			p.Events.Add(decode.IPv4FragmentOverlap)
		} else {
			p.Events.Add(decode.IPv6FragmentOverlap)
		}
	}
	if p.FragOff == 0 && len(g.head) == 0 {
		g.head = p.AppendUnfragmented(g.head[:0])
		g.linkLen = p.IPOffset
	}
	if end := uint64(p.FragOff) + n; !more && !g.last {
		g.total, g.last = end, true
	}
	return d.complete(g, s)
}

// find returns the fragment's datagram, making it and room for it.
func (d *defragmenter) find(p *decode.Packet, s *DefragStats) *datagram {
	k := keyOfFragment(p)
	if g := d.byKey[k]; g != nil {
		g.unlink()
		g.link(&d.list)
		return g
	}
	for len(d.byKey) >= d.cfg.MaxDatagrams {
		s.MaxTrackersReached++
		d.drop(d.list.next)
	}
	for d.fragments >= d.cfg.MaxFragments && d.list.next != &d.list {
		s.MaxFragHits++
		d.drop(d.list.next)
	}
	g := d.free
	if g != nil {
		d.free = g.next
	} else {
		g = new(datagram)
	}
	g.key = k
	g.stream.style = styleOf(d.os, p.Dst)
	d.byKey[k] = g
	g.link(&d.list)
	return g
}

// complete puts the datagram into a frame of its own if nothing is missing.
func (d *defragmenter) complete(g *datagram, s *DefragStats) ([]byte, bool) {
	if !g.last || len(g.head) == 0 || g.stream.contiguous(0) < g.total || d.rebuilt >= maxRebuilt {
		return nil, false
	}
	out := append(d.out[d.rebuilt][:0], g.head...)
	out = append(out, g.stream.blocks[0].data[:g.total]...)
	d.out[d.rebuilt] = out
	d.rebuilt++
	decode.SetIPLength(out[g.linkLen:])
	if g.key.ip == 4 {
		s.IPv4Reassembled++
	} else {
		s.IPv6Reassembled++
	}
	d.drop(g)
	return out, true
}

func (g *datagram) link(list *datagram) {
	g.prev, g.next = list.prev, list
	list.prev.next, list.prev = g, g
}

func (g *datagram) unlink() {
	g.prev.next, g.next.prev = g.next, g.prev
	g.prev, g.next = nil, nil
}

// drop forgets a datagram.
func (d *defragmenter) drop(g *datagram) {
	delete(d.byKey, g.key)
	g.unlink()
	d.fragments -= g.fragments
	g.stream.release(&d.pool)
	*g = datagram{head: g.head[:0], next: d.free, stream: stream{blocks: g.stream.blocks, segs: g.stream.segs}}
	d.free = g
}

// expire forgets datagrams whose fragments have stopped coming.
func (d *defragmenter) expire(now int64, s *DefragStats) {
	for g := d.list.next; g != &d.list && now > g.touched+int64(d.cfg.Timeout); g = d.list.next {
		s.Timeouts++
		d.drop(g)
	}
}

func (d *defragmenter) reset() {
	for d.list.next != &d.list {
		d.drop(d.list.next)
	}
}
