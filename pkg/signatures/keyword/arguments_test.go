package keyword

import (
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app"
	rpc "github.com/weir-ips/weir/pkg/flow/app/dcerpc"
	"github.com/weir-ips/weir/pkg/flow/smb"
	"github.com/weir-ips/weir/pkg/flow/tls"
)

// TestArgumentsAreAsked: of rules that ask the same keyword with other arguments, each gets its own answer from one context,
// whichever asks first.
func TestArgumentsAreAsked(t *testing.T) {
	const iface = "367abb81-9844-35f1-ad32-98f038001003"
	call := &rpc.Call{HasReq: true, ReqType: rpc.Request, Opnum: 30, Pipe: true, Accepted: []rpc.Interface{{Major: 2}}}
	copy(call.Accepted[0].UUID[:], "\x36\x7a\xbb\x81\x98\x44\x35\xf1\xad\x32\x98\xf0\x38\x00\x10\x03")
	hello := tlsTx()
	for name, c := range map[string]struct {
		head    string
		proto   app.Proto
		tx      app.Tx
		yes, no string
	}{
		"opnum":     {"", app.SMB, &smb.Tx{DCERPC: call}, "dcerpc.opnum:30;", "dcerpc.opnum:26;"},
		"interface": {"", app.SMB, &smb.Tx{DCERPC: call}, "dcerpc.iface:" + iface + ";", "dcerpc.iface:" + iface + ",<2;"},
		"state":     {"alert tls any any -> any any", app.TLS, hello, "app-layer-state:client_hello_done;", "app-layer-state:>client_hello_done;"},
	} {
		s := inside(c.proto, app.ToServer, c.tx)
		if c.proto == app.TLS {
			c.tx.Base().Complete, c.tx.Base().Progress = [2]bool{}, [2]uint8{tls.ClientHelloDone, 0}
		}
		for _, order := range [][2]string{{c.yes, c.no}, {c.no, c.yes}} {
			x := &Context{Hosts: NewHosts(), RecursionLimit: 3000, MatchLimit: 3500, Work: 1 << 30}
			x.Begin(&s.pkt, s.flow, s.result)
			for _, rule := range order {
				sig, err := compile(c.head, rule)
				if err != nil {
					t.Fatal(err)
				}
				g := sig.Groups[0]
				if got := g.Match(x, g.Source(c.proto, app.ToServer), c.tx, true) == Matched; got != (rule == c.yes) {
					t.Errorf("%s, asked %q: %s gives %v", name, order, rule, got)
				}
			}
		}
	}
}
