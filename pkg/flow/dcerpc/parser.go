// Package dcerpc reads DCE/RPC over TCP and UDP (C706 chapter 12).
package dcerpc

import (
	"errors"

	"github.com/weir-ips/weir/pkg/flow/app"
	rpc "github.com/weir-ips/weir/pkg/flow/app/dcerpc"
)

// ErrNotDCERPC says that a direction does not carry packets.
var ErrNotDCERPC = errors.New("dcerpc: what comes is no packet of version 5")

// Steps of a direction's progress: packets are arriving, or the last fragment has come.
const (
	Started uint8 = iota
	Complete
	MaxProgress = Complete

	maxTx = 512
)

// Tx is one call.
type Tx struct {
	app.TxBase
	Call *rpc.Call
}

// Parser reads one connection.
type Parser struct {
	txs     app.Queue
	session rpc.Session
	streams [2]rpc.Stream
	resync  [2]bool
	err     [2]error
}

// New returns a parser of one connection.
func New() *Parser { return &Parser{} }

// Probe tells DCE/RPC by a header of version 5.0 with a sensible length.
func Probe(dir app.Direction, data []byte, _, _ uint16) app.Match {
	if len(data) < rpc.HeaderLen {
		if len(data) == 0 || data[0] == 5 && (len(data) < 2 || data[1] <= 1) {
			return app.More
		}
		return app.No
	}
	h, ok := rpc.ParseHeader(data)
	if !ok || h.Length < rpc.HeaderLen+4 || h.AuthLength >= h.Length || data[4]&0xef != 0 || data[5] > 3 {
		return app.No
	}
	client := h.Type == rpc.Bind || h.Type == rpc.AlterCtx || h.Type == rpc.Request
	server := h.Type == rpc.BindAck || h.Type == rpc.BindNak || h.Type == rpc.AlterCtxAck || h.Type == rpc.Response || h.Type == rpc.Fault
	if dir == app.ToServer && client || dir == app.ToClient && server {
		return app.Yes
	}
	return app.No
}

// Proto returns app.DCERPC.
func (p *Parser) Proto() app.Proto { return app.DCERPC }

// SetFrames implements app.Framer.
func (p *Parser) SetFrames(f *app.Frames) {
	for d := range p.streams {
		dir := app.Direction(d)
		p.streams[d].Header = func(back, length int) {
			f.Add(dir, app.DCERPCPDU, back, int64(length))
			f.Add(dir, app.DCERPCHeader, back, rpc.HeaderLen)
			if length > rpc.HeaderLen {
				f.Add(dir, app.DCERPCData, back-rpc.HeaderLen, int64(length-rpc.HeaderLen))
			}
		}
	}
}

// Txs returns the live transactions.
func (p *Parser) Txs() []app.Tx { return p.txs.All() }

// Free drops the oldest n transactions.
func (p *Parser) Free(n int) { p.txs.Free(n) }

// Feed takes the next bytes of one direction.
func (p *Parser) Feed(dir app.Direction, data []byte, now int64) error {
	if p.err[dir] != nil {
		return p.err[dir]
	}
	if p.resync[dir] {
		if Probe(dir, data, 0, 0) != app.Yes {
			return nil
		}
		p.resync[dir] = false
	}
	if !p.streams[dir].Write(data, func(pdu []byte) { p.packet(dir, pdu, now) }) {
		p.err[dir] = ErrNotDCERPC
	}
	return p.err[dir]
}

// packet joins a packet to its call and the call to its transaction.
func (p *Parser) packet(dir app.Direction, pdu []byte, now int64) {
	var c *rpc.Call
	if dir == app.ToServer {
		c, _ = p.session.Client(pdu)
	} else {
		c, _ = p.session.Server(pdu)
	}
	if c == nil {
		return
	}
	t := p.of(c)
	if t == nil {
		if p.txs.Len() >= maxTx {
			return
		}
		t = &Tx{Call: c}
		p.txs.Add(t, now)
	}
	t.Touch(dir)
	if c.ReqDone || c.ResDone {
		t.Advance(app.ToServer, Complete)
		t.Complete[app.ToServer] = true
	}
	if c.ResDone {
		t.Advance(app.ToClient, Complete)
		t.Complete[app.ToClient] = true
	}
}

func (p *Parser) of(c *rpc.Call) *Tx {
	list := p.txs.All()
	for i := len(list) - 1; i >= 0; i-- {
		if t := list[i].(*Tx); t.Call == c {
			return t
		}
	}
	return nil
}

// Gap drops the packet that misses bytes and goes on at the next segment that starts with one.
func (p *Parser) Gap(dir app.Direction, _ int) {
	p.streams[dir].Reset()
	p.resync[dir] = true
}

// Close ends one direction: calls without answer stay so.
func (p *Parser) Close(dir app.Direction) {
	p.streams[dir].Reset()
	p.txs.Close(dir)
}
