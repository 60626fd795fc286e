package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// TestFloodFrames decodes the frames with an implementation that shares nothing with ours, checksums included.
func TestFloodFrames(t *testing.T) {
	h := &Host{Addr: netip.MustParseAddr("203.0.113.66"), MAC: [6]byte{2, 0, 0, 0, 0, 1}, RouterMAC: [6]byte{2, 0, 0, 0, 0, 2}}
	for _, tt := range []struct {
		kind     FloodKind
		src, dst string
		layers   string
	}{
		{SYNFlood, "0.0.0.0/0", "10.77.2.10", "Ethernet IPv4 TCP"},
		{SYNFlood, "2001:db8:bad::/48", "fd77:2::10", "Ethernet IPv6 TCP"},
		{UDPFlood, "198.18.0.0/15", "10.77.2.10", "Ethernet IPv4 UDP"},
		{UDPFlood, "2001:db8:bad::/48", "fd77:2::10", "Ethernet IPv6 UDP"},
		{ICMPFlood, "203.0.113.66/32", "10.77.2.10", "Ethernet IPv4 ICMPv4"},
		{BareSYNFlood, "198.18.0.0/15", "10.77.2.10", "Ethernet IPv4 TCP"},
		{BareSYNFlood, "2001:db8:bad::/48", "fd77:2::10", "Ethernet IPv6 TCP"},
		{SYNACKFlood, "198.18.0.0/15", "10.77.2.10", "Ethernet IPv4 TCP"},
		{ACKFlood, "2001:db8:bad::/48", "fd77:2::10", "Ethernet IPv6 TCP"},
		{FragmentFlood, "198.18.0.0/15", "10.77.2.10", "Ethernet IPv4 Fragment"},
		{FragmentFlood, "2001:db8:bad::/48", "fd77:2::10", "Ethernet IPv6 IPv6Fragment Fragment"},
		{GREFlood, "198.18.0.0/15", "10.77.2.10", "Ethernet IPv4 GRE"},
		{SYNACKFlood, "2001:db8:bad::/48", "fd77:2::10", "Ethernet IPv6 TCP"},
		{ACKFlood, "198.18.0.0/15", "10.77.2.10", "Ethernet IPv4 TCP"},
		{ICMPFlood, "2001:db8:bad::/48", "fd77:2::10", "Ethernet IPv6 ICMPv6 ICMPv6Echo"},
		{UDPFlood, "198.18.0.0/15", "10.77.2.0/24", "Ethernet IPv4 UDP"},
		{SYNFlood, "2001:db8:bad::/48", "fd77:2::/120", "Ethernet IPv6 TCP"},
	} {
		f := Flood{Kind: tt.kind, From: h, Src: netip.MustParsePrefix(tt.src), Payload: 33}
		if strings.Contains(tt.dst, "/") {
			f.Spread = netip.MustParsePrefix(tt.dst)
			f.Dst = netip.AddrPortFrom(f.Spread.Addr(), 9999)
		} else {
			f.Dst = netip.AddrPortFrom(netip.MustParseAddr(tt.dst), 9999)
		}
		if err := f.check(); err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprint(tt.kind, " to ", tt.dst), func(t *testing.T) {
			var b [maxFrame]byte
			rng := rand.New(rand.NewPCG(1, 2))
			examine(t, &f, tt.layers, func() []byte { return b[:f.put(b[:], rng)] })
		})
		t.Run(fmt.Sprint("live ", tt.kind, " to ", tt.dst), func(t *testing.T) {
			needRoot(t)
			live, err := f.load()
			if err != nil {
				t.Fatal(err)
			}
			defer live.objects.Close()
			examine(t, &f, tt.layers, func() []byte {
				out := make([]byte, len(live.frame))
				action, err := live.objects.Flood.Run(&ebpf.RunOptions{Data: live.frame, DataOut: out, Repeat: 1})
				if err != nil || action != 3 {
					t.Fatalf("action %d, %v; want 3: sent", action, err)
				}
				return out
			})
		})
	}
}

