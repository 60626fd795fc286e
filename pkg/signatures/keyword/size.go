package keyword

import (
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// size is bsize and urilen: the length of the whole buffer.
type size struct{ compare }

func (s *size) match(in *Inspection) bool { return s.holds(uint64(in.base + len(in.buf))) }

var bsize = Keyword{
	Name: "bsize", Family: FamilyContent, Arg: uintShape, Doc: "length of the buffer",
	setup: func(c *compiler, o *syntax.Option) error {
		if c.sticky == nil {
			return errNoBuffer
		}
		t, err := parseCompare(strings.Trim(o.Value, `"`), 1<<32, nil)
		if err != nil {
			return err
		}
		c.appendTo(c.here(), &size{t})
		return nil
	},
}

var urilen = Keyword{
	Name: "urilen", Aliases: []string{"http.urilen"}, Family: FamilyContent, Arg: uintShape + "[, norm|raw]", Doc: "length of http.uri, or with raw of http.uri.raw",
	setup: func(c *compiler, o *syntax.Option) error {
		arg, kind, _ := strings.Cut(o.Value, ",")
		t, err := parseCompare(arg, 65535, nil)
		if err != nil {
			return err
		}
		name := "http.uri"
		switch strings.TrimSpace(kind) {
		case "", "norm":
		case "raw":
			name = "http.uri.raw"
		default:
			return fmt.Errorf("%q is not norm or raw", kind)
		}
		b := bufferByName(name)
		if err := c.need(b); err != nil {
			return err
		}
		g := c.group(b, nil)
		g.Items = append(g.Items, &size{t})
		return nil
	},
}

var dsize = Keyword{
	Name: "dsize", Family: FamilyPacket, Arg: uintShape, Doc: "length of the packet's payload",
	setup: func(c *compiler, o *syntax.Option) error {
		t, err := parseCompare(o.Value, 65535, nil)
		if err != nil {
			return err
		}
		c.props([]prop{ofPacket})
		if top, bounded := t.top(); bounded {
			c.sig.MaxPayload = int(top)
		}
		c.test(func(x *Context) bool {
			p, n := x.Packet, 0
			if p.L4 != nil { // of other protocols everything is header
				n = len(p.Payload)
			}
			return p.IPVersion != 0 && !p.Invalid && t.holds(uint64(n)) && (n > 0 || t.op != opNot && t.op != opNotBetween) // as Suricata: "not" needs a payload
		})
		return nil
	},
}
