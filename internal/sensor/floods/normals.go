package floods

import (
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/decode"
)

const (
	normalKept    = 128              // packets of a network and class
	normalsKept   = 512              // networks and classes; the one that was silent longest gives way
	normalDoubted = 3 * time.Second  // before an attack, what was seen may have belonged to it
	normalEvery   = time.Second      // how often the kernel is asked to show some
	normalDests   = 4                // of so many destinations
	normalAge     = 14 * 24 * 3600e9 // ns after which what was normal is forgotten
)

// normals are what packets look like when there is no attack.
type normals struct {
	known map[normalKey]*normal
	asked time.Time
}

type normalKey struct {
	network decode.Addr
	class   bpf.Class
}

type normal struct {
	list [normalKept]bpf.Features
	at   [normalKept]int64 // Unix ns; 0: none
	next int
}

func (n *normals) add(network decode.Addr, class bpf.Class, f *bpf.Features, now time.Time) {
	k := normalKey{network, class}
	e := n.known[k]
	if e == nil {
		n.makeRoom()
		e = &normal{}
		n.known[k] = e
	}
	e.list[e.next], e.at[e.next] = *f, now.UnixNano()
	e.next = (e.next + 1) % normalKept
}

func (n *normals) makeRoom() {
	if len(n.known) < normalsKept {
		return
	}
	var oldest normalKey
	last := int64(1<<63 - 1)
	for k, e := range n.known {
		if at := e.at[(e.next+normalKept-1)%normalKept]; at < last {
			oldest, last = k, at
		}
	}
	delete(n.known, oldest)
}

// before returns what was normal before an attack began.
func (n *normals) before(network decode.Addr, class bpf.Class, since int64) []bpf.Features {
	e := n.known[normalKey{network, class}]
	if e == nil {
		return nil
	}
	var out []bpf.Features
	for i, at := range e.at {
		if at != 0 && at < since-int64(normalDoubted) && at > since-normalAge {
			out = append(out, e.list[i])
		}
	}
	return out
}

// learn has the kernel show packets to some destinations that are not attacked.
func (c *Control) learn(now time.Time) {
	if now.Sub(c.normals.asked) < normalEvery {
		return
	}
	c.normals.asked = now
	left := normalDests
	for dst := range c.counters.grown { // in no order, so that all have their turn
		if left == 0 {
			return
		}
		if c.attacked(decode.AddrFrom(dst)) {
			continue
		}
		if err := c.o.Kernel.TakeStep(dst, bpf.StepSight, normalEvery/2); err != nil {
			return // no room for it: attacks come first
		}
		left--
	}
}

// attacked reports whether an address or its network is under attack.
func (c *Control) attacked(dst decode.Addr) bool {
	for _, a := range c.attacks {
		if a.Network().Contains(dst.IP()) {
			return true
		}
	}
	return false
}
