package decode_test

import (
	"bytes"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/decode/packettest"
)

// FuzzDecode looks for panics, fields that point outside the frame, and differences from gopacket, which reads what is well
// formed independently of us.
func FuzzDecode(f *testing.F) {
	inner := packettest.IP4("10.0.0.1", "10.0.0.2").TCP(1, 80, "S").TCPOptions(2, 4, 5, 180)
	for _, b := range [][]byte{
		inner.Ethernet(),
		inner.Clone().VLAN(1).VLAN(2).Ethernet(),
		packettest.GENEVE("1.1.1.1", "2.2.2.2", packettest.AWS(1, 2, 3), inner.Raw()),
		packettest.GENEVE("1.1.1.1", "2.2.2.2", packettest.AWS(1, 2, 3), packettest.VXLAN("3.3.3.3", "4.4.4.4", 5, inner.Ethernet())),
		packettest.IP6("fd00::1", "fd00::2").Extension(0, 5, 2, 0, 0).Extension(43, 2, 0).UDP(1, 2).Payload("x").Ethernet(),
		packettest.IP6("fd00::1", "fd00::2").Proto(17).Fragment(8, true).Payload("12345678").Ethernet(),
		packettest.IP4("1.1.1.1", "2.2.2.2").Header(47, 0x10, 0, 0x88, 0xbe, 0, 0, 0, 1).Bytes(append([]byte{0x10, 9, 0, 0, 0, 0, 0, 0}, inner.Ethernet()...)).Ethernet(),
		packettest.IP4("1.1.1.1", "2.2.2.2").ICMP(3, 1, 0, 0).Bytes(inner.Raw()).Ethernet(),
		packettest.IP4("1.1.1.1", "2.2.2.2").Options(7, 7, 4, 0, 0, 0, 0).UDP(3544, 1).Bytes(packettest.IP6("fd00::1", "fd00::2").UDP(1, 2).Raw()).Ethernet(),
	} {
		f.Add(uint16(decode.LinkEthernet), b)
	}
	f.Add(uint16(decode.LinkPPP), append([]byte{0xff, 3, 0, 0x21}, inner.Raw()...))
	f.Add(uint16(decode.LinkNull), append([]byte{2, 0, 0, 0}, inner.Raw()...))
	f.Add(uint16(decode.LinkSLL2), append(append([]byte{8, 0}, make([]byte, 18)...), inner.Raw()...))
	d := decode.Default()
	d.Cut = true
	f.Fuzz(func(t *testing.T, link uint16, data []byte) {
		var layers [decode.MaxDepth + 1]decode.Packet
		p := &layers[0]
		d.Decode(p, frame(decode.LinkType(link), data))
		inside(t, p)
		if decode.LinkType(link) == decode.LinkEthernet {
			differ(t, p, data)
		}
		for n := 0; n < decode.MaxDepth && d.Inner(&layers[n], &layers[n+1]); n++ {
			inside(t, &layers[n+1])
		}
	})
}

// inside checks that the packet's slices lie in its frame and in order.
func inside(t *testing.T, p *decode.Packet) {
	t.Helper()
	if p.IPVersion == 0 {
		return
	}
	if p.IPOffset < 0 || p.IPOffset+len(p.IPHeader)+len(p.IPPayload) > len(p.Data) {
		t.Fatalf("IP at %d with %d + %d bytes in a frame of %d", p.IPOffset, len(p.IPHeader), len(p.IPPayload), len(p.Data))
	}
	if !bytes.HasPrefix(p.Data[p.IPOffset:], p.IPHeader) {
		t.Fatal("IPOffset is not where the header is")
	}
	if len(p.L4)+len(p.Payload) > len(p.IPPayload) {
		t.Fatalf("transport of %d + %d bytes in %d", len(p.L4), len(p.Payload), len(p.IPPayload))
	}
	if p.L4 != nil && p.Invalid && p.Proto != decode.ProtoGRE && !p.Events.Any() {
		t.Fatal("invalid without an event")
	}
	if p.Fragment {
		decode.SetIPLength(p.AppendUnfragmented(nil)[p.IPOffset:])
	}
}

// differ compares the outermost packet with what gopacket makes of it, when that finds nothing wrong.
func differ(t *testing.T, p *decode.Packet, data []byte) {
	t.Helper()
	ref, ok := reference(data)
	if !ok || p.Invalid {
		return
	}
	if ip, ok := ref.NetworkLayer().(*layers.IPv4); ok && p.IPVersion == 4 && p.Depth == 0 {
		if !bytes.Equal(ip.SrcIP.To4(), p.Src[12:]) || uint8(ip.Protocol) != p.Proto || ip.TTL != p.TTL {
			t.Errorf("IPv4: ours %v %d %d, reference %v %d %d", p.Src.IP(), p.Proto, p.TTL, ip.SrcIP, ip.Protocol, ip.TTL)
		}
	}
	if p.Fragment || p.L4 == nil || p.IPVersion == 6 {
		return
	}
	switch l := ref.TransportLayer().(type) {
	case *layers.TCP:
		if p.Proto == decode.ProtoTCP && (uint16(l.SrcPort) != p.SrcPort || l.Seq != p.Seq || l.Ack != p.Ack || l.SYN != (p.Flags&decode.SYN != 0) || !bytes.Equal(l.Payload, p.Payload)) {
			t.Errorf("TCP: ours %d %d %d %x %q, reference %+v", p.SrcPort, p.Seq, p.Ack, p.Flags, p.Payload, l)
		}
	case *layers.UDP:
		if p.Proto == decode.ProtoUDP && (uint16(l.SrcPort) != p.SrcPort || !bytes.Equal(l.Payload, p.Payload)) {
			t.Errorf("UDP: ours %d %q, reference %+v", p.SrcPort, p.Payload, l)
		}
	}
}

// reference decodes with gopacket, which panics on some hostile frames. Tunnels are left out: it opens them in one go.
func reference(data []byte) (ref gopacket.Packet, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	ref = gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.NoCopy)
	if ref.ErrorLayer() != nil || ref.NetworkLayer() == nil || ref.TransportLayer() == nil || ref.Metadata().Truncated {
		return nil, false
	}
	n := 0
	for _, l := range ref.Layers() {
		switch l.LayerType() {
		case layers.LayerTypeIPv4, layers.LayerTypeIPv6:
			n++
		}
	}
	return ref, n == 1
}
