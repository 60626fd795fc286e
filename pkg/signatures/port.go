package signatures

import (
	"slices"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// maxNarrow is how many ports a rule may name to be looked for at these ports alone.
const maxNarrow = 16

// narrow returns the ports of the side that names few of them, and which side that is; nil when neither does.
func narrow(s *keyword.Signature) (ports []uint16, dst bool) {
	if s.BothWays {
		return nil, false
	}
	if p := few(s.DstPorts); p != nil {
		return p, true
	}
	return few(s.SrcPorts), false
}

func few(s *keyword.PortSet) []uint16 {
	n := 0
	for _, r := range s.Ranges {
		n += int(r.To) - int(r.From) + 1
	}
	if s.Any || n > maxNarrow {
		return nil
	}
	var ports []uint16
	for _, r := range s.Ranges {
		for p := int(r.From); p <= int(r.To); p++ {
			ports = append(ports, uint16(p))
		}
	}
	return ports
}

// portKey is a port of one side.
type portKey struct {
	port uint16
	dst  bool
}

// portBits has a bit for each port.
type portBits [1 << 10]uint64

func (b *portBits) has(port uint16) bool { return b[port>>6]&(1<<(port&63)) != 0 }

// join adds those of others, of which any may be nil.
func (b *portBits) join(others ...*portBits) {
	for _, o := range others {
		if o == nil {
			continue
		}
		for i, w := range o {
			b[i] |= w
		}
	}
}

// byPort maps ports to values. Most packets have a port that no rule names: a bitmap says so without a look-up.
type byPort[T any] struct {
	named [2]*portBits // of sources and destinations
	m     map[portKey]T
}

func (b *byPort[T]) set(k portKey, v T) {
	if b.m == nil {
		b.m = map[portKey]T{}
	}
	side := 0
	if k.dst {
		side = 1
	}
	if b.named[side] == nil {
		b.named[side] = new(portBits)
	}
	b.named[side][k.port>>6] |= 1 << (k.port & 63)
	b.m[k] = v
}

func (b *byPort[T]) get(port uint16, dst bool) (v T) {
	side := 0
	if dst {
		side = 1
	}
	if n := b.named[side]; n == nil || !n.has(port) {
		return v
	}
	return b.m[portKey{port, dst}]
}

// portLists are rules by port: those of any port, and those of few.
type portLists struct {
	any    []uint32
	narrow byPort[[]uint32]
}

func (l *portLists) add(s *keyword.Signature) {
	ports, dst := narrow(s)
	if ports == nil {
		l.any = append(l.any, s.Order)
	}
	for _, p := range ports {
		k := portKey{p, dst}
		l.narrow.set(k, append(l.narrow.m[k], s.Order))
	}
}

// of returns the rules for a packet's ports.
func (l *portLists) of(p *decode.Packet) []uint32 {
	return slices.Concat(l.any, l.narrow.get(p.SrcPort, false), l.narrow.get(p.DstPort, true))
}

// portSets are scan sets by port: a packet is scanned with those of any port, and those of its own ports.
type portSets struct {
	any    []scopedSet
	narrow byPort[[]scopedSet]
}

// portBuilder collects the rules of portSets.
type portBuilder struct {
	any    []*keyword.Signature
	narrow map[portKey][]*keyword.Signature
}

func (b *portBuilder) add(s *keyword.Signature) {
	ports, dst := narrow(s)
	if ports == nil {
		b.any = append(b.any, s)
		return
	}
	if b.narrow == nil {
		b.narrow = map[portKey][]*keyword.Signature{}
	}
	for _, p := range ports {
		k := portKey{p, dst}
		b.narrow[k] = append(b.narrow[k], s)
	}
}

func (b *portBuilder) build(x *scopes) portSets {
	s := portSets{any: x.build(b.any)}
	for k, sigs := range b.narrow {
		s.narrow.set(k, x.build(sigs))
	}
	return s
}
