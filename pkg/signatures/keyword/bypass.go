package keyword

import (
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/ftp"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

var bypass = Keyword{
	Name: "bypass", Family: FamilyState, Doc: "inspect no more of the flow after a match",
	setup: func(c *compiler, _ *syntax.Option) error {
		c.sig.BypassesFlow = true
		return nil
	},
}

var configKeyword = Keyword{
	Name: "config", Family: FamilyState, Arg: "logging disable, type tx|flow, scope tx|flow", Doc: "what the action config changes",
	setup: func(c *compiler, o *syntax.Option) error {
		if !strings.HasPrefix(o.Value, "logging disable") {
			return fmt.Errorf("%q is not logging disable, type …, scope …", o.Value)
		}
		c.sig.NoAlert = true
		c.effect(func(x *Context) {
			if x.Tx == nil {
				return
			}
			x.Tx.Base().Logged = true
			if s, ok := x.Flow.Parser.(app.Silencer); ok {
				s.Silence(x.Tx)
			}
		})
		return nil
	},
}

// ftpbounce: PORT names another address than the client's (RFC 2577 §3).
var ftpbounce = Keyword{
	Name: "ftpbounce", Family: FamilyPacket, Doc: "an FTP PORT command that names another address than the client's",
	setup: func(c *compiler, _ *syntax.Option) error {
		b := &Buffer{Name: "ftpbounce", Weak: true, Sources: []Source{of(app.FTP, app.ToServer, ftp.Complete, func(x *Context, t *ftp.Tx) []byte {
			if !strings.EqualFold(string(t.Command), "PORT") || x.Flow == nil {
				return nil
			}
			var a [4]byte
			n, err := fmt.Sscanf(string(t.Data), "%d,%d,%d,%d,", &a[0], &a[1], &a[2], &a[3])
			var named decode.Addr
			copy(named[:], x.Flow.Src[:12])
			copy(named[12:], a[:])
			if err != nil || n != 4 || named == x.Flow.Src {
				return nil
			}
			return []byte{1}
		})}}
		if err := c.need(b); err != nil {
			return err
		}
		g := c.group(b, nil)
		g.Items = append(g.Items, &valueItem{func(uint64) bool { return true }})
		return nil
	},
}

// sslLegacyProto is ssh_proto and its like: a buffer's value in the argument.
func argumentBuffer(name, doc string, b *Buffer) Keyword {
	return Keyword{Name: name, Family: FamilyBuffer, Arg: `"text"`, Optional: true, Doc: doc, setup: func(c *compiler, o *syntax.Option) error {
		if o.Value == "" {
			return c.stick(b)
		}
		if err := c.need(b); err != nil {
			return err
		}
		c.appendTo(c.group(b, nil), &Content{Pattern: toLower([]byte(strings.Trim(o.Value, `"`))), NoCase: true})
		return nil
	}}
}
