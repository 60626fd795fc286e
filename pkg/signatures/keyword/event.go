package keyword

import (
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

var decodeEvent = Keyword{
	Name: "decode-event", Aliases: []string{"decoder-event", "engine-event"}, Family: FamilyPacket, Arg: "event", Doc: "something is wrong with the packet's headers: ipv4.trunc_pkt, …",
	setup: func(c *compiler, o *syntax.Option) error {
		if rest, ok := strings.CutPrefix(o.Value, "stream."); ok && o.Name == "engine-event" {
			return streamEvent.setup(c, &syntax.Option{Value: rest})
		}
		name := strings.TrimPrefix(o.Value, "decoder.")
		e, ok := decode.EventByName(name)
		if !ok {
			return fmt.Errorf("%q is not a decoder event", o.Value)
		}
		c.sig.DecodeEvents = append(c.sig.DecodeEvents, e)
		c.props([]prop{ofPacket})
		c.test(func(x *Context) bool { return x.Packet.Events.Has(e) })
		return nil
	},
}

var streamEvent = Keyword{
	Name: "stream-event", Family: FamilyPacket, Arg: "event", Doc: "something is wrong with the TCP session: 3whs_synack_flood, …",
	setup: func(c *compiler, o *syntax.Option) error {
		name := strings.TrimPrefix(o.Value, "stream.")
		e, ok := flow.StreamEventByName(name)
		if !ok {
			return fmt.Errorf("%q is not a stream event", o.Value)
		}
		c.sig.StreamEvents = append(c.sig.StreamEvents, e)
		c.props([]prop{ofPacket})
		c.test(func(x *Context) bool { return x.Result.Stream.Has(e) })
		return nil
	},
}

var appLayerEvent = Keyword{
	Name: "app-layer-event", Family: FamilyPacket, Arg: "protocol.event", Doc: "something is wrong with the application protocol: http.missing_host_header, …",
	setup: func(c *compiler, o *syntax.Option) error {
		name := strings.ToLower(o.Value)
		if e, ok := flow.AppEventByName(name); ok {
			c.sig.ProtoEvents = append(c.sig.ProtoEvents, e)
			c.props([]prop{ofPacket})
			c.test(func(x *Context) bool { return x.NewAppEvents.Has(e) })
			return nil
		}
		proto, _, _ := strings.Cut(name, ".") // the protocol alone stands for any event of it
		p, _, known, err := parseProtocol(proto)
		if err != nil {
			return fmt.Errorf("%q is not protocol.event", o.Value)
		}
		if known && p.apps != 0 {
			if err := c.narrow(p.apps); err != nil {
				return err
			}
		} else if c.sig.AppName == "" {
			c.sig.AppName = proto
		}
		c.appTests++
		c.sig.AppEvents = append(c.sig.AppEvents, name)
		return nil
	},
}

// EventMatch reports whether the transaction of the context has the events that the rule asks for.
func (s *Signature) EventMatch(c *Context) bool {
	events := c.Tx.Base().Events
next:
	for _, want := range s.AppEvents {
		for _, e := range events {
			if e == want || strings.HasPrefix(e, want) && e[len(want)] == '.' {
				continue next
			}
		}
		return false
	}
	return true
}
