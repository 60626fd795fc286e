package flow

import (
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// maxExpected bounds the connections that other flows have announced, and expectFor how long an announcement holds.
const (
	maxExpected = 1024
	expectFor   = 30 * second
)

// expected is a connection that a control flow has announced.
type expected struct {
	tenant         uint64
	client, server decode.Addr
	port           uint16
	until          int64
	make           func() app.Parser
}

// expect notes announced connections. The list is short: it is searched only for flows to ports nobody knows.
func (t *Tracker) expect(f *Flow, list []app.Expectation, now int64) {
	for _, e := range list {
		server, client := f.Dst, f.Src
		if e.Server == app.ToServer {
			server, client = f.Src, f.Dst
		}
		if addr := decode.Addr(e.Addr); addr != (decode.Addr{}) {
			server = addr
		}
		t.expire(now)
		if len(t.expected) >= maxExpected {
			t.expected = append(t.expected[:0], t.expected[1:]...)
		}
		t.expected = append(t.expected, expected{tenant: f.Tenant, client: client, server: server, port: e.Port, until: now + expectFor, make: e.New})
	}
}

func (t *Tracker) expire(now int64) {
	n := 0
	for n < len(t.expected) && t.expected[n].until < now {
		n++
	}
	if n > 0 {
		t.expected = append(t.expected[:0], t.expected[n:]...)
	}
}

// announced gives a new flow the parser that another flow has announced for it.
func (t *Tracker) announced(f *Flow, now int64) {
	for i := range t.expected {
		e := &t.expected[i]
		if e.port != f.DstPort || e.server != f.Dst || e.client != f.Src || e.tenant != f.Tenant || e.until < now {
			continue
		}
		p := e.make()
		t.expected = append(t.expected[:i], t.expected[i+1:]...)
		f.App, f.AppExpect, f.AppDir = p.Proto(), p.Proto(), [2]app.Proto{p.Proto(), p.Proto()}
		f.setParser(p)
		t.mark(f)
		t.stats.AppFlows[f.App]++
		return
	}
}
