package event

import (
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// Logger encodes one worker's records. It is used by one goroutine.
type Logger struct {
	Outputs []*Output
	Iface   string // in_iface; empty for captures
	Capture string // pcap_filename; empty when live
	Sensor  string // the sensor's id, under alert.context.weir; empty: not written

	// State reads what the detection engine keeps of a flow, for "metadata" and "traffic"; nil: nothing is written.
	State func(*flow.Flow) Variables

	// OnAlert is called after each alert with its record as the first output that takes alerts encoded it; nil: not called.
	OnAlert func(a *AlertRecord, line []byte)

	enc    encoder
	stamp  stamp
	start  stamp            // second one for times inside records
	Counts [NumTypes]uint64 // records handed to sinks
}

// Variables is what rules left in a flow. The slices are lent until the next call.
type Variables struct {
	Bits []string // flowbits that are set
	Ints []IntVar
	Vars []Var // captured by pcre
	// Entropies are what rules computed of the bytes of buffers.
	Entropies []EntropyVar
}

// EntropyVar is the entropy of a buffer's bytes, in bits a byte.
type EntropyVar struct {
	Buffer string
	Value  float64
}

// IntVar is a flowint.
type IntVar struct {
	Name  string
	Value uint32
}

// Var is a captured value.
type Var struct {
	Name  string
	Value []byte
}

// Subject is what a record is about. Packet may be nil for records of a flow or its end.
type Subject struct {
	Time   int64 // Unix ns
	Packet *decode.Packet
	Outer  *decode.Packet // the frame that carried Packet in a tunnel, or nil
	Flow   *flow.Flow     // nil without
	Dir    app.Direction  // of the packet, or of the side the record is about

	client decode.Addr // written in place of the client's address, unless zero
}

// orientation says which end is written as src.
type orientation uint8

const (
	ofPacket orientation = iota
	toServer             // the flow's initiator is src
	toClient
)

// begin writes what all records start with.
func (l *Logger) begin(o *Output, t Type, s *Subject, way orientation) *encoder {
	e := &l.enc
	e.reset()
	e.b = append(e.b, '{')
	e.key("timestamp")
	e.b = append(e.b, '"')
	e.b = l.stamp.append(e.b, s.Time)
	e.b = append(e.b, '"')
	if s.Flow != nil {
		e.num("flow_id", s.Flow.ID)
		if s.Flow.Parent != 0 {
			e.num("parent_id", s.Flow.Parent)
		}
	}
	e.strIf("in_iface", l.Iface)
	if s.Packet != nil && s.Packet.Number != 0 {
		e.num("pcap_cnt", s.Packet.Number)
	}
	e.str("event_type", typeNames[t])
	l.vlan(e, s)
	l.tuple(e, s, way)
	if s.Packet != nil {
		e.str("pkt_src", s.Packet.Source.String())
	}
	if s.Flow != nil && s.Packet != nil && t != Flow {
		l.communityFor(o, e, s)
	}
	if o.Ethernet && s.Packet != nil && s.Packet.EtherType != 0 {
		e.open("ether")
		e.hexColon("src_mac", s.Packet.SrcMAC[:])
		e.hexColon("dest_mac", s.Packet.DstMAC[:])
		e.close()
	}
	e.strIf("pcap_filename", l.Capture)
	return e
}

// put ends the record and hands it over.
func (l *Logger) put(o *Output, t Type) {
	l.enc.b = append(l.enc.b, '}')
	l.Counts[t]++
	o.Sink.Put(t, l.enc.b)
}

func (l *Logger) vlan(e *encoder, s *Subject) {
	ids, n := [3]uint16{}, uint8(0)
	switch {
	case s.Packet != nil:
		ids, n = s.Packet.VLAN, s.Packet.VLANs
	case s.Flow != nil:
		ids, n = s.Flow.VLAN, s.Flow.VLANs
	}
	if n == 0 {
		return
	}
	e.list("vlan")
	for _, id := range ids[:min(int(n), len(ids))] {
		e.elemNum(uint64(id))
	}
	e.end()
}

// ends are a record's two ends.
type ends struct {
	src, dst         decode.Addr
	srcPort, dstPort uint16
	proto, version   uint8
}

func (s *Subject) ends(way orientation) (ends, bool) {
	f, p := s.Flow, s.Packet
	switch {
	case way != ofPacket && f != nil, p == nil && f != nil:
		t := ends{f.Src, f.Dst, f.SrcPort, f.DstPort, f.Proto, f.IPVersion}
		if way == toClient || way == ofPacket && s.Dir == app.ToClient {
			t.src, t.dst, t.srcPort, t.dstPort = t.dst, t.src, t.dstPort, t.srcPort
		}
		return t, true
	case p != nil && p.IPVersion != 0:
		t := ends{p.Src, p.Dst, p.SrcPort, p.DstPort, p.Proto, p.IPVersion}
		switch {
		case s.client == decode.Addr{}:
		case s.Dir == app.ToServer:
			t.src = s.client
		default:
			t.dst = s.client
		}
		return t, true
	}
	return ends{}, false
}

func (l *Logger) tuple(e *encoder, s *Subject, way orientation) {
	t, ok := s.ends(way)
	if !ok {
		return
	}
	ports := hasPorts(t.proto)
	e.addr("src_ip", t.src)
	if ports {
		e.num("src_port", uint64(t.srcPort))
	}
	e.addr("dest_ip", t.dst)
	if ports {
		e.num("dest_port", uint64(t.dstPort))
	}
	e.key("proto")
	e.elemProto(t.proto)
	if p := s.Packet; p != nil && p.L4 != nil && (p.Proto == decode.ProtoICMP || p.Proto == decode.ProtoICMPv6) && way == ofPacket {
		e.num("icmp_type", uint64(p.ICMPType))
		e.num("icmp_code", uint64(p.ICMPCode))
	}
	if s.Flow != nil && s.Flow.SPI != 0 && t.proto == decode.ProtoESP {
		e.num("spi", uint64(s.Flow.SPI))
	}
	if t.version != 0 {
		e.num("ip_v", uint64(t.version))
	}
}

func (l *Logger) communityFor(o *Output, e *encoder, s *Subject) {
	if !o.CommunityID || s.Flow == nil {
		return
	}
	f := s.Flow
	sport, dport := f.SrcPort, f.DstPort
	if f.Proto == decode.ProtoICMP || f.Proto == decode.ProtoICMPv6 {
		sport, dport = uint16(f.ICMPType[app.ToServer]), uint16(f.ICMPCode[app.ToServer])
	}
	e.key("community_id")
	e.b = append(e.b, '"')
	e.b = communityID(e.b, o.Seed, f.Src, f.Dst, sport, dport, f.Proto)
	e.b = append(e.b, '"')
}

// when writes a time inside a record.
func (l *Logger) when(e *encoder, name string, ns int64) {
	e.key(name)
	e.b = append(e.b, '"')
	e.b = l.start.append(e.b, ns)
	e.b = append(e.b, '"')
}
