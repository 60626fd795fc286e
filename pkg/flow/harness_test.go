package flow_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/decode/packettest"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// bench is a tracker with a clock, a protocol that takes any content, and a record of what happens.
type bench struct {
	t     *testing.T
	tr    *flow.Tracker
	cfg   *flow.Config
	now   int64
	last  flow.Result
	log   []string // parser and handler calls
	ended []flow.Flow
	raw   [2]strings.Builder // what rules saw of the raw stream
	fail  bool               // the parser refuses what it gets
}

const (
	client, server = "10.0.0.1", "10.0.0.2"
	isnC, isnS     = 1000, 5000
)

// newBench makes a bench; change sets the configuration before the tracker is made.
func newBench(t *testing.T, change func(*flow.Config)) *bench {
	b := &bench{t: t, cfg: flow.NewConfig(), now: 1e18}
	b.cfg.Protocols = []flow.Protocol{{
		Proto: app.HTTP1, TCP: true, UDP: true,
		Probe: func(_ app.Direction, data []byte, _ uint16) app.Match {
			switch {
			case len(data) == 0:
				return app.More
			case data[0] == '?':
				return app.No
			case data[0] == '.' && len(data) < 3:
				return app.More
			}
			return app.Yes
		},
		New: func() app.Parser { return &echo{bench: b} },
	}}
	if change != nil {
		change(b.cfg)
	}
	b.tr = flow.NewTracker(b.cfg, decode.Default(), b)
	return b
}

// echo is a parser that writes down what it gets.
type echo struct {
	bench *bench
	queue app.Queue
	rest  []byte // of starttls
	up    bool
}

func (e *echo) Proto() app.Proto { return app.HTTP1 }
func (e *echo) Feed(dir app.Direction, data []byte, now int64) error {
	e.bench.note("%s %q", side(dir), data)
	if e.bench.fail {
		return errors.New("no")
	}
	return nil
}
func (e *echo) Gap(dir app.Direction, n int) { e.bench.note("%s gap %d", side(dir), n) }
func (e *echo) Close(dir app.Direction)      { e.bench.note("%s end", side(dir)) }
func (e *echo) Txs() []app.Tx                { return e.queue.All() }
func (e *echo) Free(n int)                   { e.queue.Free(n) }

func side(dir app.Direction) string { return [...]string{"client", "server"}[dir] }

func (b *bench) note(format string, a ...any) { b.log = append(b.log, fmt.Sprintf(format, a...)) }

func (b *bench) Flush(p *decode.Packet, r *flow.Result) {
	b.note("flush %s (%s)", side(r.Dir), p.Source)
	b.look(r)
}

func (b *bench) End(f *flow.Flow) {
	b.note("over: %s %s", f.Reason, f.State)
	b.ended = append(b.ended, *f)
}

// look reads what rules would read of the raw stream.
func (b *bench) look(r *flow.Result) {
	for r.Flow != nil && r.Flow.TCP != nil {
		data, _ := r.Flow.TCP.Inspectable(r.Dir)
		if data == nil {
			return
		}
		b.raw[r.Dir].Write(data)
		r.Flow.TCP.Advance(r.Dir)
	}
}

// send takes a packet through the tracker a millisecond after the one before.
func (b *bench) send(p *packettest.Builder) flow.Result { return b.frame(p.Ethernet()) }

func (b *bench) frame(data []byte) flow.Result {
	b.now += int64(time.Millisecond)
	for _, p := range b.tr.Unpack(packettest.Frame(data, b.now)) {
		r := b.tr.Track(p)
		if r.Flow != nil {
			b.last = r
			b.look(&r)
		}
		b.tr.Done(&r)
	}
	return b.last
}

// c and s build segments of client and server; seq and ack count from the byte after the SYN.
func (b *bench) c(flags string, seq, ack int, payload string) flow.Result {
	return b.send(segment(app.ToServer, flags, seq, ack, payload))
}

func (b *bench) s(flags string, seq, ack int, payload string) flow.Result {
	return b.send(segment(app.ToClient, flags, seq, ack, payload))
}

func segment(dir app.Direction, flags string, seq, ack int, payload string) *packettest.Builder {
	if dir == app.ToServer {
		return packettest.IP4(client, server).TCP(1234, 80, flags).Seq(uint32(isnC+1+seq), uint32(isnS+1+ack)).Payload(payload)
	}
	return packettest.IP4(server, client).TCP(80, 1234, flags).Seq(uint32(isnS+1+seq), uint32(isnC+1+ack)).Payload(payload)
}

// handshake opens a session.
func (b *bench) handshake() {
	b.t.Helper()
	b.c("S", -1, -isnS-1, "")
	b.s("SA", -1, 0, "")
	if r := b.c("A", 0, 0, ""); !r.Established || r.Stream.Any() {
		b.t.Fatalf("after the handshake: %+v", r)
	}
}

// wait lets time pass.
func (b *bench) wait(d time.Duration) {
	b.now += int64(d)
	b.tr.Tick(b.now)
}

// want compares the record with what should have happened, and forgets it.
func (b *bench) want(lines ...string) {
	b.t.Helper()
	if got, want := strings.Join(b.log, "\n"), strings.Join(lines, "\n"); got != want {
		b.t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	b.log = nil
}

func (b *bench) events(r flow.Result, names ...string) {
	b.t.Helper()
	var got []string
	for e := range r.Stream.All() {
		got = append(got, e.String())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		b.t.Errorf("stream events %v, want %v", got, names)
	}
}

func prefix(t testing.TB, s string) netip.Prefix {
	t.Helper()
	p, err := netip.ParsePrefix(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
