package verdict

import (
	"net/netip"

	"github.com/gaissmai/bart"
)

// Spared answers for each packet what Guard answers for each verdict: whether it must be let through. It is safe for concurrent use.
type Spared struct{ sources, ends bart.Lite }

// NewSpared returns one for what was found, which is let through as a source, and for what was named by somebody, whose conversations
// are not cut off at the other end either. What is always protected is a source, unless a packet cannot honestly come from it.
func NewSpared(found, named []Protected) *Spared {
	n := &Spared{}
	for _, p := range append(AlwaysProtected(), found...) {
		if a := p.Prefix.Addr(); !a.IsLoopback() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
			n.sources.Insert(plain(p.Prefix))
		}
	}
	for _, p := range named {
		n.sources.Insert(plain(p.Prefix))
		n.ends.Insert(plain(p.Prefix))
	}
	return n
}

// Spares reports whether a packet from src to dst is let through whatever is held against it.
func (n *Spared) Spares(src, dst netip.Addr) bool {
	return n.sources.Contains(src.Unmap()) || n.ends.Contains(dst.Unmap())
}

// SparesFlow reports whether a conversation is not to be cut off, because somebody has named one of its ends.
func (n *Spared) SparesFlow(a, b netip.Addr) bool {
	return n.ends.Contains(a.Unmap()) || n.ends.Contains(b.Unmap())
}
