package threshold

import "github.com/weir-ips/weir/pkg/decode"

// place names what is counted: packets of a vector to (or from) an address, and a port where the vector has one.
type place struct {
	addr   decode.Addr
	name   uint64 // hash of a zone or a peer; 0 without
	port   uint16
	vector Vector
}

// tally counts one place over the last second in slots of a tenth, and the different peers of this second and the last.
type tally struct {
	place
	used    bool
	on      bool
	doubted uint8 // packets until it is asked again: the rate was high enough, something else was not
	head    int64 // number of the newest slot
	first   int64 // Unix ns of the first packet since a second without any
	count   [slots]uint32
	against [slots]uint32 // what speaks against an attack: completed handshakes, questions
	bytes   [slots]uint32
	peers   [2]distinct // of even and odd seconds; while on: [0] since the start
	epoch   int64       // second
	// overFrom and overLast are when the rate was over the threshold, of vectors that must last.
	overFrom, overLast int64
	samples            [4]Sample
	taken              uint8
	attack
}

// attack is what is known of a running attack.
type attack struct {
	since, lowFrom, told, last int64
	peak, packets, octets      uint64
	proto                      uint8
	src                        decode.Addr // the only source seen; zero once there are two
	many                       bool
	label                      string
	to                         decode.Addr // of the vectors that are about a source
}

// advance moves the window to slot number to, emptying the slots in between. Time that runs backwards is ignored.
func (t *tally) advance(to int64) {
	if to-t.head >= slots {
		t.count, t.against, t.bytes, t.head = [slots]uint32{}, [slots]uint32{}, [slots]uint32{}, to
		t.first = 0
	}
	for t.head < to {
		t.head++
		i := t.head % slots
		t.count[i], t.against[i], t.bytes[i] = 0, 0, 0
	}
	if second := t.head / slots; second != t.epoch && !t.on {
		if second != t.epoch+1 {
			t.peers[0], t.peers[1] = distinct{}, distinct{}
		}
		t.epoch = second
		t.peers[second&1] = distinct{}
		t.taken, t.src, t.many = 0, decode.Addr{}, false
	}
}

// sum adds up the newest n slots of a counter, the running one included.
func (t *tally) sum(c *[slots]uint32, n int64) (total uint64) {
	for i := range n {
		total += uint64(c[(t.head-i+slots)%slots])
	}
	return total
}

// net is what count exceeds against by, over the newest n slots.
func (t *tally) net(n int64) uint64 {
	a, b := t.sum(&t.count, n), t.sum(&t.against, n)
	return a - min(a, b)
}

// distinctPeers estimates the different peers of a second or, while on, since the start.
func (t *tally) distinctPeers() uint64 {
	if t.on {
		return t.peers[0].estimate()
	}
	return max(t.peers[0].estimate(), t.peers[1].estimate())
}

// peersAtLeast reports whether distinctPeers is n or more.
func (t *tally) peersAtLeast(n uint64) bool {
	return t.peers[0].atLeast(n) || !t.on && t.peers[1].atLeast(n)
}

// peer notes one end of a packet by its hash.
func (t *tally) peer(h uint64) {
	if t.on {
		t.peers[0].add(h)
		return
	}
	t.peers[t.epoch&1].add(h)
}

// sample keeps the first few packets of each second, and of the attack.
func (t *tally) sample(p *decode.Packet) {
	if int(t.taken) < len(t.samples) {
		t.samples[t.taken] = sampleOf(p)
		t.taken++
	}
	switch {
	case t.many:
	case t.src == decode.Addr{}:
		t.src = p.Src
	case t.src != p.Src:
		t.src, t.many = decode.Addr{}, true
	}
}

func sampleOf(p *decode.Packet) Sample {
	return Sample{Time: p.Time, Src: p.Src, Dst: p.Dst, SrcPort: p.SrcPort, DstPort: p.DstPort, Proto: p.Proto, TTL: p.TTL, Length: uint16(size(p))}
}

// size is the length of the IP packet.
func size(p *decode.Packet) int { return len(p.IPHeader) + len(p.IPPayload) }

// Sets and ways of the table of tallies.
const (
	tallySets = 1024
	tallyWays = 8
)

// tallies is a table of fixed size: 8,192 places, of which the least counted in a set gives way to a new one. A running attack
// never does. Sets come to be when they are first used.
type tallies struct {
	sets    [tallySets]*tallySet
	evicted uint64
	full    uint64
}

// tallySet is the places whose hashes meet. The tags, together in half a cache line, keep a look-up from touching other places' tallies.
type tallySet struct {
	tags [tallyWays]uint32 // of the hash
	ways [tallyWays]tally
}

// of returns the tally of k at slot number now, making room for it; nil when all of its set are running attacks.
func (t *tallies) of(k *place, h uint64, now int64) *tally {
	tag := uint32(h)
	set := t.sets[h>>32%tallySets]
	if set == nil {
		set = new(tallySet)
		t.sets[h>>32%tallySets] = set
	}
	for i := range set.tags {
		if set.tags[i] != tag {
			continue
		}
		if c := &set.ways[i]; c.used && c.place == *k {
			c.advance(now)
			return c
		}
	}
	i := set.least(now)
	if i < 0 {
		t.full++
		return nil
	}
	c := &set.ways[i]
	if c.used && c.head > now-slots {
		t.evicted++
	}
	*c = tally{place: *k, used: true, head: now, epoch: now / slots}
	set.tags[i] = tag
	return c
}

// least returns the way that has counted least at slot number now, a free one first; -1 when all are running attacks.
func (s *tallySet) least(now int64) int {
	way, least := -1, uint64(0)
	for i := range s.ways {
		c := &s.ways[i]
		if !c.used {
			return i
		}
		if c.on {
			continue
		}
		if weight := c.weight(now); way < 0 || weight < least {
			way, least = i, weight
		}
	}
	return way
}

// weight is how much would be forgotten with the tally.
func (t *tally) weight(now int64) uint64 {
	if now-t.head >= slots {
		return 0
	}
	return 1 + t.sum(&t.count, slots)
}
