package threshold

import (
	"testing"

	"github.com/weir-ips/weir/pkg/decode"
)

func get(host string, at int64, src decode.Addr) *decode.Packet {
	return &decode.Packet{Frame: decode.Frame{Time: at}, IPVersion: 4, Proto: decode.ProtoTCP, Src: src, Dst: victim, SrcPort: 40000, DstPort: 80, L4: []byte{0},
		Flags: decode.ACK | decode.PSH, Payload: []byte("GET / HTTP/1.1\r\nAccept: */*\r\nhost:  " + host + "\r\n\r\n")}
}

func TestAClientsRequestsForOneHostAreCounted(t *testing.T) {
	client := decode.Addr{10: 0xff, 11: 0xff, 12: 198, 13: 51, 14: 100, 15: 7}
	for _, c := range []struct {
		name     string
		rate     int64
		seconds  int64
		hosts    []string
		answered bool
		want     int
	}{
		{"a flood", 700, 12, []string{"shop.example"}, true, 1},
		{"a burst", 2000, 5, []string{"shop.example"}, true, 0},
		{"a browser", 300, 12, []string{"shop.example"}, true, 0},
		{"a proxy for many hosts", 900, 12, []string{"a.example", "b.example", "c.example"}, true, 0},
		{"from a forged address", 700, 12, []string{"shop.example"}, false, 0},
	} {
		d := NewDetector(DefaultLimits())
		var got []Detection
		for i := range c.seconds * c.rate {
			at := int64(1e18) + i*1e9/c.rate
			d.Packet(get(c.hosts[i%int64(len(c.hosts))], at, client), &Facts{Flow: 1, ToServer: true, Answered: c.answered, Ours: 2, Theirs: 1})
			got = append(got, d.Take()...)
		}
		if len(got) != c.want {
			t.Errorf("%s: %+v", c.name, got)
			continue
		}
		if c.want == 1 && (got[0].Vector != HTTPFlood || got[0].Src != client || got[0].Dst != victim || got[0].Name != "shop.example" || got[0].Port != 80) {
			t.Errorf("%s: %+v", c.name, got[0])
		}
	}
}

func TestHostOf(t *testing.T) {
	for in, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n": "a.example", "GET / HTTP/1.1\nHOST:b": "", "GET / HTTP/1.1\nHOST:b\n": "b", "": "",
		"GET / HTTP/1.1\r\nX-Host: c\r\n\r\n": "", "\n\n\n": "",
	} {
		if got := string(hostOf([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestStrayAcksAreAFloodAndOldConversationsAreNot(t *testing.T) {
	send := func(d *Detector, at int64, i int) {
		src := decode.Addr{10: 0xff, 11: 0xff, 12: 198, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}
		p := decode.Packet{Frame: decode.Frame{Time: at}, IPVersion: 4, Proto: decode.ProtoTCP, Src: src, Dst: victim, SrcPort: 40000, DstPort: 80, L4: []byte{0}, Flags: decode.ACK}
		d.Packet(&p, &Facts{Flow: uint64(i + 1), New: true, ToServer: true, Ours: 1})
	}
	d := NewDetector(DefaultLimits())
	start := int64(1e18)
	for i := range 20_000 { // at the start all conversations are met in the middle
		send(d, start+int64(i)*1e5, i)
	}
	if got := d.Take(); len(got) != 0 {
		t.Errorf("conversations that were under way: %+v", got)
	}
	for i := range 20_000 {
		send(d, start+20e9+int64(i)*1e5, i)
	}
	if got := d.Take(); len(got) != 1 || got[0].Vector != ACKFlood || got[0].Dst != victim {
		t.Errorf("%+v", got)
	}
}

// TestQUICThatAFirewallSwallowsIsNoSweep tries many hosts with QUIC in vain, and the same hosts with short datagrams.
func TestQUICThatAFirewallSwallowsIsNoSweep(t *testing.T) {
	for size, want := range map[int]int{1250: 0, 40: 1} {
		d := NewDetector(DefaultLimits())
		client := decode.Addr{10: 0xff, 11: 0xff, 12: 10, 15: 7}
		body := make([]byte, size)
		body[0] = 0xc0
		found := 0
		for i := range int64(60) {
			p := decode.Packet{Frame: decode.Frame{Time: int64(1e18) + i*2e8}, IPVersion: 4, Proto: decode.ProtoUDP, Src: client, DstPort: 443, SrcPort: 50000 + uint16(i),
				Dst: decode.Addr{10: 0xff, 11: 0xff, 12: 198, 13: 51, 14: 100, 15: byte(i)}, L4: []byte{0}, Payload: body}
			d.Packet(&p, &Facts{Flow: uint64(i + 1), New: true, ToServer: true, Ours: 1})
			for _, e := range d.Take() {
				if e.Vector == HostSweep && e.Phase == Start {
					found++
				}
			}
		}
		if found != want {
			t.Errorf("datagrams of %d bytes: %d sweeps, want %d", size, found, want)
		}
	}
}
