package path

import (
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
)

// Conversation is what is remembered of a flow: while it lives, and for a time after.
type Conversation struct {
	Tenant           uint64
	Src, Dst         decode.Addr // of the initiator, and of who was asked
	SrcPort, DstPort uint16
	Proto            uint8
	Alive            bool
	Proved           bool      // both ends have finished a handshake
	Start, Last      int64     // Unix ns
	Packets, Bytes   [2]uint64 // from the initiator, and to it
}

func conversation(f *flow.Flow, alive bool) Conversation {
	return Conversation{
		Tenant: f.Tenant, Src: f.Src, Dst: f.Dst, SrcPort: f.SrcPort, DstPort: f.DstPort, Proto: f.Proto, Alive: alive, Proved: handshaken(f),
		Start: f.Start, Last: f.Last, Packets: f.Packets, Bytes: f.Bytes,
	}
}

// past remembers the conversations that ended last.
type past struct {
	ring  []Conversation
	next  int
	until int64 // when the last that was forgotten had ended, Unix ns
}

func (m *past) add(f *flow.Flow) {
	if len(m.ring) == 0 {
		return
	}
	at := &m.ring[m.next]
	if m.next++; m.next == len(m.ring) {
		m.next = 0
	}
	m.until = max(m.until, at.Last)
	*at = conversation(f, false)
}

// Cursor is how far a Recall has come; the zero value begins one.
type Cursor struct{ place uint32 }

// Recall visits conversations, at first all that are over and then, limit places of the table a call, those that live. It reports
// whether there are no more. since is the time, Unix ns, after which no conversation has been forgotten. A Conversation is lent.
func (p *Path) Recall(c *Cursor, limit int, visit func(*Conversation)) (since int64, done bool) {
	if c.place == 0 {
		for i := range p.past.ring {
			if v := &p.past.ring[i]; v.Last != 0 {
				visit(v)
			}
		}
	}
	c.place = p.tracker.Walk(c.place, limit, func(f *flow.Flow) {
		v := conversation(f, true)
		visit(&v)
	})
	return p.past.until, c.place == 0
}
