package floods

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/weir-ips/weir/bpf"
)

// field is a part of a packet that a fingerprint may ask for.
type field struct {
	name string
	get  func(*bpf.Features) uint64
	set  func(value, mask *bpf.Features, v uint64)
	on   func(class bpf.Class, version uint8) bool // nil: in all packets
}

// fields are what attacks' packets are searched for. Sources are none of them: they are forged, or too many.
var fields = []field{
	{"destination port", func(f *bpf.Features) uint64 { return uint64(f.DPort) }, func(v, m *bpf.Features, x uint64) { v.DPort, m.DPort = uint16(x), 1<<16-1 }, hasPorts},
	{"source port", func(f *bpf.Features) uint64 { return uint64(f.SPort) }, func(v, m *bpf.Features, x uint64) { v.SPort, m.SPort = uint16(x), 1<<16-1 }, hasPorts},
	{"length", func(f *bpf.Features) uint64 { return uint64(f.Length) }, func(v, m *bpf.Features, x uint64) { v.Length, m.Length = uint16(x), 1<<16-1 }, nil},
	{"TTL", func(f *bpf.Features) uint64 { return uint64(f.TTL) }, func(v, m *bpf.Features, x uint64) { v.TTL, m.TTL = uint8(x), 1<<8-1 }, nil},
	{"TOS", func(f *bpf.Features) uint64 { return uint64(f.TOS) }, func(v, m *bpf.Features, x uint64) { v.TOS, m.TOS = uint8(x), 1<<8-1 }, nil},
	{"IP id", func(f *bpf.Features) uint64 { return uint64(f.ID) }, func(v, m *bpf.Features, x uint64) { v.ID, m.ID = uint16(x), 1<<16-1 }, isVersion4},
	{"IP flags and offset", func(f *bpf.Features) uint64 { return uint64(f.Fragment) }, func(v, m *bpf.Features, x uint64) { v.Fragment, m.Fragment = uint16(x), 1<<16-1 }, isVersion4},
	{"flags", func(f *bpf.Features) uint64 { return uint64(f.Flags) }, func(v, m *bpf.Features, x uint64) { v.Flags, m.Flags = uint8(x), 1<<8-1 }, hasFlags},
	{"window", func(f *bpf.Features) uint64 { return uint64(f.Window) }, func(v, m *bpf.Features, x uint64) { v.Window, m.Window = uint16(x), 1<<16-1 }, isTCP},
	{"TCP options", func(f *bpf.Features) uint64 { return uint64(f.Options) }, func(v, m *bpf.Features, x uint64) { v.Options, m.Options = uint32(x), 1<<32-1 }, isTCP},
	{"MSS", func(f *bpf.Features) uint64 { return uint64(f.MSS) }, func(v, m *bpf.Features, x uint64) { v.MSS, m.MSS = uint16(x), 1<<16-1 }, isTCP},
	{"window scale", func(f *bpf.Features) uint64 { return uint64(f.Scale) }, func(v, m *bpf.Features, x uint64) { v.Scale, m.Scale = uint8(x), 1<<8-1 }, isTCP},
	{"sequence number", func(f *bpf.Features) uint64 { return uint64(f.Seq) }, func(v, m *bpf.Features, x uint64) { v.Seq, m.Seq = uint32(x), 1<<32-1 }, isTCP},
	{"acknowledgement", func(f *bpf.Features) uint64 { return uint64(f.Ack) }, func(v, m *bpf.Features, x uint64) { v.Ack, m.Ack = uint32(x), 1<<32-1 }, isTCP},
	{"payload", payloadHead, setPayloadHead, nil},
}

func hasPorts(c bpf.Class, _ uint8) bool { return isTCP(c, 0) || c == bpf.ClassUDP }
func isTCP(c bpf.Class, _ uint8) bool {
	return c == bpf.ClassSYN || c == bpf.ClassSYNACK || c == bpf.ClassTCP
}
func hasFlags(c bpf.Class, _ uint8) bool   { return isTCP(c, 0) || c == bpf.ClassICMP }
func isVersion4(_ bpf.Class, v uint8) bool { return v == 4 }

func payloadHead(f *bpf.Features) uint64 { return binary.BigEndian.Uint64(f.Head[:]) }

func setPayloadHead(v, m *bpf.Features, x uint64) {
	binary.BigEndian.PutUint64(v.Head[:], x)
	binary.BigEndian.PutUint64(m.Head[:], 1<<64-1)
}

// What a fingerprint must be.
const (
	commonShare  = 90 // % of packets in which a field must be the same to be part of it
	mixtureShare = 25 // % of packets that a part of a mixture must be
	leastNormal  = 24 // normal packets that must be known to judge by
	spareShare   = 1  // % of them that may look alike
)

