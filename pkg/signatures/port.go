package signatures

import "github.com/weir-ips/weir/pkg/signatures/keyword"

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

// portLists are rules by port: those of any port, and those of few.
type portLists struct {
	any    []uint32
	narrow map[portKey][]uint32
}

func (l *portLists) add(s *keyword.Signature) {
	ports, dst := narrow(s)
	if ports == nil {
		l.any = append(l.any, s.Order)
		return
	}
	if l.narrow == nil {
		l.narrow = map[portKey][]uint32{}
	}
	for _, p := range ports {
		k := portKey{p, dst}
		l.narrow[k] = append(l.narrow[k], s.Order)
	}
}

// portSets are scan sets by port: a packet is scanned with the one of any port, and those of its own ports.
type portSets struct {
	any    *scanSet
	narrow map[portKey]*scanSet
}

// portBuilder collects portSets.
type portBuilder struct {
	any    setBuilder
	narrow map[portKey]*setBuilder
}

func (b *portBuilder) add(s *keyword.Signature) {
	ports, dst := narrow(s)
	if ports == nil {
		b.any.add(&s.Fast, s.Order)
		return
	}
	if b.narrow == nil {
		b.narrow = map[portKey]*setBuilder{}
	}
	for _, p := range ports {
		k := portKey{p, dst}
		if b.narrow[k] == nil {
			b.narrow[k] = &setBuilder{}
		}
		b.narrow[k].add(&s.Fast, s.Order)
	}
}

func (b *portBuilder) build() portSets {
	s := portSets{any: b.any.build()}
	for k, nb := range b.narrow {
		if s.narrow == nil {
			s.narrow = map[portKey]*scanSet{}
		}
		s.narrow[k] = nb.build()
	}
	return s
}
