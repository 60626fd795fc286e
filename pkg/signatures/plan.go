package signatures

import (
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// plan says what is looked for in packets that have in common what is known before their payload: transport, direction, ports,
// and the scopes they are in. Flows keep theirs, so that this is found out once.
type plan struct {
	always   []uint32 // rules of packets without a fast pattern
	opening  []uint32 // those of them that ask for a packet with SYN
	packets  []look   // fast patterns in packets
	segments []look   // those of TCP packets whose payload is in the stream
	streams  []look   // fast patterns in the stream
	streamed []uint32 // rules of the stream without fast pattern
}

// look is a scan set, and up to which size of payload there is something to find; 0 for any. Plans have copies, side by side.
type look struct {
	limit int
	scanSet
}

// flowPlan is a plan of one direction of a flow, with what it was chosen by.
type flowPlan struct {
	src              decode.Addr
	srcPort, dstPort uint16
	proto            uint8
	app              app.Proto
	number           uint32 // of the plan, which would keep its ruleset if it were referred to; 0 for none
}

// planKey is all that a plan depends on.
type planKey struct {
	transport transport
	side      uint8
	app       app.Proto // Unknown without flow
	ports     [2]uint16 // those that a rule names, else 0
	named     [2]bool
	addresses uint64 // which of the ruleset's scopes by address the packet is in
}

// plans are those that an engine has made for its ruleset. When there are maxPlans of them, they are given up and made anew.
type plans struct {
	all     []plan
	first   uint32 // number of all[0]: it never comes again, so that flows know that theirs are gone
	numbers map[planKey]uint32
}

// maxPlans bounds the plans that are kept. Ordinary traffic has some dozens: as many as there are different combinations of ports
// that rules name, scopes and applications.
const maxPlans = 1 << 10

func newPlans() plans { return plans{first: 1, numbers: map[planKey]uint32{}} }

// of returns a plan by number; nil if it is gone.
func (x *plans) of(number uint32) *plan {
	if i := number - x.first; i < uint32(len(x.all)) {
		return &x.all[i]
	}
	return nil
}

// plan returns what to look for in the packet.
func (e *Engine) plan(st *flowState) *plan {
	x := &e.ctx
	p := x.Packet
	if st == nil {
		return e.plans.of(e.findPlan(noFlow))
	}
	c := &st.plans[x.Dir]
	if c.app == x.Flow.App && c.proto == p.Proto && c.srcPort == p.SrcPort && c.dstPort == p.DstPort && c.src == p.Src {
		if found := e.plans.of(c.number); found != nil {
			return found
		}
	}
	*c = flowPlan{p.Src, p.SrcPort, p.DstPort, p.Proto, x.Flow.App, e.findPlan(int(x.Dir))}
	return e.plans.of(c.number)
}

// findPlan finds the plan for the packet, which others like it share.
func (e *Engine) findPlan(side int) (number uint32) {
	x := &e.ctx
	p, g := x.Packet, &e.rules.groups
	key := planKey{transport: transportOf(p), side: uint8(side)}
	if x.Flow != nil {
		key.app = x.Flow.App
	}
	for i, port := range [...]uint16{p.SrcPort, p.DstPort} {
		if g.ports[i].has(port) {
			key.ports[i], key.named[i] = port, true
		}
	}
	for i := range g.scopes {
		if s := &g.scopes[i]; x.Between(s.src, s.dst) {
			key.addresses |= 1 << i
		}
	}
	if n := e.plans.numbers[key]; n != 0 {
		return n
	}
	if len(e.plans.all) == maxPlans {
		e.Stats.Replanned++
		e.plans.forget()
	}
	return e.plans.keep(key, e.newPlan(&key))
}

// newPlan makes the plan for the packet.
func (e *Engine) newPlan(key *planKey) (x plan) {
	g, p := &e.rules.groups, e.ctx.Packet
	x.packets = e.inScope(&g.packets[key.transport][key.side])
	if key.transport == overTCP && key.side != noFlow {
		x.segments = e.inScope(&g.segments[key.side])
		x.streams = e.inScope(&g.streams[key.side])
		x.streamed = g.streamsAll[key.side].of(p)
	}
	for _, o := range g.always[key.transport][key.side].of(p) {
		if e.rules.signatures[o].Opens {
			x.opening = append(x.opening, o)
		} else {
			x.always = append(x.always, o)
		}
	}
	return x
}

// forget gives all plans up.
func (x *plans) forget() {
	x.first += uint32(len(x.all))
	x.all = nil // a packet may be using one
	clear(x.numbers)
}

// keep keeps a plan.
func (x *plans) keep(key planKey, made plan) (number uint32) {
	number = x.first + uint32(len(x.all))
	x.all = append(x.all, made)
	x.numbers[key] = number
	return number
}

// inScope returns the sets in whose scope the packet is.
func (e *Engine) inScope(s *portSets) (in []look) {
	x := &e.ctx
	p := x.Packet
	for _, sets := range [...][]scopedSet{s.any, s.narrow.get(p.SrcPort, false), s.narrow.get(p.DstPort, true)} {
		for i := range sets {
			if s := &sets[i]; (s.apps == 0 || x.Flow != nil && s.apps.Has(x.Flow.App)) && x.Between(s.src, s.dst) {
				in = append(in, look{s.limit, *s.scanSet})
			}
		}
	}
	return in
}

// scanAll scans data, whose first byte is at base of the stream, with those of sets that are for payloads of its size.
func (e *Engine) scanAll(sets []look, data []byte, base int) {
	if len(data) == 0 {
		return
	}
	for i := range sets {
		if s := &sets[i]; s.limit == 0 || len(data) <= s.limit {
			e.scan(&s.scanSet, data, base)
		}
	}
}
