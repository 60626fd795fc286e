package keyword

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

var flowKeyword = Keyword{
	Name: "flow", Family: FamilyPacket, Doc: "direction and state of the flow",
	Arg: "to_server|to_client|from_server|from_client, established|not_established|stateless, no_stream|only_stream, no_frag|only_frag",
	setup: func(c *compiler, o *syntax.Option) error {
		c.flowSeen = true
		needFlow := false
		for _, w := range words(o.Value) {
			var err error
			switch strings.ToLower(w) {
			case "to_server", "from_client":
				err, needFlow = c.direct(app.ToServer), true
			case "to_client", "from_server":
				err, needFlow = c.direct(app.ToClient), true
			case "established":
				err = c.flowState(true)
			case "not_established":
				err = c.flowState(false)
			case "stateless":
				needFlow = true
			case "no_stream":
				c.sig.PacketOnly, c.sig.NeedPacket = true, true
			case "only_stream":
				c.sig.StreamOnly = true
			case "no_frag":
				c.test(func(x *Context) bool { return !x.Packet.Rebuilt })
			case "only_frag":
				c.test(func(x *Context) bool { return x.Packet.Rebuilt })
			default:
				return fmt.Errorf("%q is not one of %s", w, "to_server, to_client, from_server, from_client, established, not_established, stateless, no_stream, only_stream, no_frag, only_frag")
			}
			if err != nil {
				return err
			}
		}
		if c.sig.PacketOnly && c.sig.StreamOnly {
			return errors.New("no_stream and only_stream exclude each other")
		}
		if needFlow {
			c.test(func(x *Context) bool { return x.Flow != nil })
		}
		return nil
	},
}

func (c *compiler) flowState(established bool) error {
	if c.sig.established == !established && c.stateTests > 0 && c.notEstablished == established {
		return errors.New("established and not_established exclude each other")
	}
	c.stateTests++
	c.sig.established, c.notEstablished = established, !established
	c.test(func(x *Context) bool { return x.Flow != nil && x.established() == established })
	return nil
}

// established reports whether what the rule under evaluation looks at belongs to an established conversation. A packet that
// a TCP session is picked up at in its middle does not, but its payload does.
func (c *Context) established() bool {
	switch s := c.Flow.TCP; c.current.Type {
	case TypePacket, TypeIPOnly, TypeLikeIPOnly:
		if s != nil && s.Midstream {
			return c.Result.WasEstablished
		}
	}
	return c.Result.Established
}

var flowAge = uintField("flow.age", "seconds since the flow began", 1<<32-1, func(x *Context) (uint64, bool) {
	if x.Flow == nil {
		return 0, false
	}
	return uint64(max(x.Now-x.Flow.Start, 0) / 1e9), true
})

// flowCount is flow.pkts and flow.bytes: a direction, and a comparison.
func flowCount(name, doc string, get func(*flow.Flow) [2]uint64) Keyword {
	return Keyword{Name: name, Family: FamilyPacket, Arg: "toserver|toclient|either, " + uintShape, Doc: doc, setup: func(c *compiler, o *syntax.Option) error {
		side, arg, ok := strings.Cut(o.Value, ",")
		if !ok {
			return fmt.Errorf("%q is not toserver|toclient|either, N", o.Value)
		}
		t, err := parseCompare(arg, 1<<63, nil)
		if err != nil {
			return err
		}
		return c.countTest(strings.TrimSpace(side), t, get)
	}}
}

func (c *compiler) countTest(side string, t compare, get func(*flow.Flow) [2]uint64) error {
	var holds func([2]uint64) bool
	switch side {
	case "toserver":
		holds = func(n [2]uint64) bool { return t.holds(n[0]) }
	case "toclient":
		holds = func(n [2]uint64) bool { return t.holds(n[1]) }
	case "either":
		holds = func(n [2]uint64) bool { return t.holds(n[0]) || t.holds(n[1]) }
	case "both":
		holds = func(n [2]uint64) bool { return t.holds(n[0] + n[1]) }
	default:
		return fmt.Errorf("%q is not toserver, toclient, either or both", side)
	}
	c.stateTests++
	c.test(func(x *Context) bool { return x.Flow != nil && holds(get(x.Flow)) })
	return nil
}

