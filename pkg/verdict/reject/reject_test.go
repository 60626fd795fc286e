package reject

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/decode/packettest"
)

const (
	client, server   = "198.51.100.10", "10.0.0.1"
	client6, server6 = "2001:db8::10", "fd00::1"
)

func decoded(t testing.TB, raw []byte) *decode.Packet {
	t.Helper()
	var p decode.Packet
	decode.Default().Decode(&p, decode.Frame{Data: raw, Link: decode.LinkRaw})
	if p.BadIPChecksum || p.BadL4Checksum || p.IPVersion == 0 {
		t.Fatalf("not a sound packet (IP checksum bad %v, transport's %v): %x", p.BadIPChecksum, p.BadL4Checksum, raw)
	}
	return &p
}

func TestReset(t *testing.T) {
	request := func(src, dst string) *packettest.Builder {
		return packettest.IP(src, dst).TCP(4000, 80, "PA").Seq(1000, 7000).Payload("GET /")
	}
	for _, k := range []struct {
		name      string
		packet    []byte
		end       End
		delivered bool
		src, dst  string
		ports     [2]uint16
		seq, ack  uint32
		flags     uint8
	}{
		{"to the sender", request(client, server).Raw(), Sender, false, server, client, [2]uint16{80, 4000}, 7000, 1005, rst | ack},
		{"to the receiver", request(client, server).Raw(), Receiver, false, client, server, [2]uint16{4000, 80}, 1000, 7000, rst | ack},
		{"to the receiver, who got it", request(client, server).Raw(), Receiver, true, client, server, [2]uint16{4000, 80}, 1005, 7000, rst | ack},
		{"IPv6", request(client6, server6).Raw(), Sender, false, server6, client6, [2]uint16{80, 4000}, 7000, 1005, rst | ack},
		{"IPv6 with options", request(client6, server6).Extension(60, 0, 0, 0, 0, 0, 0).Raw(), Sender, false, server6, client6, [2]uint16{80, 4000}, 7000, 1005, rst | ack},
		{"of a SYN", packettest.IP4(client, server).TCP(4000, 80, "S").Seq(1000, 0).Raw(), Sender, false, server, client, [2]uint16{80, 4000}, 0, 1001, rst | ack},
		{"of a SYN, to the receiver", packettest.IP4(client, server).TCP(4000, 80, "S").Seq(1000, 0).Raw(), Receiver, false, client, server, [2]uint16{4000, 80}, 1000, 0, rst},
		{"of a FIN", packettest.IP4(client, server).TCP(4000, 80, "FA").Seq(1000, 7).Raw(), Sender, false, server, client, [2]uint16{80, 4000}, 7, 1001, rst | ack},
	} {
		b, ok := Answer([]byte("before"), k.packet, k.end, k.delivered)
		if !ok || string(b[:6]) != "before" {
			t.Errorf("%s: no answer", k.name)
			continue
		}
		p := decoded(t, b[6:])
		seg := b[len(b)-tcpLen:]
		seq, acked := binary.BigEndian.Uint32(seg[4:]), binary.BigEndian.Uint32(seg[8:])
		if p.Src.IP().String() != k.src || p.Dst.IP().String() != k.dst || [2]uint16{p.SrcPort, p.DstPort} != k.ports || seq != k.seq || acked != k.ack || seg[13] != k.flags {
			t.Errorf("%s: %v:%d > %v:%d seq %d ack %d flags %#x", k.name, p.Src.IP(), p.SrcPort, p.Dst.IP(), p.DstPort, seq, acked, seg[13])
		}
	}
}

func TestUnreachable(t *testing.T) {
	query, query6 := packettest.IP4(client, server).UDP(4000, 53).Payload("query").Raw(), packettest.IP6(client6, server6).UDP(4000, 53).Payload("query").Raw()
	for _, k := range []struct {
		name       string
		packet     []byte
		end        End
		src, dst   string
		kind, code uint8
		quote      []byte
	}{
		{"to the sender", query, Sender, server, client, 3, 13, query},
		{"to the receiver", query, Receiver, client, server, 3, 13, swap(query[:28], 12, 4, 20)},
		{"IPv6, to the sender", query6, Sender, server6, client6, 1, 1, query6},
		{"IPv6, to the receiver", query6, Receiver, client6, server6, 1, 1, swap(query6[:48], 8, 16, 40)},
	} {
		b, ok := Answer(nil, k.packet, k.end, false)
		if !ok {
			t.Errorf("%s: no answer", k.name)
			continue
		}
		p := decoded(t, b)
		head := ip4Len
		if p.IPVersion == 6 {
			head = ip6Len
		}
		if p.Src.IP().String() != k.src || p.Dst.IP().String() != k.dst || b[head] != k.kind || b[head+1] != k.code || !bytes.Equal(b[head+8:], k.quote) {
			t.Errorf("%s: %v > %v type %d code %d\n got %x\nwant %x", k.name, p.Src.IP(), p.Dst.IP(), b[head], b[head+1], b[head+8:], k.quote)
		}
	}
}

