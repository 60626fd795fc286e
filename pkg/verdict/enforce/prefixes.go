package enforce

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/gaissmai/bart"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/verdict"
)

// prefixes is one generation's trie in the kernel and its mirror. A prefix's chain of verdicts goes on into that of the next
// wider prefix, so that one look-up finds all: XDP walks at most bpf.ChainLimit of them.
type prefixes struct {
	trie *ebpf.Map
	tree *bart.Table[*node]
}

type node struct {
	head  uint32         // slot of the first verdict
	last  *verdict.Entry // of the prefix's own
	own   int            // verdicts of its own
	depth int            // own, and those of all wider prefixes
}

func (p *prefixes) close() error {
	if p.trie == nil {
		return nil
	}
	return p.trie.Close()
}

// parent is the node of the next wider prefix; an empty one if there is none.
func (p *prefixes) parent(of netip.Prefix) *node {
	if of.Bits() > 0 {
		if _, n, ok := p.tree.LookupPrefixLPM(netip.PrefixFrom(of.Addr(), of.Bits()-1).Masked()); ok {
			return n
		}
	}
	return &node{}
}

// room reports whether own verdicts of prefix and all they are chained with stay within what XDP walks.
func (p *prefixes) room(prefix netip.Prefix, own int) error {
	before := 0
	if n, ok := p.tree.Get(prefix); ok {
		before = n.own
	}
	if depth := p.parent(prefix).depth + own; depth > bpf.ChainLimit {
		return fmt.Errorf("%v lies in %d verdicts' prefixes, the limit is %d", prefix, depth-1, bpf.ChainLimit)
	}
	for sub, n := range p.tree.Subnets(prefix) {
		if n.depth+own-before > bpf.ChainLimit {
			return fmt.Errorf("%v, in %v, would lie in more than %d verdicts' prefixes", sub, prefix, bpf.ChainLimit)
		}
	}
	return nil
}

// relink chains the prefixes within prefix, itself aside, to what is the next wider one now.
func (p *prefixes) relink(v []bpf.Verdict, prefix netip.Prefix) {
	for sub, n := range p.tree.Subnets(prefix) { // wider ones come first
		if sub == prefix {
			continue
		}
		parent := p.parent(sub)
		n.depth = n.own + parent.depth
		if n.last.Next != parent.head {
			n.last.Next = parent.head
			atomic.StoreUint32(&v[n.last.Handle].Next, parent.head)
		}
	}
}

// syncPrefix makes the trie say about src what the decisions say.
func (e *Enforcer) syncPrefix(src netip.Prefix, ds []*verdict.Entry) error {
	p := &e.prefixes
	if len(ds) == 0 {
		return e.dropPrefix(src)
	}
	if err := p.room(src, len(ds)); err != nil {
		return err
	}
	parent := p.parent(src)
	head, err := e.chain(src, ds, parent.head)
	if err != nil {
		return err
	}
	n, known := p.tree.Get(src)
	if !known || n.head != head {
		e.presence.raise(src, bpf.HasPrefix)
		if err := p.put(src, head); err != nil {
			return err
		}
	}
	p.tree.Insert(src, &node{head: head, last: ds[len(ds)-1], own: len(ds), depth: len(ds) + parent.depth})
	p.relink(e.maps.Verdicts, src)
	return nil
}

func (p *prefixes) put(src netip.Prefix, head uint32) error {
	err := p.trie.Put(prefixKey(src), head)
	if errors.Is(err, ebpf.ErrKeyExist) || err == nil {
		return nil
	}
	if p.tree.Size() >= bpf.MaxPrefixes {
		return fmt.Errorf("prefix trie holds %d prefixes, its limit", p.tree.Size())
	}
	return fmt.Errorf("prefix trie: %v: %w", src, err)
}

func (e *Enforcer) dropPrefix(src netip.Prefix) error {
	p := &e.prefixes
	delete(e.spilled, src)
	if _, known := p.tree.Get(src); !known {
		return nil
	}
	p.tree.Delete(src)
	p.relink(e.maps.Verdicts, src)
	if err := p.trie.Delete(prefixKey(src)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("prefix trie: remove %v: %w", src, err)
	}
	return nil
}
