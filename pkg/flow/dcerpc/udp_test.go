package dcerpc

import (
	"encoding/binary"
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/apptest"
)

// datagram makes a packet over UDP: kind, flags, sequence number, operation and stub data.
func datagram(order binary.ByteOrder, kind, flags byte, seq uint32, opnum uint16, stub string) string {
	b := make([]byte, udpHeaderLen, udpHeaderLen+len(stub))
	b[0], b[1], b[2] = 4, kind, flags
	if order == binary.LittleEndian {
		b[4] = 0x10
	}
	b[40] = 0xaa
	order.PutUint32(b[64:], seq)
	order.PutUint16(b[68:], opnum)
	order.PutUint16(b[74:], uint16(len(stub)))
	return string(append(b, stub...))
}

func TestUDP(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		p := NewUDP()
		for _, d := range []string{
			datagram(order, 0, udpFrag, 7, 3, "one "),
			datagram(order, 0, udpFrag|udpLastFrag, 7, 3, "two"),
			datagram(order, 0, 0, 8, 4, "other"),
			datagram(order, 2, 0, 7, 3, "answer"), // in the same direction: servers answer by broadcast
		} {
			if err := p.Feed(app.ToServer, []byte(d), 1); err != nil {
				t.Fatal(err)
			}
		}
		if len(p.Txs()) != 2 {
			t.Fatalf("%v: %d calls, want 2", order, len(p.Txs()))
		}
		c, b := p.Txs()[0].(*Tx).Call, p.Txs()[0].Base()
		if string(c.ReqStub) != "one two" || c.ReqFrags != 2 || c.Opnum != 3 || string(c.ResStub) != "answer" || c.Seq != 7 || c.Activity[3] != 0xaa ||
			b.Complete != [2]bool{true, true} {
			t.Errorf("%v: %+v, complete %v", order, c, b.Complete)
		}
		if p.Txs()[1].Base().Complete != [2]bool{true, false} {
			t.Errorf("%v: the call without answer is complete", order)
		}
	}
	if err := NewUDP().Feed(app.ToServer, []byte("\x04 something else"), 1); err == nil {
		t.Error("what is no packet is taken for one")
	}
}

func FuzzUDP(f *testing.F) {
	le := binary.LittleEndian
	f.Add(apptest.Encode(apptest.C(datagram(le, 0, udpFrag, 1, 2, "stub")), apptest.S(datagram(le, 2, 0, 1, 2, "stub"))))
	f.Fuzz(func(t *testing.T, data []byte) { apptest.Drive(t, NewUDP(), data) })
}
