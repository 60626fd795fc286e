package event

import (
	"encoding/binary"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// dropHeader writes the header fields of a dropped packet.
func (e *encoder) dropHeader(p *decode.Packet) {
	if p.IPVersion != 0 {
		e.num("len", uint64(len(p.IPHeader)+len(p.IPPayload)))
		if p.IPVersion == 4 {
			e.num("tos", uint64(p.TOS))
			e.num("ttl", uint64(p.TTL))
			e.num("ipid", uint64(p.IPID))
		} else {
			e.num("tc", uint64(p.TOS))
			e.num("hoplimit", uint64(p.TTL))
			if len(p.IPHeader) >= 4 {
				e.num("flowlbl", uint64(binary.BigEndian.Uint32(p.IPHeader)&0xfffff))
			}
		}
	}
	if p.L4 == nil {
		return
	}
	switch p.Proto {
	case decode.ProtoTCP:
		e.num("tcpseq", uint64(p.Seq))
		e.num("tcpack", uint64(p.Ack))
		e.num("tcpwin", uint64(p.Window))
		e.flag("syn", p.Flags&decode.SYN != 0)
		e.flag("ack", p.Flags&decode.ACK != 0)
		e.flag("psh", p.Flags&decode.PSH != 0)
		e.flag("rst", p.Flags&decode.RST != 0)
		e.flag("urg", p.Flags&decode.URG != 0)
		e.flag("fin", p.Flags&decode.FIN != 0)
		e.num("tcpres", 0)
		e.num("tcpurgp", uint64(p.Urgent))
	case decode.ProtoUDP:
		e.num("udplen", uint64(len(p.L4)+len(p.Payload)))
	case decode.ProtoICMP, decode.ProtoICMPv6:
		e.num("icmp_id", uint64(p.ICMPID))
		e.num("icmp_seq", uint64(p.ICMPSeq))
	}
}

// Tagged writes a packet that a rule's tag keyword asked for.
func (l *Logger) Tagged(s *Subject, sig *keyword.Signature) {
	for _, o := range l.Outputs {
		if !o.Types.Has(Alert) && !o.Types.Has(PacketRecord) || !o.Options.Alert.Tagged {
			continue
		}
		e := l.begin(o, PacketRecord, s, ofPacket)
		if s.Packet != nil {
			e.packet(s.Packet)
		}
		l.put(o, PacketRecord)
	}
}
