package event

import "github.com/weir-ips/weir/pkg/decode"

// MACs are the Ethernet addresses that a flow was seen between, in the orientation of its initiator; a bounded number.
type MACs struct {
	src, dst macList
}

type macList struct {
	n    int
	list [4][6]byte
}

func (l *macList) add(a [6]byte) {
	for _, known := range l.list[:l.n] {
		if known == a {
			return
		}
	}
	if l.n < len(l.list) {
		l.list[l.n] = a
		l.n++
	}
}

// Add notes the addresses of a packet; reversed says that it went towards the initiator.
func (m *MACs) Add(p *decode.Packet, reversed bool) {
	if reversed {
		m.src.add(p.DstMAC)
		m.dst.add(p.SrcMAC)
		return
	}
	m.src.add(p.SrcMAC)
	m.dst.add(p.DstMAC)
}

// macs writes "ether" as flow records have it.
func (e *encoder) macs(m *MACs) {
	e.open("ether")
	for _, side := range [...]struct {
		name string
		list *macList
	}{{"dest_macs", &m.dst}, {"src_macs", &m.src}} {
		mark := e.mark()
		e.list(side.name)
		for i := range side.list.list[:side.list.n] {
			e.elemHexColon(side.list.list[i][:])
		}
		e.closeOrDrop(mark, ']')
	}
	e.close()
}
