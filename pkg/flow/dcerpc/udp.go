package dcerpc

import (
	"encoding/binary"

	"github.com/weir-ips/weir/pkg/flow/app"
	rpc "github.com/weir-ips/weir/pkg/flow/app/dcerpc"
)

// Header of a datagram (C706 §12.5.2) and the flags in its third byte.
const (
	udpHeaderLen = 80
	udpLastFrag  = 0x02
	udpFrag      = 0x04

	maxWaiting = 64 // calls over UDP that are looked through for the one a packet belongs to
)

// UDP reads calls over UDP. What belongs together is told by the activity and its sequence number, not by directions: a
// server may answer by broadcast.
type UDP struct {
	txs app.Queue
}

// NewUDP returns a parser of one flow of datagrams.
func NewUDP() *UDP { return &UDP{} }

// ProbeUDP tells DCE/RPC over UDP by a header of version 4 whose length fits the datagram.
func ProbeUDP(_ app.Direction, data []byte, _, _ uint16) app.Match {
	if len(data) < udpHeaderLen || data[0] != 4 || data[1] > 10 || data[3]&0xfc != 0 || data[4]&0xee != 0 || data[5] > 3 {
		return app.No
	}
	if n := int(udpOrder(data).Uint16(data[74:])); udpHeaderLen+n > len(data) {
		return app.No
	}
	return app.Yes
}

// udpOrder returns the byte order that a header's data representation names (C706 §14.1).
func udpOrder(b []byte) binary.ByteOrder {
	if b[4]&0x10 != 0 {
		return binary.LittleEndian
	}
	return binary.BigEndian
}

// Proto returns app.DCERPC.
func (p *UDP) Proto() app.Proto { return app.DCERPC }

// Txs returns the live transactions.
func (p *UDP) Txs() []app.Tx { return p.txs.All() }

// Free drops the oldest n transactions.
func (p *UDP) Free(n int) { p.txs.Free(n) }

// Gap does nothing: datagrams have no gaps.
func (p *UDP) Gap(app.Direction, int) {}

// Close ends one direction: calls without answer stay so.
func (p *UDP) Close(dir app.Direction) { p.txs.Close(dir) }

// Feed takes one datagram.
func (p *UDP) Feed(dir app.Direction, data []byte, now int64) error {
	if ProbeUDP(dir, data, 0, 0) != app.Yes {
		return ErrNotDCERPC
	}
	order, kind := udpOrder(data), data[1]
	if kind != rpc.Request && kind != rpc.Response && kind != rpc.Fault {
		return nil
	}
	t := p.call(data, order, now)
	if t == nil {
		return nil
	}
	c := t.Call
	stub := data[udpHeaderLen : udpHeaderLen+int(order.Uint16(data[74:]))]
	done := data[2]&udpFrag == 0 || data[2]&udpLastFrag != 0
	if kind == rpc.Request {
		c.HasReq, c.ReqType, c.Opnum = true, kind, order.Uint16(data[68:])
		c.AddRequest(stub, done)
	} else {
		c.HasRes, c.ResType = true, kind
		c.AddResponse(stub, done)
	}
	t.Touch(dir)
	if c.ReqDone {
		t.end(app.ToServer)
	}
	if c.ResDone {
		t.end(app.ToServer)
		t.end(app.ToClient)
	}
	return nil
}

func (t *Tx) end(dir app.Direction) {
	t.Advance(dir, Complete)
	t.Complete[dir] = true
}

// call finds the transaction of a packet's activity and sequence number, or begins one; nil when there are too many.
func (p *UDP) call(b []byte, order binary.ByteOrder, now int64) *Tx {
	activity, seq := rpc.UUID(b[40:56], binary.LittleEndian), order.Uint32(b[64:])
	list := p.txs.All()
	for i := len(list) - 1; i >= max(0, len(list)-maxWaiting); i-- {
		if t := list[i].(*Tx); t.Call.Activity == activity && t.Call.Seq == seq && !t.Call.ResDone {
			return t
		}
	}
	if len(list) >= maxTx {
		return nil
	}
	t := &Tx{Call: &rpc.Call{Version: [2]uint8{4, 0}, Datagram: true, Activity: activity, Seq: seq, LittleEndian: order == binary.LittleEndian}}
	p.txs.Add(t, now)
	return t
}