// flowCountOf is the older form with the direction in the name.
func flowCountOf(name, side, doc string, get func(*flow.Flow) [2]uint64) Keyword {
	return Keyword{Name: name, Family: FamilyPacket, Arg: uintShape, Doc: doc, setup: func(c *compiler, o *syntax.Option) error {
		t, err := parseCompare(o.Value, 1<<63, nil)
		if err != nil {
			return err
		}
		return c.countTest(side, t, get)
	}}
}

func flowPackets(f *flow.Flow) [2]uint64 { return f.Packets }
func flowBytes(f *flow.Flow) [2]uint64   { return f.Bytes }

var (
	flowPkts     = flowCount("flow.pkts", "packets of the flow so far", flowPackets)
	flowBytesKey = flowCount("flow.bytes", "bytes of the flow so far", flowBytes)
	flowPktsTS   = flowCountOf("flow.pkts_toserver", "toserver", "packets to the server so far", flowPackets)
	flowPktsTC   = flowCountOf("flow.pkts_toclient", "toclient", "packets to the client so far", flowPackets)
	flowBytesTS  = flowCountOf("flow.bytes_toserver", "toserver", "bytes to the server so far", flowBytes)
	flowBytesTC  = flowCountOf("flow.bytes_toclient", "toclient", "bytes to the client so far", flowBytes)
)

var appLayerProtocol = Keyword{
	Name: "app-layer-protocol", Family: FamilyPacket, Arg: "[!]protocol|failed|unknown[, final|original|either|to_server|to_client]", Doc: "application protocol of the packet's direction, or of the flow in another sense",
	setup: func(c *compiler, o *syntax.Option) error {
		w := words(o.Value)
		name, negated := strings.CutPrefix(w[0], "!")
		name = strings.ToLower(strings.TrimSpace(name))
		var set AppSet
		switch a, ok := appProtocols[name]; {
		case name == "failed":
			set = Apps(app.Failed)
		case name == "unknown":
			set = Apps(app.Unknown)
		case ok:
			set = a.apps
		default:
			if _, _, _, err := parseProtocol(name); err != nil {
				return err
			}
			c.warn(fmt.Errorf("app-layer-protocol: %s is not parsed", name))
		}
		mode := ""
		if len(w) > 1 {
			mode = w[1]
		}
		if mode == "either" {
			c.appKeyword = true
			c.eitherProtocol(set, negated)
			return nil
		}
		get, err := protocolOf(mode)
		if err != nil {
			return err
		}
		c.appKeyword = true
		c.test(func(x *Context) bool {
			if x.Flow == nil {
				return false
			}
			p, known := get(x)
			if p == app.Unknown && set != Apps(app.Unknown) || !known {
				return false // nothing is known yet, also not that it is something else
			}
			return set.Has(p) != negated
		})
		return nil
	},
}

// eitherProtocol tests what the two sides have been recognised as; negated, neither may be in set, once the flow's protocol is
// known.
func (c *compiler) eitherProtocol(set AppSet, negated bool) {
	c.test(func(x *Context) bool {
		f := x.Flow
		if f == nil || negated && f.App == app.Unknown {
			return false
		}
		return (set.Has(f.AppDir[app.ToServer]) || set.Has(f.AppDir[app.ToClient])) != negated
	})
}

// protocolOf returns how a mode of app-layer-protocol finds the flow's protocol.
func protocolOf(mode string) (func(*Context) (app.Proto, bool), error) {
	side := func(d app.Direction) func(*Context) (app.Proto, bool) {
		return func(x *Context) (app.Proto, bool) { return x.Flow.AppDir[d], true }
	}
	switch mode {
	case "":
		return func(x *Context) (app.Proto, bool) { return x.Flow.AppDir[x.Dir], true }, nil
	case "final":
		return func(x *Context) (app.Proto, bool) { return x.Flow.App, true }, nil
	case "original":
		return func(x *Context) (app.Proto, bool) {
			if x.Flow.AppOrig != app.Unknown {
				return x.Flow.AppOrig, true
			}
			return x.Flow.App, true
		}, nil
	case "to_server", "toserver":
		return side(app.ToServer), nil
	case "to_client", "toclient":
		return side(app.ToClient), nil
	}
	return nil, fmt.Errorf("%q is not final, original, either, to_server or to_client", mode)
}