// likeness is a fingerprint found in samples.
type likeness struct {
	bpf.Fingerprint
	asks  []ask
	words string // what it asks for
	share int    // % of the samples that look alike
}

// ask is one field and the value that it must have.
type ask struct {
	field *field
	value uint64
}

// search finds what most packets of an attack have in common and normal ones have not. Several are found where an attack is a
// mixture. normal are packets of the same class to the same network; where too few are known, only what no real stack sends is
// taken.
func search(attack, normal []bpf.Features, class bpf.Class, most int) []likeness {
	var out []likeness
	rest := slices.Clone(attack)
	for len(out) < most && len(rest) > 0 && len(rest)*100 >= mixtureShare*len(attack) {
		p := common(rest, normal, class)
		if p.share == 0 {
			break
		}
		p.share = p.share * len(rest) / len(attack)
		rest = slices.DeleteFunc(rest, func(f bpf.Features) bool { return p.matches(&f) })
		if p.spares(normal, class) {
			out = append(out, p)
		}
	}
	return out
}

// common joins all fields that are the same in most of list, the commonest first; and then, as long as normal packets look alike
// too, fields that are the same in a good part of it. The share is 0 if there is nothing.
func common(list, normal []bpf.Features, class bpf.Class) (p likeness) {
	left := make([]*field, 0, len(fields))
	for i := range fields {
		if f := &fields[i]; f.on == nil || f.on(class, list[0].Version) {
			left = append(left, f)
		}
	}
	alike := list
	for len(left) > 0 {
		at, value, count := commonest(left, alike)
		if count*100 < commonShare*len(alike) && (p.spares(normal, class) || count*100 < mixtureShare*len(list)) {
			break
		}
		f := left[at]
		left = slices.Delete(left, at, at+1)
		p.ask(f, value)
		same := make([]bpf.Features, 0, count)
		for i := range alike {
			if f.get(&alike[i]) == value {
				same = append(same, alike[i])
			}
		}
		alike = same
	}
	if len(p.asks) >= 2 { // one field alone tells nothing from anything
		p.share = 100 * len(alike) / len(list)
	}
	return p
}

// commonest is the field, and its value, that most of list agree in.
func commonest(of []*field, list []bpf.Features) (at int, value uint64, count int) {
	for i := range of {
		if v, n := mode(list, of[i].get); n > count {
			at, value, count = i, v, n
		}
	}
	return at, value, count
}

// ask adds a field to what the fingerprint asks for.
func (p *likeness) ask(f *field, value uint64) {
	f.set(&p.Value, &p.Mask, value)
	a := ask{f, value}
	p.asks = append(p.asks, a)
	if p.words != "" {
		p.words += ", "
	}
	p.words += a.String()
}

// String writes a field and its value as people know it.
func (a *ask) String() string {
	switch a.field.name {
	case "payload":
		return fmt.Sprintf("payload %016x", a.value)
	case "TCP options", "flags", "IP flags and offset":
		return fmt.Sprintf("%s %#x", a.field.name, a.value)
	}
	return fmt.Sprintf("%s %d", a.field.name, a.value)
}

// mode is the commonest value of a field, and how often it is there.
func mode(list []bpf.Features, get func(*bpf.Features) uint64) (value uint64, count int) {
	values := make([]uint64, len(list))
	for i := range list {
		values[i] = get(&list[i])
	}
	slices.Sort(values)
	for i := 0; i < len(values); {
		j := i
		for j < len(values) && values[j] == values[i] {
			j++
		}
		if j-i > count {
			value, count = values[i], j-i
		}
		i = j
	}
	return value, count
}

// matches reports whether a packet looks alike.
func (p *likeness) matches(f *bpf.Features) bool {
	for i := range p.asks {
		if a := &p.asks[i]; a.field.get(f) != a.value {
			return false
		}
	}
	return true
}

// spares reports whether normal packets do not look alike.
func (p *likeness) spares(normal []bpf.Features, class bpf.Class) bool {
	if len(normal) < leastNormal {
		return p.unreal(class)
	}
	alike := 0
	for i := range normal {
		if p.matches(&normal[i]) {
			alike++
		}
	}
	return alike*100 <= spareShare*len(normal)
}

// unreal reports whether no real stack sends such packets: a SYN without any option, fragments all alike, a datagram from a fixed
// source port with a fixed payload.
func (p *likeness) unreal(class bpf.Class) bool {
	switch class {
	case bpf.ClassSYN:
		return p.Mask.Options != 0 && p.Value.Options == 0
	case bpf.ClassFragment:
		return p.Mask.Length != 0 && p.Mask.Fragment != 0
	case bpf.ClassUDP:
		return p.Mask.SPort != 0 && p.Mask.Length != 0 && p.Mask.Head != [8]byte{} && p.Value.Head != [8]byte{}
	}
	return false
}