// examine looks at some frames of a flood: what they are made of, lengths and checksums, addresses.
func examine(t *testing.T, f *Flood, want string, next func() []byte) {
	t.Helper()
	sources, targets := map[netip.Addr]bool{}, map[netip.Addr]bool{}
	for range 20 {
		frame := next()
		p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
		names := ""
		for _, l := range p.Layers() {
			if l.LayerType() != gopacket.LayerTypePayload {
				names += " " + l.LayerType().String()
			}
		}
		ends := p.NetworkLayer().NetworkFlow()
		src, dst := netip.MustParseAddr(ends.Src().String()), netip.MustParseAddr(ends.Dst().String())
		if names[1:] != want || !f.Src.Contains(src) || !f.Spread.Contains(dst) {
			t.Fatalf("layers%s, %v", names, ends)
		}
		sources[src], targets[dst] = true, true
		if p.Layer(layers.LayerTypeIPv6Fragment) != nil || f.Kind == GREFlood {
			continue // gopacket reads them and cannot write them
		}
		if p.Layer(layers.LayerTypeICMPv6) != nil { // nor their payload
			if rest := frame[ethLen+ipv6Len:]; (ipHeader{src: src, dst: dst, proto: 58}).checksum(rest) != 0 {
				t.Fatalf("the checksum is wrong: % x", frame)
			}
			continue
		}
		if again := reserialize(t, p); string(again[:len(frame)]) != string(frame) { // it pads to 60 bytes
			t.Fatalf("lengths or checksums are wrong:\n% x\n% x", frame, again)
		}
	}
	for p, seen := range map[netip.Prefix]map[netip.Addr]bool{f.Src: sources, f.Spread: targets} {
		if p.IsSingleIP() != (len(seen) == 1) {
			t.Errorf("%d addresses of %s", len(seen), p)
		}
	}
}

