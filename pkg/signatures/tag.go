package signatures

import (
	"sync"
	"sync/atomic"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// hostTags are the tags on addresses, shared by the workers.
type hostTags struct {
	n  atomic.Int64 // entries: packets need no lock while there are none
	mu sync.Mutex
	m  map[decode.Addr]*flowTag
}

// maxHostTags bounds the addresses that carry a tag.
const maxHostTags = 4096

// startTag begins to log the packets that follow a match.
func (e *Engine) startTag(s *keyword.Signature, k *keyword.Tag, st *flowState) {
	x := &e.ctx
	t := flowTag{sig: s, tag: k, since: x.Now}
	if !k.Host {
		if st != nil && st.tag.sig == nil {
			st.tag = t
		}
		return
	}
	a := x.Packet.Src
	if k.Dst {
		a = x.Packet.Dst
	}
	h := &e.shared.tags
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.m == nil {
		h.m = map[decode.Addr]*flowTag{}
	}
	if h.m[a] == nil && len(h.m) < maxHostTags {
		t.packets = 1 // that of the match is one of them
		h.m[a] = &t
		h.n.Add(1)
	}
}

// tagged says whether a tag of the flow or of one of the addresses covers the packet. The packet of the match itself does
// not count.
func (e *Engine) tagged(d *Decision, st *flowState) {
	x := &e.ctx
	if st != nil && st.tag.sig != nil && st.tag.since != x.Now {
		if st.tag.covers(x.Packet, x.Now) {
			d.Tagged, d.TagSig = true, st.tag.sig
		} else {
			st.tag = flowTag{}
		}
	}
	h := &e.shared.tags
	if h.n.Load() == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range [...]decode.Addr{x.Packet.Src, x.Packet.Dst} {
		t := h.m[a]
		switch {
		case t == nil || t.since == x.Now:
		case t.covers(x.Packet, x.Now):
			d.Tagged, d.TagSig = true, t.sig
		default:
			delete(h.m, a)
			h.n.Add(-1)
		}
	}
}

// covers counts a packet and reports whether the tag still holds for it.
func (t *flowTag) covers(p *decode.Packet, now int64) bool {
	t.packets++
	t.bytes += uint64(len(p.Data))
	k := t.tag
	switch {
	case k.Packets > 0 && t.packets > k.Packets:
		return false
	case k.Bytes > 0 && t.bytes > uint64(k.Bytes):
		return false
	case k.Seconds > 0 && now-t.since > int64(k.Seconds)*1e9:
		return false
	}
	return true
}
