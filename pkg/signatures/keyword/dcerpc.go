package keyword

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/weir-ips/weir/pkg/flow/app"
	rpc "github.com/weir-ips/weir/pkg/flow/app/dcerpc"
	"github.com/weir-ips/weir/pkg/flow/dcerpc"
	"github.com/weir-ips/weir/pkg/flow/smb"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// callOf returns the DCE/RPC call of a transaction, whatever carries it; nil when there is none.
func callOf(tx app.Tx) *rpc.Call {
	switch t := tx.(type) {
	case *smb.Tx:
		return t.DCERPC
	case *dcerpc.Tx:
		return t.Call
	}
	return nil
}

// dcerpcSources makes the sources of a buffer of a call, over TCP, UDP and SMB; get returns nil when there is none.
func dcerpcSources(get func(x *Context, c *rpc.Call, dir app.Direction) []byte) []Source {
	var out []Source
	for _, p := range [...]app.Proto{app.DCERPC, app.SMB} {
		for _, d := range [...]app.Direction{app.ToServer, app.ToClient} {
			out = append(out, Source{Proto: p, Dir: d, Progress: 1, Get: func(x *Context, tx app.Tx, i int) (Bytes, bool) {
				c := callOf(tx)
				if c == nil || i > 0 {
					return Bytes{}, false
				}
				b := get(x, c, d)
				return Bytes{Data: b}, b != nil
			}})
		}
	}
	return out
}

var dceStubData = &Buffer{Name: "dcerpc.stub_data", Sources: dcerpcSources(func(_ *Context, c *rpc.Call, dir app.Direction) []byte {
	if dir == app.ToServer {
		return orNil(c.ReqStub)
	}
	return orNil(c.ResStub)
})}

// dceLittle reports the byte order of the call under inspection; without one it is little endian, as nearly all are.
func (c *Context) dceLittle() bool {
	if c.Tx == nil {
		return true
	}
	call := callOf(c.Tx)
	return call == nil || call.LittleEndian
}

// dceTest is a keyword that tests a call; it holds or it does not. name tells it from every other test: results are kept by it.
func (c *compiler) dceTest(name string, holds func(*rpc.Call) bool) error {
	b := &Buffer{Name: name, Weak: true, Sources: dcerpcSources(func(_ *Context, call *rpc.Call, _ app.Direction) []byte {
		if !holds(call) {
			return nil
		}
		return []byte{1}
	})}
	if err := c.need(b); err != nil {
		return err
	}
	g := &Group{Buffer: b, Key: name}
	g.Items = append(g.Items, &valueItem{func(uint64) bool { return true }})
	c.groups = append(c.groups, g)
	return nil
}

var dceIface = Keyword{
	Name: "dcerpc.iface", Aliases: []string{"dce_iface"}, Family: FamilyPacket, Arg: "UUID[, [<|>|=|!]VERSION][, any_frag]", Doc: "interface that the server of a call has accepted",
	setup: func(c *compiler, o *syntax.Option) error {
		w := words(o.Value)
		id, err := hex.DecodeString(strings.ReplaceAll(w[0], "-", ""))
		if err != nil || len(id) != 16 {
			return fmt.Errorf("%q is not a UUID", w[0])
		}
		version, hasVersion, anyFrag := compare{}, false, false
		for _, word := range w[1:] {
			if word == "any_frag" {
				anyFrag = true
				continue
			}
			if version, err = parseCompare(word, 65535, nil); err != nil {
				return err
			}
			hasVersion = true
		}
		return c.dceTest("dcerpc.iface:"+o.Value, func(call *rpc.Call) bool {
			if !call.HasReq || call.ReqType != rpc.Request {
				return false
			}
			for _, i := range call.Accepted {
				if string(i.UUID[:]) == string(id) && (!hasVersion || version.holds(uint64(i.Major))) && (anyFrag || i.First || call.Pipe) {
					return true
				}
			}
			return false
		})
	},
}

var dceOpnum = Keyword{
	Name: "dcerpc.opnum", Aliases: []string{"dce_opnum"}, Family: FamilyPacket, Arg: "N, N-M, …", Doc: "operation of a request",
	setup: func(c *compiler, o *syntax.Option) error {
		type span struct{ from, to uint64 }
		var spans []span
		for _, w := range words(o.Value) {
			lo, hi, isRange := strings.Cut(w, "-")
			from, err := strconv.ParseUint(lo, 10, 16)
			to := from
			if err == nil && isRange {
				to, err = strconv.ParseUint(hi, 10, 16)
			}
			if err != nil || to < from {
				return fmt.Errorf("%q is not N or N-M in 0-65535", w)
			}
			spans = append(spans, span{from, to})
		}
		return c.dceTest("dcerpc.opnum:"+o.Value, func(call *rpc.Call) bool {
			for _, s := range spans {
				if n := uint64(call.Opnum); call.ReqType == rpc.Request && n >= s.from && n <= s.to {
					return true
				}
			}
			return false
		})
	},
}