// swap exchanges addresses of n bytes at at, and ports at ports.
func swap(b []byte, at, n, ports int) []byte {
	b = bytes.Clone(b)
	a, p := bytes.Clone(b[at:at+n]), bytes.Clone(b[ports:ports+2])
	copy(b[at:], b[at+n:at+2*n])
	copy(b[at+n:], a)
	copy(b[ports:], b[ports+2:ports+4])
	copy(b[ports+2:], p)
	return b
}

func TestNoAnswer(t *testing.T) {
	reset, _ := Answer(nil, packettest.IP4(client, server).TCP(4000, 80, "A").Raw(), Sender, false)
	unreachable, _ := Answer(nil, packettest.IP6(client6, server6).UDP(4000, 53).Payload("12345678").Raw(), Sender, false)
	for name, packet := range map[string][]byte{
		"a reset":             reset,
		"an ICMP error":       unreachable,
		"to many":             packettest.IP4(client, "224.0.0.1").UDP(1, 2).Payload("12345678").Raw(),
		"to many, IPv6":       packettest.IP6(client6, "ff02::1").UDP(1, 2).Payload("12345678").Raw(),
		"from nobody":         packettest.IP4("0.0.0.0", server).UDP(1, 2).Payload("12345678").Raw(),
		"a later fragment":    packettest.IP4(client, server).UDP(1, 2).Payload("0123456789abcdef").Fragment(8, false).Raw(),
		"an IPv6 fragment":    packettest.IP6(client6, server6).UDP(1, 2).Payload("0123456789abcdef").Fragment(8, false).Raw(),
		"cut in the header":   packettest.IP4(client, server).TCP(1, 2, "A").Raw()[:30],
		"no packet":           {},
		"neither version":     bytes.Repeat([]byte{0x50}, 60),
		"a neighbour's query": packettest.IP6(client6, server6).Header(58, 135, 0, 0, 0, 0, 0, 0, 0).Raw(),
	} {
		if b, ok := Answer(nil, packet, Sender, false); ok {
			t.Errorf("%s was answered: %x", name, b)
		}
	}
}

func TestFrame(t *testing.T) {
	inner := packettest.IP4(client, server).TCP(4000, 80, "PA").Seq(1000, 7000).Payload("GET /").Raw()
	frame := packettest.GENEVE("10.9.0.1", "10.9.0.2", packettest.AWS(7, 8, 9), inner)
	o, ok := Open(frame, true)
	if !ok || !bytes.Equal(o.IP, inner) {
		t.Fatalf("the packet in the tunnel is %x", o.IP)
	}
	for end, want := range map[End]string{Sender: client, Receiver: server} {
		b, ok := o.Frame(nil, end)
		if !ok {
			t.Fatal("no answer")
		}
		var outer, in decode.Packet
		d := decode.Default()
		d.Decode(&outer, packettest.Frame(b, 1))
		if !d.Inner(&outer, &in) || outer.BadIPChecksum || in.BadIPChecksum || in.BadL4Checksum {
			t.Fatalf("no sound packet in a tunnel: %x", b)
		}
		const options = ethLen + ip4Len + udpLen + geneveLen
		if outer.Src.IP().String() != "10.9.0.2" || outer.Dst.IP().String() != "10.9.0.1" || outer.DstPort != 6081 || outer.SrcPort != 54321 ||
			!bytes.Equal(b[:6], frame[6:12]) || !bytes.Equal(b[6:12], frame[:6]) || !bytes.Equal(b[options:options+32], frame[options:options+32]) || in.Dst.IP().String() != want {
			t.Errorf("to end %d:\n got %x\nfrom %x", end, b, frame)
		}
	}
	if _, ok := Open(frame[:80], true); ok {
		t.Error("opened a frame cut in the tunnel")
	}
	if _, ok := Open(packettest.IP4(client, server).UDP(1, 2).Ethernet(), true); ok {
		t.Error("opened a tunnel that is none")
	}
}

// FuzzAnswer: whatever is answered, the answer is a sound packet of bounded length that itself is not answered.
func FuzzAnswer(f *testing.F) {
	f.Add(packettest.IP4(client, server).TCP(4000, 80, "PA").Payload("GET /").Ethernet(), false)
	f.Add(packettest.IP6(client6, server6).UDP(4000, 53).Payload("query").Extension(60, 0, 0, 0, 0, 0, 0).VLAN(5).Ethernet(), false)
	f.Add(packettest.GENEVE("10.9.0.1", "10.9.0.2", packettest.AWS(7, 8, 9), packettest.IP4(client, server).ICMP(8, 0, 1, 1).Raw()), true)
	f.Fuzz(func(t *testing.T, frame []byte, tunnel bool) {
		o, ok := Open(frame, tunnel)
		if !ok {
			return
		}
		for _, end := range []End{Sender, Receiver} {
			before := bytes.Clone(frame)
			b, ok := o.Frame(nil, end)
			if !bytes.Equal(before, frame) {
				t.Fatal("the frame was changed")
			}
			if !ok {
				continue
			}
			ip := b[len(o.head):]
			if len(ip) > MaxLen {
				t.Fatalf("an answer of %d bytes", len(ip))
			}
			decoded(t, ip)
			if again, ok := Answer(nil, ip, Sender, false); ok {
				t.Fatalf("the answer %x was answered: %x", ip, again)
			}
		}
	})
}
