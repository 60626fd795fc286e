package signatures

import (
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// transport is a class of packets that have rules of their own.
type transport uint8

const (
	overTCP transport = iota
	overUDP
	overICMP
	overOther
	notIP
	numTransports
)

func transportOf(p *decode.Packet) transport {
	switch {
	case p.IPVersion == 0:
		return notIP
	case p.Proto == decode.ProtoTCP:
		return overTCP
	case p.Proto == decode.ProtoUDP:
		return overUDP
	case p.Proto == decode.ProtoICMP || p.Proto == decode.ProtoICMPv6:
		return overICMP
	}
	return overOther
}

// sides: the two directions of a flow, and packets that belong to none.
const (
	noFlow   = 2
	numSides = 3
)

// groups are the rules by what makes them candidates. Rules are named by their Order.
type groups struct {
	decode     [decode.NumEvents][]uint32
	decodeAny  []uint32
	stream     [flow.NumStreamEvents][]uint32
	appEvents  []uint32
	protoOnly  []uint32
	addresses  addressIndex
	scopes     []addressScope                     // that plans depend on
	ports      [2]portBits                        // sources and destinations that rules of packets and streams name
	always     [numTransports][numSides]portLists // rules of packets without a fast pattern
	packets    [numTransports][numSides]portSets  // fast patterns in packets
	segments   [2]portSets                        // those of TCP packets whose payload is in the stream: of rules that ask for packets
	streams    [2]portSets                        // fast patterns in the stream
	streamsAll [2]portLists                       // rules of the stream without fast pattern
	txs        [app.NumProtos][2]txGroup
	frames     *[app.NumFrameTypes][2]frameGroup // nil when no rule looks at frames
}

// build sorts the rules into their groups.
func (rs *Ruleset) build() {
	b := builder{rs: rs}
	for _, s := range rs.signatures {
		b.add(s)
	}
	b.finish()
}

type builder struct {
	rs      *Ruleset
	packets [numTransports][numSides]portBuilder

	segments, streams [2]portBuilder
	txs               [app.NumProtos][2]txBuilder
	frames            [app.NumFrameTypes][2]frameBuilder
	ip                []*keyword.Signature
	scopes            scopes
}

func (b *builder) add(s *keyword.Signature) {
	g := &b.rs.groups
	if !s.Parsed() {
		return
	}
	switch s.Type {
	case keyword.TypeDecoder:
		for _, e := range s.DecodeEvents[:min(1, len(s.DecodeEvents))] {
			g.decode[e] = append(g.decode[e], s.Order)
		}
		if s.DecodeAny {
			g.decodeAny = append(g.decodeAny, s.Order)
		}
	case keyword.TypeIPOnly, keyword.TypeLikeIPOnly:
		b.ip = append(b.ip, s)
	case keyword.TypeProtocolOnly:
		g.protoOnly = append(g.protoOnly, s.Order)
	case keyword.TypeTx:
		b.addTx(s)
	case keyword.TypeFrame:
		b.addFrame(s)
	default:
		b.addPacket(s)
	}
}

// addPacket sorts in a rule that is evaluated on packets or on the stream.
func (b *builder) addPacket(s *keyword.Signature) {
	g := &b.rs.groups
	switch {
	case len(s.StreamEvents) > 0:
		g.stream[s.StreamEvents[0]] = append(g.stream[s.StreamEvents[0]], s.Order)
		return
	case len(s.ProtoEvents) > 0:
		g.appEvents = append(g.appEvents, s.Order)
		return
	}
	b.addPayload(s)
}

// addPayload sorts in a rule with or without fast pattern by where its payload may be found.
func (b *builder) addPayload(s *keyword.Signature) {
	g := &b.rs.groups
	fast := payloadFast(s).Pattern != nil
	b.everySide(s, func(t transport, side int) {
		switch {
		case len(s.Payload) == 0:
			g.always[t][side].add(s)
		case s.StreamOnly:
		case fast:
			b.packets[t][side].add(s)
			if t == overTCP && side != noFlow && !streamInstead(s) {
				b.segments[side].add(s)
			}
		default:
			g.always[t][side].add(s)
		}
		if s.NeedStream && t == overTCP && side != noFlow {
			if fast {
				b.streams[side].add(s)
			} else {
				g.streamsAll[side].add(s)
			}
		}
	})
}

// payloadFast is the fast pattern that is looked for in packets and streams.
func payloadFast(s *keyword.Signature) *keyword.Fast {
	if s.Type == keyword.TypeTx {
		return &s.PayloadFast
	}
	return &s.Fast
}

// streamInstead reports whether a rule does not look at a payload that has become part of the stream.
func streamInstead(s *keyword.Signature) bool { return s.NeedStream && !s.NeedPacket }

// everySide calls f for each transport and side that the rule is about.
func (b *builder) everySide(s *keyword.Signature, f func(t transport, side int)) {
	fits := [numTransports]bool{
		overTCP: s.L4.TCP(), overUDP: s.L4.Has(decode.ProtoUDP, max(s.L4.Version, 4)),
		overICMP:  s.L4.Has(decode.ProtoICMP, max(s.L4.Version, 4)) || s.L4.Has(decode.ProtoICMPv6, max(s.L4.Version, 4)),
		overOther: s.L4.Any || s.L4.Protos == [2]uint8{} || !isCommon(s.L4.Protos[0]), notIP: s.L4.Any,
	}
	for t, ok := range fits {
		if !ok {
			continue
		}
		for _, d := range [...]app.Direction{app.ToServer, app.ToClient} {
			if s.Dirs.Has(d) {
				f(transport(t), int(d))
			}
		}
		if s.Dirs == 0 {
			f(transport(t), noFlow)
		}
	}
}

func isCommon(proto uint8) bool {
	return proto == decode.ProtoTCP || proto == decode.ProtoUDP || proto == decode.ProtoICMP || proto == decode.ProtoICMPv6
}

func (b *builder) finish() {
	g := &b.rs.groups
	for t := range b.packets {
		for side := range b.packets[t] {
			g.packets[t][side] = b.packets[t][side].build(&b.scopes)
		}
	}
	for d := range b.streams {
		g.segments[d] = b.segments[d].build(&b.scopes)
		g.streams[d] = b.streams[d].build(&b.scopes)
	}
	g.scopes = b.scopes.used
	g.namePorts()
	shared := sharedSets{}
	for p := range b.txs {
		for d := range b.txs[p] {
			g.txs[p][d] = b.txs[p][d].build(shared)
		}
	}
	b.finishFrames()
	g.addresses = newAddressIndex(b.ip)
}

// namePorts collects the ports that have rules of their own.
func (g *groups) namePorts() {
	for t := range g.packets {
		for side := range g.packets[t] {
			g.ports[0].join(g.packets[t][side].narrow.named[0], g.always[t][side].narrow.named[0])
			g.ports[1].join(g.packets[t][side].narrow.named[1], g.always[t][side].narrow.named[1])
		}
	}
	for d := range g.streams {
		for i := range g.ports {
			g.ports[i].join(g.segments[d].narrow.named[i], g.streams[d].narrow.named[i], g.streamsAll[d].narrow.named[i])
		}
	}
}
