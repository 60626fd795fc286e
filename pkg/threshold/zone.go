package threshold

import (
	"bytes"

	"github.com/weir-ips/weir/pkg/decode"
)

// Lookup is a DNS server's answer.
type Lookup struct {
	Server decode.Addr
	Name   []byte // the name asked for, without the final dot; lent
	Failed bool   // NXDOMAIN or SERVFAIL
}

// Lookup counts an answer of a DNS server. p is the packet that carried it; lent.
func (d *Detector) Lookup(p *decode.Packet, l *Lookup) {
	zone := zoneOf(l.Name)
	if d.limits.Names == 0 || len(zone) == len(l.Name) || bytes.EqualFold(zone, []byte("in-addr.arpa")) || bytes.EqualFold(zone, []byte("ip6.arpa")) {
		return
	}
	k := place{addr: l.Server, name: d.seed.bytes(zone), vector: WaterTorture}
	if !l.Failed {
		d.speaks(&k)
		return
	}
	t := d.tallies.of(&k, d.hash(&k), d.now/slot)
	if t != nil && t.label == "" && t.sum(&t.count, slots) >= uint64(d.limits.Names)/4 {
		t.label = string(zone)
	}
	d.count(&k, p, d.seed.bytes(l.Name))
}

// zoneOf returns the last labels of a name that somebody has registered, as a guess: two, or three under short second-level
// domains such as co.uk.
func zoneOf(name []byte) []byte {
	last := bytes.LastIndexByte(name, '.')
	if last <= 0 {
		return name
	}
	second := bytes.LastIndexByte(name[:last], '.')
	if second <= 0 {
		return name
	}
	if last-second <= 4 && len(name)-last <= 3 {
		if third := bytes.LastIndexByte(name[:second], '.'); third >= 0 {
			return name[third+1:]
		}
		return name
	}
	return name[second+1:]
}
