package threshold

import (
	"encoding/binary"
	"testing"

	"github.com/weir-ips/weir/pkg/decode"
)

// clientHello is a record with a ClientHello that offers suites and asks for a name.
func clientHello(name string, suites ...uint16) []byte {
	body := append([]byte{3, 3}, make([]byte, 32)...)
	body = append(body, 0)
	body = binary.BigEndian.AppendUint16(body, uint16(2*len(suites)))
	for _, s := range suites {
		body = binary.BigEndian.AppendUint16(body, s)
	}
	body = append(body, 1, 0)
	sni := append([]byte{0, 0, 0, byte(len(name) + 5), 0, byte(len(name) + 3), 0, 0, byte(len(name))}, name...)
	body = binary.BigEndian.AppendUint16(body, uint16(4+len(sni)))
	body = append(append(body, 0, 23, 0, 0), sni...)
	msg := append([]byte{1, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	return append([]byte{22, 3, 1, byte(len(msg) >> 8), byte(len(msg))}, msg...)
}

func TestHello(t *testing.T) {
	whole := clientHello("shop.example", 0x1a1a, 0x1301, 0xc02f)
	h := readHello(whole)
	if string(h.name) != "shop.example" || len(h.suites) != 6 {
		t.Errorf("%q, % x", h.name, h.suites)
	}
	for n := range whole { // cut short anywhere
		readHello(whole[:n])
	}
	if a, b := suitesHash([]byte{0x1a, 0x1a, 0x13, 1, 0xc0, 0x2f}), suitesHash([]byte{0xc0, 0x2f, 0x3a, 0x3a, 0x13, 1}); a != b || a == suitesHash(nil) {
		t.Errorf("order or GREASE matter: %s, %s", a, b)
	}
	// the published example of JA4: t13d1516h2_8daaf6152771_e5627efa2ab1
	example := []byte{}
	for _, s := range []uint16{0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x9c, 0x9d, 0x2f, 0x35} {
		example = binary.BigEndian.AppendUint16(example, s)
	}
	if got := suitesHash(example); got != "8daaf6152771" {
		t.Errorf("%s", got)
	}
}

func FuzzHello(f *testing.F) {
	f.Add(clientHello("a.example", 0x1301))
	f.Add([]byte{22, 3, 1, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		h := readHello(b)
		if len(h.name)+len(h.suites) > len(b) {
			t.Fatalf("%+v of %d bytes", h, len(b))
		}
		suitesHash(h.suites)
	})
}

// TestTLSHandshakesOfOneClient counts hellos, renegotiation, and neither data nor hellos of forged addresses.
func TestTLSHandshakesOfOneClient(t *testing.T) {
	for _, c := range []struct {
		name    string
		rate    int64
		ours    uint64 // packets of the client's in the conversation
		theirs  uint64
		payload []byte
		want    string
	}{
		{"handshakes", 300, 3, 1, clientHello("shop.example", 0x1301), "shop.example"},
		{"renegotiation", 300, 50, 40, []byte{22, 3, 3, 0, 40, 0x8f, 0x11}, ""},
		{"a browser", 100, 3, 1, clientHello("shop.example", 0x1301), "-"},
		{"a download", 3000, 50, 1, []byte{23, 3, 3, 0, 40, 1}, "-"},
		{"forged", 300, 2, 0, clientHello("shop.example", 0x1301), "-"},
	} {
		w := newWorld(DefaultLimits())
		var got []Detection
		for i := range 12 * c.rate {
			at := int64(1e18) + i*1e9/c.rate
			p := get("", at, client)
			p.DstPort, p.Payload = 443, c.payload
			w.d.Packet(p, &Facts{Flow: uint64(i + 1), ToServer: true, Answered: c.theirs > 0, Ours: c.ours, Theirs: c.theirs})
			got = append(got, w.d.Take()...)
		}
		if c.want == "-" {
			if len(got) != 0 {
				t.Errorf("%s: %+v", c.name, got)
			}
			continue
		}
		if len(got) != 1 || got[0].Vector != TLSFlood || got[0].Src != client || got[0].Dst != victim || got[0].Port != 443 || got[0].Name != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// TestTLSHandshakesOfOneTool has many clients with the same suites do nothing but handshakes; where they go on to data it is a crowd.
func TestTLSHandshakesOfOneTool(t *testing.T) {
	for _, c := range []struct {
		name    string
		clients int
		goOn    bool
		want    int
	}{{"a botnet", 200, false, 1}, {"a crowd", 200, true, 0}, {"a few", 8, false, 0}} {
		w := newWorld(DefaultLimits())
		var got []Detection
		for i := range 6000 {
			src := decode.Addr{10: 0xff, 11: 0xff, 12: 198, 13: 51, 14: 100, 15: byte(i % c.clients)}
			p := get("", int64(1e18)+int64(i)*1e9/1500, src)
			p.DstPort, p.Payload = 443, clientHello("shop.example", uint16(0x0a0a+i%8*0x1010), 0x1301, 0xc02f)
			facts := Facts{Flow: uint64(i + 1), ToServer: true, Answered: true, Ours: 3, Theirs: 1}
			w.d.Packet(p, &facts)
			if c.goOn {
				p.Payload, facts.Ours = []byte{23, 3, 3, 0, 40, 1}, 5
				w.d.Packet(p, &facts)
			}
			got = append(got, w.d.Take()...)
		}
		if len(got) != c.want {
			t.Errorf("%s: %+v", c.name, got)
			continue
		}
		if c.want == 1 && (got[0].Vector != TLSGroup || got[0].Dst != victim || got[0].Name == "" || got[0].Sources < 50) {
			t.Errorf("%s: %+v", c.name, got[0])
		}
	}
}
