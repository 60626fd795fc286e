package smb

import (
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/dcerpc"
)

// pipe is a named pipe that carries DCE/RPC.
type pipe struct {
	session dcerpc.Session
	streams [2]dcerpc.Stream
	txs     map[*dcerpc.Call]*Tx
}

// pipeOf returns the pipe of a handle, starting it when there is none.
func (p *Parser) pipeOf(handle string) *pipe {
	q := p.pipes[handle]
	if q == nil && len(p.pipes) < maxHandles {
		q = &pipe{session: dcerpc.Session{Pipe: true}, txs: map[*dcerpc.Call]*Tx{}}
		p.pipes[handle] = q
	}
	return q
}

// pipeData gives a pipe the bytes of one direction. like is the message that carries them.
func (p *Parser) pipeData(handle string, dir app.Direction, data []byte, command string, like *Tx) {
	q := p.pipeOf(handle)
	if q == nil || len(data) == 0 {
		return
	}
	ok := q.streams[dir].Write(data, func(pdu []byte) { p.rpc(q, handle, dir, pdu, command, like) })
	if !ok {
		q.streams[dir].Reset()
	}
}

// rpc joins a packet to its call and the call to its transaction.
func (p *Parser) rpc(q *pipe, handle string, dir app.Direction, pdu []byte, command string, like *Tx) {
	var c *dcerpc.Call
	if dir == app.ToServer {
		c, _ = q.session.Client(pdu)
	} else {
		c, _ = q.session.Server(pdu)
	}
	if c == nil {
		return
	}
	t := q.txs[c]
	if t == nil {
		if len(q.txs) >= maxHandles {
			return
		}
		if t = p.begin(like.Version, command); t == nil {
			return
		}
		t.SessionID, t.TreeID, t.DCERPC = like.SessionID, like.TreeID, c
		t.FUID = []byte(handle)
		q.txs[c] = t
	}
	t.Touch(dir)
	if dir == app.ToClient {
		t.Status, t.StatusCode = like.Status, like.StatusCode
	}
	if c.ReqDone || c.ResDone {
		done(t, app.ToServer)
	}
	if c.ResDone {
		done(t, app.ToClient)
		delete(q.txs, c)
	}
}
