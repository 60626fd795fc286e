package flow

import (
	"cmp"
	"hash/maphash"
	"math/bits"

	"github.com/weir-ips/weir/pkg/decode"
)

// key identifies a flow whichever side a packet comes from: the smaller end comes first.
type key struct {
	tenant uint64
	a, b   decode.Addr
	pa, pb uint16
	vlan   [3]uint16
	proto  uint8
	ip     uint8
}

// orient puts the ends into the key in their canonical order.
func (k *key) orient(src, dst *decode.Addr, sp, dp uint16) {
	if swap := compareAddr(src, dst); swap > 0 || swap == 0 && sp > dp {
		src, dst, sp, dp = dst, src, dp, sp
	}
	k.a, k.b, k.pa, k.pb = *src, *dst, sp, dp
}

// compareAddr orders addresses, a word at a time: which order does not matter.
func compareAddr(a, b *decode.Addr) int {
	if x, y := load64(a[8:]), load64(b[8:]); x != y {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(load64(a[0:]), load64(b[0:]))
}

// hash mixes the key with a seed that the outside does not know, so that nobody can fill one bucket on purpose.
func (k *key) hash(seed uint64) uint64 {
	h := seed ^ k.tenant
	h = mix(h^load64(k.a[0:]), 0x9e3779b97f4a7c15^load64(k.a[8:]))
	h = mix(h^load64(k.b[0:]), 0xe7037ed1a0b428db^load64(k.b[8:]))
	w := uint64(k.pa)<<48 | uint64(k.pb)<<32 | uint64(k.proto)<<24 | uint64(k.ip)<<16
	v := uint64(k.vlan[0])<<32 | uint64(k.vlan[1])<<16 | uint64(k.vlan[2])
	return mix(h^w, 0x8ebc6af09c88c6e3^v)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func load64(b []byte) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 | uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// slots is how many flows a bucket of one cache line points to.
const slots = 8

// bucket holds flow numbers and 16 bits of their hash, so that a look-up touches one cache line and seldom a wrong flow.
type bucket struct {
	tag  [slots]uint16
	flow [slots]uint32 // number of the flow; 0 is free
	next uint32        // number of an overflow bucket; 0 is none
	_    [12]byte      // fills the cache line
}

const chunkBits = 8

// table finds flows by key. Buckets hold no pointers; flows live in chunks that never move.
type table struct {
	seed     uint64
	mask     uint64
	buckets  []bucket
	overflow []bucket // 1-based
	spare    []uint32 // free overflow buckets
	chunks   [][]Flow
	free     []uint32 // flow numbers that can be used again
	count    int      // flows made so far, in use or free
	used     int
}

func newTable(flows int) table {
	n := uint64(1) << max(4, bits.Len(uint(flows/4)))
	var h maphash.Hash
	return table{seed: h.Sum64(), mask: n - 1, buckets: make([]bucket, n), overflow: make([]bucket, 1)}
}

// at returns flow number i, 1-based.
func (t *table) at(i uint32) *Flow { i--; return &t.chunks[i>>chunkBits][i&(1<<chunkBits-1)] }

func (t *table) find(k *key, h uint64) *Flow {
	tag := uint16(h >> 48)
	for b := &t.buckets[h&t.mask]; ; b = &t.overflow[b.next] {
		for i, other := range b.tag {
			if other == tag && b.flow[i] != 0 {
				if f := t.at(b.flow[i]); f.entry.key == *k {
					return f
				}
			}
		}
		if b.next == 0 {
			return nil
		}
	}
}

// insert makes a flow for k. The caller has made sure that there is none and that there is room.
func (t *table) insert(k *key, h uint64) *Flow {
	i := t.number()
	f := t.at(i)
	f.entry.key, f.entry.hash, f.entry.self = *k, h, i
	t.used++
	for b := &t.buckets[h&t.mask]; ; b = &t.overflow[b.next] {
		for j := range b.flow {
			if b.flow[j] == 0 {
				b.flow[j], b.tag[j] = i, uint16(h>>48)
				return f
			}
		}
		if b.next == 0 {
			n := t.overflowBucket(&b, h)
			t.overflow[n].flow[0], t.overflow[n].tag[0] = i, uint16(h>>48)
			return f
		}
	}
}

// overflowBucket chains a bucket behind *b, the last of h's chain; the overflow slice may move, so b is found again.
func (t *table) overflowBucket(b **bucket, h uint64) uint32 {
	var n uint32
	if len(t.spare) > 0 {
		n = t.spare[len(t.spare)-1]
		t.spare = t.spare[:len(t.spare)-1]
	} else {
		n = uint32(len(t.overflow))
		t.overflow = append(t.overflow, bucket{})
		*b = &t.buckets[h&t.mask]
		for (*b).next != 0 {
			*b = &t.overflow[(*b).next]
		}
	}
	(*b).next = n
	return n
}

func (t *table) number() uint32 {
	if n := len(t.free); n > 0 {
		i := t.free[n-1]
		t.free = t.free[:n-1]
		return i
	}
	if t.count == len(t.chunks)<<chunkBits {
		t.chunks = append(t.chunks, make([]Flow, 1<<chunkBits))
	}
	t.count++
	return uint32(t.count)
}

// remove takes f out of its bucket and gives its number back.
func (t *table) remove(f *Flow) {
	h, self := f.entry.hash, f.entry.self
	prev := (*bucket)(nil)
	for b := &t.buckets[h&t.mask]; ; b = &t.overflow[b.next] {
		for j := range b.flow {
			if b.flow[j] == self {
				b.flow[j], b.tag[j] = 0, 0
				if prev != nil && b.flow == [slots]uint32{} {
					n := prev.next
					prev.next, b.next = b.next, 0
					t.spare = append(t.spare, n)
				}
				*f = Flow{}
				t.free = append(t.free, self)
				t.used--
				return
			}
		}
		if b.next == 0 {
			return
		}
		prev = b
	}
}

// entry is a flow's place in table and wheel.
type entry struct {
	key        key
	self       uint32 // number; 0 when not in use
	slot       uint32 // 1-based; 0 when in none
	next, prev uint32 // in the wheel's slot
	hash       uint64
}
