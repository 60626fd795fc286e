package dcerpc

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/apptest"
)

// packet makes a packet of version 5.0, in big or little endian.
func packet(order binary.AppendByteOrder, kind, flags byte, id uint32, body string) string {
	b := []byte{5, 0, kind, flags, 0, 0, 0, 0}
	if order.String() == "LittleEndian" {
		b[4] = 0x10
	}
	b = order.AppendUint16(b, uint16(16+len(body)))
	b = order.AppendUint16(b, 0)
	return string(order.AppendUint32(b, id)) + body
}

func request(order binary.AppendByteOrder, opnum uint16, stub string) string {
	b := order.AppendUint32(nil, uint32(len(stub)))
	b = order.AppendUint16(b, 0)
	return string(order.AppendUint16(b, opnum)) + stub
}

func TestFragments(t *testing.T) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		says := []apptest.Say{
			apptest.C(packet(order, 0, 1, 9, request(order, 15, "one ")) + packet(order, 0, 2, 9, request(order, 15, "two"))),
			apptest.S(packet(order, 2, 3, 9, request(order, 0, "answer"))),
			apptest.C(packet(order, 0, 3, 9, request(order, 16, "again"))), // the id may be used again
		}
		for _, n := range []int{1, 20, 1 << 20} {
			p := New()
			apptest.Pieces(t, p, n, says...)
			if len(p.Txs()) != 2 {
				t.Fatalf("%v, pieces of %d: %d calls, want 2", order, n, len(p.Txs()))
			}
			c := p.Txs()[0].(*Tx).Call
			if string(c.ReqStub) != "one two" || c.ReqFrags != 2 || c.Opnum != 15 || !strings.HasSuffix(string(c.ResStub), "answer") || len(c.ResStub) != 14 || !c.ResDone || c.CallID != 9 {
				t.Errorf("%v, pieces of %d: %+v", order, n, c)
			}
		}
	}
}

func TestGap(t *testing.T) {
	p := New()
	le := binary.LittleEndian
	p.Feed(app.ToServer, []byte(packet(le, 0, 3, 1, request(le, 1, "x"))[:20]), 1)
	p.Gap(app.ToServer, 100)
	p.Feed(app.ToServer, []byte("the middle of something"), 1)
	p.Feed(app.ToServer, []byte(packet(le, 0, 3, 2, request(le, 7, "x"))), 1)
	if len(p.Txs()) != 1 || p.Txs()[0].(*Tx).Call.Opnum != 7 {
		t.Errorf("%d calls after a gap, want the one that follows", len(p.Txs()))
	}
}

func TestProbe(t *testing.T) {
	le := binary.LittleEndian
	for data, want := range map[string]app.Match{
		packet(le, 11, 3, 1, strings.Repeat("x", 60)): app.Yes,
		packet(le, 12, 3, 1, strings.Repeat("x", 60)): app.No, // an answer from the client
		"\x05\x00": app.More, "GET / HTTP/1.1\r\n": app.No, packet(le, 11, 3, 1, ""): app.No,
	} {
		if got := Probe(app.ToServer, []byte(data), 0, 135); got != want {
			t.Errorf("%.20q: %d, want %d", data, got, want)
		}
	}
}

func FuzzParser(f *testing.F) {
	le := binary.LittleEndian
	f.Add(apptest.Encode(apptest.C(packet(le, 11, 3, 1, strings.Repeat("\x01\x00", 40))), apptest.S(packet(le, 12, 3, 1, strings.Repeat("\x01\x00", 40))),
		apptest.C(packet(le, 0, 3, 2, request(le, 1, "stub"))), apptest.S(packet(le, 2, 3, 2, request(le, 0, "stub")))))
	f.Fuzz(func(t *testing.T, data []byte) { apptest.Drive(t, New(), data) })
}