// TestPing has the kernel at the other end check length and checksum: it answers only what is right.
func TestPing(t *testing.T) {
	l := newLab(t)
	top, err := HostTopology(l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := OpenWire(top.Attacker.Namespace, "eth0")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, dst := range []netip.Addr{top.Proxy.Addr, top.Proxy.Addr6} {
		f := Flood{Kind: ICMPFlood, From: top.Attacker, Dst: netip.AddrPortFrom(dst, 0), Rate: 100, Payload: 33}
		sent, err := f.Run(context.Background(), 50*time.Millisecond)
		if err != nil || sent == 0 {
			t.Fatalf("%d sent, %v", sent, err)
		}
		for answers := uint64(0); answers < sent; {
			frame, err := w.Recv()
			if err != nil || frame == nil {
				t.Fatalf("%d answers to %d pings of %s: %v", answers, sent, dst, err)
			}
			p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
			v4, _ := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
			v6, _ := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
			if v4 != nil && v4.TypeCode.Type() == layers.ICMPv4TypeEchoReply || v6 != nil && v6.TypeCode.Type() == layers.ICMPv6TypeEchoReply {
				answers++
			}
		}
	}
}

// reserialize has gopacket compute lengths and checksums anew.
func reserialize(t *testing.T, p gopacket.Packet) []byte {
	t.Helper()
	var all []gopacket.SerializableLayer
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.TCP:
			l.SetNetworkLayerForChecksum(p.NetworkLayer())
		case *layers.UDP:
			l.SetNetworkLayerForChecksum(p.NetworkLayer())
		case *layers.ICMPv6:
			l.SetNetworkLayerForChecksum(p.NetworkLayer())
		}
		all = append(all, l.(gopacket.SerializableLayer))
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, all...); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestEachVectorArrives sends each to a routed victim, where what arrives is counted.
func TestEachVectorArrives(t *testing.T) {
	l := newLab(t)
	top, err := HostTopology(l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := OpenWire(top.Proxy.Namespace, "eth0")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	anybody, anybody6 := netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("2001:db8:bad::/64")
	for name, f := range map[string]Flood{
		"bare SYN": {Kind: BareSYNFlood}, "SYN-ACK": {Kind: SYNACKFlood, SrcPort: 443}, "ACK": {Kind: ACKFlood},
		"fragment": {Kind: FragmentFlood, Payload: 64}, "GRE": {Kind: GREFlood, Payload: 64}, "reflection": {Kind: UDPFlood, SrcPort: 53, Payload: 300},
		"carpet": {Kind: UDPFlood, Payload: 64, Spread: netip.MustParsePrefix("10.77.2.10/31")},
		"pulse":  {Kind: SYNFlood, On: 50 * time.Millisecond, Off: 50 * time.Millisecond},
		"IPv6":   {Kind: SYNFlood, Src: anybody6, Dst: netip.AddrPortFrom(top.Proxy.Addr6, 80)}, "IPv6 fragment": {Kind: FragmentFlood, Src: anybody6, Dst: netip.AddrPortFrom(top.Proxy.Addr6, 80)},
	} {
		if !f.Src.IsValid() {
			f.Src, f.Dst = anybody, netip.AddrPortFrom(top.Proxy.Addr, 80)
		}
		f.From, f.Rate = top.Attacker, 2000
		sent, err := f.Run(context.Background(), 150*time.Millisecond)
		if err != nil {
			t.Fatal(name, err)
		}
		got := uint64(0)
		for {
			frame, err := w.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if frame == nil {
				break
			}
			src, ok := sourceOf(frame)
			if ok && f.Src.Contains(src) {
				got++
			}
		}
		least := sent
		if f.Spread.IsValid() {
			least = sent / 3 // the other address has nobody
		}
		if sent < 100 || got < least || got > sent {
			t.Errorf("%s: %d sent at 2000/s in 150 ms, %d arrived", name, sent, got)
		}
	}
}

func sourceOf(frame []byte) (netip.Addr, bool) {
	if len(frame) < ethLen+ipv6Len {
		return netip.Addr{}, false
	}
	if frame[ethLen]>>4 == 4 {
		return netip.AddrFromSlice(frame[ethLen+12 : ethLen+16])
	}
	return netip.AddrFromSlice(frame[ethLen+8 : ethLen+24])
}

func TestFloodArrivesAtItsRate(t *testing.T) {
	l := newLab(t)
	top, err := HostTopology(l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := OpenWire(top.Proxy.Namespace, "eth0")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	f := Flood{Kind: SYNFlood, From: top.Attacker, Dst: netip.AddrPortFrom(top.Proxy.Addr, 80), Src: netip.MustParsePrefix("198.18.0.0/15"), Rate: 2000}
	sent, err := f.Run(context.Background(), 250*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for {
		frame, err := w.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if frame == nil {
			break
		}
		if tuple, first, ok := parseIP(frame[ethLen:]); ok && first && tuple.dport == 80 && tuple.src[0] == 198 {
			got++
		}
	}
	if sent < 250 || sent > 550 || got != int(sent) {
		t.Errorf("%d sent at 2000/s in 250 ms, %d arrived", sent, got)
	}
	if _, err := (Flood{Kind: UDPFlood, From: top.Attacker, Dst: f.Dst, Src: netip.MustParsePrefix("::/0")}).Run(context.Background(), 1); err == nil ||
		!strings.Contains(err.Error(), "different IP versions") {
		t.Errorf("IPv6 sources to an IPv4 destination: %v", err)
	}
}

func TestReplay(t *testing.T) {
	l := newLab(t)
	top, err := HostTopology(l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.pcap")
	writeCapture(t, path, top)
	w, err := OpenWire(top.Proxy.Namespace, "eth0")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	result, err := Replay(context.Background(), top.Attacker, path, 1000)
	if err != nil || result != (ReplayResult{Sent: 50, Skipped: 1}) {
		t.Errorf("%+v, %v; want 50 sent, the cut one skipped", result, err)
	}
	for i := 0; i < 50; {
		frame, err := w.Recv()
		if err != nil || frame == nil {
			t.Fatalf("after %d frames: %v", i, err)
		}
		tuple, _, ok := parseIP(frame[ethLen:])
		if !ok || tuple.dport != 4242 {
			continue
		}
		if n := binary.BigEndian.Uint32(frame[42:]); n != uint32(i) {
			t.Fatalf("frame %d came as %d", n, i)
		}
		i++
	}
	if _, err := Replay(context.Background(), top.Attacker, path+"x", 0); err == nil || !os.IsNotExist(unwrapAll(err)) {
		t.Errorf("a capture that is not there: %v", err)
	}
}

func unwrapAll(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		if _, ok := err.(*os.PathError); ok {
			return err
		}
		err = u.Unwrap()
	}
}

// writeCapture writes 50 UDP datagrams with numbers, from MACs of another world, and one that was cut.
func writeCapture(t *testing.T, path string, top *Topology) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := pcapgo.NewWriter(file)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for i := range 51 {
		b := make([]byte, 100)
		rest := putEthernet(b, [6]byte{2, 9}, [6]byte{2, 8}, 0x0800)
		rest = ipHeader{src: top.Client.Addr, dst: top.Proxy.Addr, proto: 17, ttl: 64}.put(rest, 66)
		binary.BigEndian.PutUint32(putUDP(rest, 1111, 4242, 58), uint32(i))
		ci := gopacket.CaptureInfo{CaptureLength: len(b), Length: len(b)}
		if i == 50 {
			ci.Length += 10
		}
		if err := w.WritePacket(ci, b); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMirror(t *testing.T) {
	l := newLab(t)
	top, err := FullTopology(l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := StartMirror(MirrorConfig{Source: top.Proxy, Target: top.Sensor, Router: top.VPC, VNI: 0xabcdef, PacketLength: 200})
	if err != nil {
		t.Fatal(err)
	}
	w, err := OpenWire(top.Sensor.Namespace, "eth0")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for h, port := range map[*Host]uint16{top.Proxy: 53, top.Sensor: vxlanPort} {
		sink, err := h.swallow(netip.AddrPortFrom(h.Addr, port))
		if err != nil {
			t.Fatal(err)
		}
		defer sink.Close()
	}
	conn, err := top.Client.Dial(context.Background(), "udp", netip.AddrPortFrom(top.Proxy.Addr, 53).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, size := range []int{10, 500} {
		if _, err := conn.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	var sizes []int
	for len(sizes) < 2 {
		frame, err := w.Recv()
		if err != nil || frame == nil {
			t.Fatalf("%d copies: %v", len(sizes), err)
		}
		p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
		vxlan, ok := p.Layer(layers.LayerTypeVXLAN).(*layers.VXLAN)
		if !ok {
			continue
		}
		ip := p.NetworkLayer().(*layers.IPv4)
		if vxlan.VNI != 0xabcdef || ip.SrcIP.String() != top.Proxy.Addr.String() || ip.DstIP.String() != top.Sensor.Addr.String() {
			t.Errorf("VNI %#x, %v", vxlan.VNI, p.NetworkLayer().NetworkFlow())
		}
		if inner, _, ok := parseIP(vxlan.Payload[ethLen:]); ok && inner.dport == 53 { // and none of what a host says of its own accord
			sizes = append(sizes, len(vxlan.Payload))
		}
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if s := m.Stats(); sizes[0] != 14+28+10 || sizes[1] != 200 || s.NetworkPacketsMirrored < 2 || s.Truncated < 1 {
		t.Errorf("copies of %v bytes, %+v", sizes, s)
	}
}

func TestExcludedFromMirroring(t *testing.T) {
	build := func(src, dst string, proto uint8, sport, dport uint16) []byte {
		b := make([]byte, 60)
		h := ipHeader{src: netip.MustParseAddr(src), dst: netip.MustParseAddr(dst), proto: proto, ttl: 1}
		putUDP(h.put(putEthernet(b, [6]byte{}, [6]byte{}, h.etherType()), 26), sport, dport, 18)
		return b
	}
	arp := make([]byte, 60)
	arp[12], arp[13] = 8, 6
	for name, tt := range map[string]struct {
		frame []byte
		want  bool
	}{
		"ARP":         {arp, true},
		"DHCP":        {build("10.0.0.1", "10.0.0.2", 17, 68, 67), true},
		"NTP":         {build("10.0.0.1", "169.254.169.123", 17, 123, 123), true},
		"IMDS":        {build("10.0.0.1", "169.254.169.254", 6, 40000, 80), true},
		"DNS":         {build("10.0.0.1", "10.0.0.2", 17, 40000, 53), false},
		"TCP port 67": {build("10.0.0.1", "10.0.0.2", 6, 40000, 67), false},
	} {
		if got := excluded(tt.frame); got != tt.want {
			t.Errorf("%s: excluded %v; want %v", name, got, tt.want)
		}
	}
}

func TestLiveFlood(t *testing.T) {
	l := newLab(t)
	top, err := HostTopology(l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := OpenWire(top.Proxy.Namespace, "eth0") // beyond the router: the frames must be such that it passes them on
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	anybody6 := netip.MustParsePrefix("2001:db8:bad::/64")
	for name, f := range map[string]Flood{
		"SYN":          {Kind: SYNFlood, Rate: 20_000},
		"UDP, IPv6":    {Kind: UDPFlood, Rate: 20_000, Src: anybody6, Dst: netip.AddrPortFrom(top.Proxy.Addr6, 9999), Payload: 33},
		"carpet":       {Kind: UDPFlood, Rate: 20_000, Spread: netip.MustParsePrefix("10.77.2.10/31")},
		"pulses":       {Kind: SYNFlood, Rate: 40_000, On: 50 * time.Millisecond, Off: 50 * time.Millisecond},
		"all it makes": {Kind: SYNFlood, Burst: 5000},
	} {
		f.From = top.Attacker
		if !f.Dst.IsValid() {
			f.Dst, f.Src = netip.AddrPortFrom(top.Proxy.Addr, 9999), netip.MustParsePrefix("198.18.0.0/15")
		}
		duration := 250 * time.Millisecond
		if f.Burst > 0 {
			duration = time.Millisecond
		}
		sent, err := f.RunLive(context.Background(), duration)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sources, got := map[string]bool{}, uint64(0)
		for {
			frame, err := w.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if frame == nil {
				break
			}
			p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
			if ip := p.NetworkLayer(); ip != nil {
				if src := netip.MustParseAddr(ip.NetworkFlow().Src().String()); f.Src.Contains(src) {
					got++
					sources[src.String()] = true
				}
			}
		}
		least := sent * 9 / 10
		if f.Spread.IsValid() { // the other half has no neighbour to go to
			least = sent * 4 / 10
		}
		if sent < 400 || sent > 10_000 || got < least || uint64(len(sources)) < got*8/10 {
			t.Errorf("%s: %d sent, %d came from %d sources", name, sent, got, len(sources))
		}
	}
}
