package keyword

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/http1"
	"github.com/weir-ips/weir/pkg/flow/ssh"
	"github.com/weir-ips/weir/pkg/flow/tls"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// step is a place in a transaction's progress that a rule can hook on to: "http1:request_line", "tls:client_hello_done".
type step struct {
	dir      app.Direction
	progress uint8
	last     uint8 // the step that a complete direction is at
}

// complete is a step that only the end of a direction reaches.
const complete = 255

// hookStep finds the step that a hook names.
func hookStep(p app.Proto, hook string) (step, error) {
	switch p {
	case app.TLS:
		for i, name := range [...]string{"client_in_progress", "client_hello_done", "client_cert_done", "client_handshake_done", "client_finished"} {
			if name == hook {
				return step{app.ToServer, uint8(i), tls.MaxClientProgress}, nil
			}
		}
		for name, at := range map[string]uint8{"server_in_progress": tls.ServerInProgress, "server_hello": tls.ServerHello, "server_cert_done": tls.ServerCertDone,
			"server_hello_done": tls.ServerHelloDone, "server_handshake_done": tls.ServerHandshakeDone, "server_finished": tls.ServerFinished} {
			if name == hook {
				return step{app.ToClient, at, tls.MaxServerProgress}, nil
			}
		}
	}
	side, name, _ := strings.Cut(hook, "_")
	var s step
	switch side {
	case "request":
	case "response":
		s.dir = app.ToClient
	default:
		return s, fmt.Errorf("hook %q is not known", hook)
	}
	steps := stepsOf(p)
	at, ok := steps[name]
	if !ok {
		return s, fmt.Errorf("hook %q is not known", hook)
	}
	s.progress, s.last = at, steps["complete"]
	return s, nil
}

func stepsOf(p app.Proto) map[string]uint8 {
	switch p {
	case app.HTTP1:
		return map[string]uint8{"started": http1.Started, "line": http1.Line, "headers": http1.Headers, "body": http1.Body, "trailer": http1.Trailer, "complete": http1.Complete}
	case app.SSH:
		return map[string]uint8{"started": ssh.InProgress, "banner_done": ssh.BannerDone, "finished": ssh.Finished, "complete": ssh.Finished}
	}
	return map[string]uint8{"started": 0, "complete": complete}
}

// appLayerState compares how far a side of the transaction has come with one of the steps that hooks have names for.
var appLayerState = Keyword{
	Name: "app-layer-state", Family: FamilyPacket, Arg: "[<|>]STEP", Doc: "how far the transaction has come: request_line, client_hello_done, …",
	setup: func(c *compiler, o *syntax.Option) error {
		name, op := o.Value, byte('=')
		if name[0] == '<' || name[0] == '>' {
			name, op = name[1:], name[0]
		}
		b := &Buffer{Name: "app-layer-state:" + o.Value, Weak: true}
		for p := app.HTTP1; p < app.NumProtos; p++ {
			if !c.sig.Apps.Has(p) {
				continue
			}
			at, err := hookStep(p, strings.TrimSpace(name))
			if err != nil {
				return fmt.Errorf("state %q is not known", name)
			}
			for _, d := range [...]app.Direction{app.ToServer, app.ToClient} {
				b.Sources = append(b.Sources, Source{Proto: p, Dir: d, Final: last, Get: func(_ *Context, tx app.Tx, i int) (Bytes, bool) {
					return Bytes{Data: []byte{at.compare(tx.Base(), op)}}, i == 0
				}})
			}
		}
		if len(b.Sources) == 0 {
			return errNoApp
		}
		g := c.group(b, nil)
		g.Items = append(g.Items, &valueItem{func(v uint64) bool { return v == 1 }})
		return nil
	},
}

var errNoApp = errors.New("needs an application protocol in the header")

// compare returns 1 when the transaction's progress is before (<), behind (>) or at (=) the step.
func (s step) compare(b *app.TxBase, op byte) byte {
	at := b.Progress[s.dir]
	if b.Complete[s.dir] {
		at = s.last
	}
	if op == '<' && at < s.progress || op == '>' && at > s.progress || op == '=' && at == s.progress {
		return 1
	}
	return 0
}

// hook adds what the header's hook asks for.
func (c *compiler) hook() error {
	s := c.sig
	switch s.Hook {
	case "":
		return nil
	case "flow_start":
		c.stateTests++
		s.NeedPacket = true
		c.test(func(x *Context) bool { return x.Flow != nil && x.Flow.Packets[x.Result.Dir] == 1 })
		return nil
	case "all", "pre_flow", "pre_stream":
		c.stateTests++
		return nil
	}
	b := &Buffer{Name: "hook:" + s.Hook, Weak: true}
	for p := app.HTTP1; p < app.NumProtos; p++ {
		if !s.Apps.Has(p) {
			continue
		}
		at, err := hookStep(p, s.Hook)
		if err != nil {
			return err
		}
		s.EachUpdate = p == app.HTTP1 && at.progress == http1.Body
		b.Sources = append(b.Sources, Source{Proto: p, Dir: at.dir, Progress: at.progress, Get: func(_ *Context, _ app.Tx, i int) (Bytes, bool) {
			return Bytes{Data: []byte{1}}, i == 0
		}})
	}
	if len(b.Sources) == 0 {
		return fmt.Errorf("hook %q is not known", s.Hook)
	}
	c.group(b, nil).Items = []item{&valueItem{func(uint64) bool { return true }}}
	return nil
}
