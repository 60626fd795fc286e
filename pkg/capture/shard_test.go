package capture

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/decode"
)

// conversation is one in a load balancer's tunnel.
type conversation struct {
	endpoint     uint64
	src, dst     [4]byte
	sport, dport uint16
	proto        byte
}

func (c conversation) back() conversation {
	c.src, c.dst, c.sport, c.dport = c.dst, c.src, c.dport, c.sport
	return c
}

// ip is a packet of it.
func (c conversation) ip() []byte {
	b := make([]byte, 48)
	copy(b, []byte{0x45, 0, 0, 48, 0, 1, 0, 0, 64, c.proto})
	copy(b[12:], c.src[:])
	copy(b[16:], c.dst[:])
	binary.BigEndian.PutUint16(b[20:], c.sport)
	binary.BigEndian.PutUint16(b[22:], c.dport)
	binary.BigEndian.PutUint16(b[24:], 28) // a UDP datagram's length
	if c.proto == 6 {
		b[32] = 0x50
	}
	return b
}

// tunnelled wraps an IP packet as the endpoint's; outer is the port that the load balancer chose.
func (c conversation) tunnelled(packet []byte, outer uint16) []byte {
	b := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
		byte(outer >> 8), byte(outer), 0x17, 0xc1, 0, 0, 0, 0, 3, 0, 8, 0, 0, 0, 0, 0, 1, 8, 1, 2}
	b = binary.BigEndian.AppendUint64(b, c.endpoint)
	b = append(b, packet...)
	binary.BigEndian.PutUint16(b[16:], uint16(len(b)-14))
	binary.BigEndian.PutUint16(b[38:], uint16(len(b)-34))
	return b
}

func TestShardIsTheConversations(t *testing.T) {
	const workers = 5
	s := sharder{0x1234567, workers}
	rng := rand.New(rand.NewPCG(1, 2))
	var load [workers]int
	apart := 0
	for range 2000 {
		c := conversation{endpoint: 7, proto: []byte{6, 17}[rng.IntN(2)], sport: uint16(rng.Uint32()), dport: 443}
		binary.BigEndian.PutUint32(c.src[:], rng.Uint32()|1)
		binary.BigEndian.PutUint32(c.dst[:], rng.Uint32()|1)
		w := s.worker(c.tunnelled(c.ip(), uint16(rng.Uint32())))
		load[w]++
		if got := s.worker(c.back().tunnelled(c.back().ip(), uint16(rng.Uint32()))); got != w {
			t.Fatalf("%+v: worker %d, the other direction %d", c, w, got)
		}
		if got := s.worker(c.tunnelled(unreachable(c), 1)); got != w {
			t.Fatalf("%+v: worker %d, an ICMP error about it %d", c, w, got)
		}
		other := c
		other.endpoint = 8
		if s.worker(other.tunnelled(c.ip(), 1)) != w {
			apart++
		}
	}
	for w, n := range load {
		if n < 2000/workers/2 || n > 2000/workers*2 {
			t.Errorf("worker %d has %d of 2000 conversations", w, n)
		}
	}
	if apart < 2000/2 {
		t.Errorf("the endpoint changes the worker of %d conversations in 2000", apart)
	}
}

// unreachable is an ICMP error about the conversation, from somewhere on the way.
func unreachable(c conversation) []byte {
	e := conversation{src: [4]byte{192, 0, 2, 1}, dst: c.src, proto: 1}.ip()[:20]
	e = append(e, 3, 1, 0, 0, 0, 0, 0, 0)
	e = append(e, c.ip()[:28]...)
	e[3] = byte(len(e))
	return e
}

// TestShardOfFragments sends all fragments of a datagram to the worker of its conversation, and what that announces, too.
func TestShardOfFragments(t *testing.T) {
	s := sharder{99, 7}
	for i := range 50 {
		c := conversation{endpoint: 7, src: [4]byte{10, 1, 1, byte(i)}, dst: [4]byte{10, 2, 2, 2}, sport: 1000, dport: 53, proto: []byte{6, 17}[i%2]}
		w := s.worker(c.tunnelled(c.ip(), 1))
		first, later := c.ip(), c.ip()
		first[6], later[7] = 0x20, 3
		announced := c.back()
		announced.sport, announced.dport = 20, 40001
		for what, frame := range map[string][]byte{
			"first fragment": c.tunnelled(first, 1), "later fragment": c.tunnelled(later, 2), "data connection": c.tunnelled(announced.ip(), 3),
		} {
			if got := s.worker(frame); got != w {
				t.Errorf("conversation %d: worker %d, its %s %d", i, w, what, got)
			}
		}
	}
}

// FuzzShard compares with the decoder: frames whose innermost packet it keys alike have one worker.
func FuzzShard(f *testing.F) {
	udp := conversation{endpoint: 7, src: [4]byte{10, 1, 1, 1}, dst: [4]byte{10, 2, 2, 2}, sport: 1000, dport: 53, proto: 17}
	tcp := udp
	tcp.proto = 6
	f.Add(udp.tunnelled(udp.ip(), 1))
	f.Add(tcp.tunnelled(tcp.ip(), 1))
	f.Add(tcp.tunnelled(unreachable(tcp), 1))
	f.Add(append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 5, 8, 0}, udp.ip()...))
	d := decode.Default()
	d.Checksums, d.GENEVE, d.VXLAN, d.Teredo = false, []uint16{portGENEVE}, []uint16{portVXLAN}, nil
	s := sharder{1, 64}
	f.Fuzz(func(t *testing.T, b []byte) {
		got := s.worker(b)
		if got < 0 || got >= 64 {
			t.Fatalf("worker %d", got)
		}
		var p, next decode.Packet
		d.Decode(&p, decode.Frame{Data: b, WireLen: len(b), Link: decode.LinkEthernet})
		for p.Tunnel == decode.TunnelGENEVE || p.Tunnel == decode.TunnelVXLAN {
			if p.Fragment || !d.Inner(&p, &next) {
				break
			}
			p = next
		}
		if p.Invalid || p.IPVersion == 0 || p.Fragment || p.L4 == nil || p.Proto != decode.ProtoTCP && p.Proto != decode.ProtoUDP || len(p.L4) < 8 {
			return
		}
		tuple, _ := bpf.NewTuple(p.Tenant, p.Src, p.Dst, p.SrcPort, p.DstPort, p.Proto)
		if want := tuple.Shard(1, 64); got != want {
			t.Errorf("worker %d, by the decoder's reading %d: %v:%d %v:%d of %d", got, want, p.Src.IP(), p.SrcPort, p.Dst.IP(), p.DstPort, p.Tenant)
		}
	})
}

func BenchmarkShard(b *testing.B) {
	s := sharder{1, 4}
	c := conversation{endpoint: 7, src: [4]byte{10, 1, 1, 1}, dst: [4]byte{10, 2, 2, 2}, sport: 1000, dport: 53, proto: 17}
	f := c.tunnelled(c.ip(), 1)
	b.ReportAllocs()
	for b.Loop() {
		s.worker(f)
	}
}
