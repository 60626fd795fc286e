package flow_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/decode/packettest"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
)

func inline(c *flow.Config) { c.Inline, c.IPS = true, true }

func TestAcknowledgedInspection(t *testing.T) {
	b := newBench(t, nil)
	b.handshake()
	b.c("PA", 0, 0, "request")
	b.want()
	b.s("A", 0, 7, "")
	b.want(`client "request"`)
	b.s("PA", 0, 7, "answer")
	b.c("A", 7, 6, "")
	b.want(`server "answer"`)
	if raw := b.raw[0].String() + b.raw[1].String(); raw != "" {
		t.Errorf("rules saw %q before a chunk was full", raw)
	}
	b.c("FA", 7, 6, "")
	b.s("FA", 6, 8, "")
	if r := b.c("A", 8, 7, ""); !r.Closed || r.Flow.TCP.State != flow.TCPClosed {
		t.Errorf("after both FINs: closed %v, state %v", r.Closed, r.Flow.TCP.State)
	}
	b.want("client end", "server end")
	if b.raw[0].String() != "request" || b.raw[1].String() != "answer" { // however little it is: both sides have closed
		t.Errorf("rules saw %q and %q", b.raw[0].String(), b.raw[1].String())
	}
	b.wait(61 * time.Second)
	b.want("over: timeout closed")
	f := b.ended[0]
	if f.Packets != [2]uint64{6, 4} || f.App != app.HTTP1 || f.State != flow.Closed {
		t.Errorf("flow: packets %v app %v state %v", f.Packets, f.App, f.State)
	}
}

func TestInlineInspection(t *testing.T) {
	b := newBench(t, inline)
	b.handshake()
	b.c("PA", 0, 0, "abc")
	b.want(`client "abc"`)
	b.c("PA", 3, 0, "def")
	b.want(`client "def"`)
	if got := b.raw[0].String(); got != "abcabcdef" {
		t.Errorf("rules saw %q, want the window to slide: abc, then abcdef", got)
	}
}

func TestChunks(t *testing.T) {
	b := newBench(t, nil)
	b.handshake()
	for i := range 3 {
		b.c("A", 1000*i, 0, strings.Repeat("x", 1000))
		b.s("A", 0, 1000*(i+1), "")
	}
	b.c("A", 3000, 0, "")
	if n := b.raw[0].Len(); n != 3000 {
		t.Errorf("rules saw %d bytes, want 3000: more than a chunk of 2560 is there", n)
	}
}

func TestOutOfOrder(t *testing.T) {
	b := newBench(t, inline)
	b.handshake()
	b.c("A", 6, 0, "ghi")
	b.c("A", 3, 0, "def")
	b.want()
	b.c("A", 0, 0, "abc")
	b.want(`client "abcdefghi"`)
}

func TestGap(t *testing.T) {
	b := newBench(t, nil)
	b.handshake()
	b.c("A", 0, 0, "abc")
	b.s("A", 0, 3, "")
	b.c("A", 10, 0, "xyz")
	r := b.s("A", 0, 13, "")
	b.events(r, "reassembly_seq_gap")
	b.want(`client "abc"`, "client gap 7", `client "xyz"`)
	if !r.Flow.TCP.Info(app.ToServer).Gap || r.Flow.TCP.Info(app.ToClient).Gap {
		t.Error("the gap is not noted for the client, or for the server too")
	}
	b.tr.Close(b.now)
	if got := b.raw[0].String(); got != "abcxyz" {
		t.Errorf("rules saw %q", got)
	}
}

func TestOverlapWithDifferentData(t *testing.T) {
	b := newBench(t, nil)
	b.handshake()
	b.c("A", 0, 0, "abcdef")
	r := b.c("A", 2, 0, "XXefgh")
	b.events(r, "reassembly_overlap_different_data")
	b.s("A", 0, 8, "")
	b.want(`client "abcdefgh"`)
}

func TestFirstDataWinsOnTheWire(t *testing.T) {
	b := newBench(t, inline)
	b.handshake()
	b.c("A", 0, 0, "GOOD")
	evil := segment(app.ToServer, "A", 0, 0, "EVILmore").Ethernet()
	if r := b.frame(evil); !r.Rewritten || r.Drop {
		t.Fatalf("rewritten %v, drop %v", r.Rewritten, r.Drop)
	}
	b.want(`client "GOOD"`, `client "more"`)
	var p decode.Packet
	decode.Default().Decode(&p, packettest.Frame(evil, 0))
	if string(p.Payload) != "GOODmore" || p.BadL4Checksum {
		t.Errorf("on the wire: %q, checksum bad %v", p.Payload, p.BadL4Checksum)
	}
}

func TestSequenceNumbersWrap(t *testing.T) {
	b := newBench(t, inline)
	seg := func(flags string, seq uint32, payload string) {
		b.send(packettest.IP4(client, server).TCP(1, 80, flags).Seq(seq, 1).Payload(payload))
	}
	b.send(packettest.IP4(client, server).TCP(1, 80, "S").Seq(0xfffffffa, 0))
	b.send(packettest.IP4(server, client).TCP(80, 1, "SA").Seq(0, 0xfffffffb))
	seg("A", 0xfffffffb, "")
	seg("A", 0xfffffffb, "abcd")
	seg("A", 3, "hi")
	seg("A", 0xffffffff, "efgX")
	b.want(`client "abcd"`, `client "efgXhi"`)
}

func TestReset(t *testing.T) {
	b := newBench(t, nil)
	b.handshake()
	b.c("A", 0, 0, "abc")
	b.s("A", 0, 3, "")
	if r := b.s("R", 4000, 0, ""); r.Flow.TCP.State != flow.TCPEstablished {
		t.Error("a reset far from the sequence number ended the session")
	}
	if r := b.s("R", 0, 0, ""); !r.Closed {
		t.Error("a valid reset did not end the session")
	}
	r := b.s("A", 0, 3, "still here")
	b.events(r, "suspected_rst_inject")
	if r.Flow.TCP.State != flow.TCPEstablished {
		t.Error("the session whose reset was forged is not followed any more")
	}
}

func TestHandshakeEvents(t *testing.T) {
	ack := -isnS - 1
	for _, tt := range []struct {
		event string
		run   func(b *bench) flow.Result
	}{
		{"3whs_synack_in_wrong_direction", func(b *bench) flow.Result { b.c("S", -1, ack, ""); return b.c("SA", -1, 0, "") }},
		{"3whs_synack_with_wrong_ack", func(b *bench) flow.Result { b.c("S", -1, ack, ""); return b.s("SA", -1, 9, "") }},
		{"3whs_synack_toserver_on_syn_recv", func(b *bench) flow.Result { b.c("S", -1, ack, ""); b.s("SA", -1, 0, ""); return b.c("SA", -1, 0, "") }},
		{"3whs_synack_resend_with_different_ack", func(b *bench) flow.Result { b.c("S", -1, ack, ""); b.s("SA", -1, 0, ""); return b.s("SA", -1, 5, "") }},
		{"3whs_syn_toclient_on_syn_recv", func(b *bench) flow.Result { b.c("S", -1, ack, ""); b.s("SA", -1, 0, ""); return b.s("S", -1, 0, "") }},
		{"3whs_syn_resend_diff_seq_on_syn_recv", func(b *bench) flow.Result { b.c("S", -1, ack, ""); b.s("SA", -1, 0, ""); return b.c("S", 5, ack, "") }},
		{"3whs_right_seq_wrong_ack_evasion", func(b *bench) flow.Result { b.c("S", -1, ack, ""); b.s("SA", -1, 0, ""); return b.c("A", 0, 7, "") }},
		{"3whs_wrong_seq_wrong_ack", func(b *bench) flow.Result { b.c("S", -1, ack, ""); b.s("SA", -1, 0, ""); return b.c("A", 3, 7, "") }},
		{"3whs_ack_in_wrong_dir", func(b *bench) flow.Result { b.c("S", -1, ack, ""); b.s("SA", -1, 0, ""); return b.s("A", 5, 7, "") }},
		{"3whs_syn_flood", func(b *bench) (r flow.Result) {
			for i := range 12 {
				r = b.c("S", -1+10*i, ack, "")
			}
			return r
		}},
		{"3whs_synack_flood", func(b *bench) (r flow.Result) {
			b.c("S", -1, ack, "")
			for i := range 8 {
				r = b.s("SA", -1+10*i, 0, "")
			}
			return r
		}},
		{"rst_but_no_session", func(b *bench) flow.Result { return b.c("R", 0, 0, "") }},
		{"fin_but_no_session", func(b *bench) flow.Result { return b.c("FA", 0, 0, "") }},
		{"fin_syn", func(b *bench) flow.Result { return b.c("FS", 0, ack, "") }},
		{"est_synack_resend_with_diff_seq", func(b *bench) flow.Result { b.handshake(); return b.s("SA", 50, 0, "") }},
		{"est_syn_toclient", func(b *bench) flow.Result { b.handshake(); return b.s("S", -1, 0, "") }},
		{"pkt_broken_ack", func(b *bench) flow.Result { return b.c("S", -1, 0, "") }},
		{"est_packet_out_of_window", func(b *bench) flow.Result { b.handshake(); return b.c("A", 100000, 0, "x") }},
		{"pkt_spurious_retransmission", func(b *bench) flow.Result {
			b.handshake()
			b.c("A", 0, 0, "abc")
			b.s("A", 0, 3, "")
			return b.c("A", 0, 0, "abc")
		}},
		{"pkt_retransmission", func(b *bench) flow.Result { b.handshake(); b.c("A", 0, 0, "abc"); return b.c("A", 0, 0, "abc") }},
		{"shutdown_syn_resend", func(b *bench) flow.Result { b.handshake(); b.c("FA", 0, 0, ""); return b.c("S", -1, ack, "") }},
	} {
		t.Run(tt.event, func(t *testing.T) {
			e, ok := flow.StreamEventByName(tt.event)
			if !ok {
				t.Fatal("no event of this name")
			}
			b := newBench(t, nil)
			if r := tt.run(b); !r.Stream.Has(e) {
				b.events(r, tt.event)
			}
		})
	}
}

func TestSynAckVariants(t *testing.T) {
	b := newBench(t, inline)
	b.c("S", -1, -isnS-1, "")
	b.s("SA", -1, 0, "")
	b.s("SA", 99, 0, "") // the client picks this one
	r := b.c("A", 0, 100, "")
	if !r.Established {
		t.Fatal("the client's choice among several SYN/ACKs was not followed")
	}
	b.s("A", 100, 0, "hello")
	b.want(`server "hello"`)
}

func TestFastOpen(t *testing.T) {
	syn := segment(app.ToServer, "S", -1, -isnS-1, "early").TCPOptions(34, 10, 1, 2, 3, 4, 5, 6, 7, 8)
	b := newBench(t, nil)
	b.send(syn.Clone())
	b.s("SA", -1, 5, "")
	b.want(`client "early"`)
	b.c("A", 5, 0, "late")
	b.s("A", 0, 9, "")
	b.want(`client "late"`)

	b = newBench(t, nil)
	b.send(syn.Clone())
	r := b.send(segment(app.ToClient, "SA", -1, 0, "").TCPOptions(34, 10, 1, 2, 3, 4, 5, 6, 7, 8))
	b.events(r, "3whs_synack_tfo_data_ignored")
	b.c("A", 0, 0, "again")
	b.s("A", 0, 5, "")
	b.want(`client "again"`)

	b = newBench(t, nil) // the client begins anew, without data
	b.send(syn.Clone())
	b.send(segment(app.ToClient, "SA", -1, 0, "").TCPOptions(34, 10, 1, 2, 3, 4, 5, 6, 7, 8))
	first := b.last.Flow.ID
	if r := b.c("S", -1, -isnS-1, ""); !r.New || r.Flow.ID == first || r.Flow.TCP.State != flow.TCPSynSent || !r.NewState {
		t.Errorf("a SYN after its data were ignored: new %v, state %v", r.New, r.Flow.TCP.State)
	}
	if len(b.ended) != 1 || b.ended[0].Reason != "tcp_reuse" {
		t.Errorf("%d flows have ended", len(b.ended))
	}
}

func TestMidstream(t *testing.T) {
	b := newBench(t, nil)
	if r := b.c("A", 0, 0, "abc"); r.Flow.TCP != nil {
		t.Error("a session was taken up in its middle though that is off")
	}
	b = newBench(t, func(c *flow.Config) { c.Midstream = true })
	r := b.c("A", 0, 0, "abc")
	b.s("A", 0, 3, "def")
	b.c("A", 3, 3, "")
	b.want(`client "abc"`, `server "def"`)
	if !r.Flow.TCP.Midstream {
		t.Error("the session is not marked as midstream")
	}

	b = newBench(t, func(c *flow.Config) { c.Midstream = true })
	r = b.s("SA", -1, 0, "")
	if r.Dir != app.ToClient || r.Flow.Src.IP().String() != client {
		t.Errorf("a SYN/ACK as first packet: sender is %v, direction %v", r.Flow.Src.IP(), r.Dir)
	}
	if r = b.c("A", 0, 0, ""); !r.Established {
		t.Error("a session that began with a SYN/ACK was not established")
	}
}

func TestOneSide(t *testing.T) {
	b := newBench(t, func(c *flow.Config) { c.AsyncOneside = true })
	b.c("S", -1, -isnS-1, "")
	b.c("A", 0, 0, "")
	b.c("A", 0, 0, "abc")
	b.c("A", 3, 20, "def")
	b.want(`client "abc"`, `client "def"`)
}

func TestExceptionPolicies(t *testing.T) {
	midstream := func(b *bench) flow.Result { return b.c("A", 0, 0, "abc") }
	memcap := func(b *bench) flow.Result { b.handshake(); return b.c("A", 0, 0, "abc") }
	appError := func(b *bench) flow.Result { b.fail = true; b.handshake(); return b.c("A", 0, 0, "abc") }
	later := func(b *bench) flow.Result { return b.s("A", 0, 3, "x") }
	type outcome struct {
		drop, reject, pass bool
		reason             string
	}
	ips := func(p *flow.Policy, v flow.Policy, c *flow.Config) { inline(c); *p = v }
	for _, tt := range []struct {
		name   string
		set    func(*flow.Config)
		run    func(*bench) flow.Result
		target flow.Target
		policy flow.Policy
		first  outcome
		second outcome
	}{
		{"midstream, auto", inline, midstream, flow.TargetMidstream, flow.PolicyDropFlow,
			outcome{drop: true, reason: "stream midstream"}, outcome{drop: true, reason: "exception policy flow drop"}},
		{"midstream, pass-flow", func(c *flow.Config) { ips(&c.Policies.Midstream, flow.PolicyPassFlow, c) }, midstream, flow.TargetMidstream, flow.PolicyPassFlow,
			outcome{pass: true}, outcome{pass: true}},
		{"midstream, reject", func(c *flow.Config) { ips(&c.Policies.Midstream, flow.PolicyReject, c) }, midstream, flow.TargetMidstream, flow.PolicyReject,
			outcome{drop: true, reject: true, reason: "stream midstream"}, outcome{drop: true, reason: "exception policy flow drop"}},
		{"midstream, bypass", func(c *flow.Config) { ips(&c.Policies.Midstream, flow.PolicyBypass, c) }, midstream, flow.TargetMidstream, flow.PolicyBypass,
			outcome{pass: true}, outcome{pass: true}},
		{"midstream, drop without the means", func(c *flow.Config) { c.Policies.Midstream = flow.PolicyDropFlow }, midstream, flow.TargetMidstream, flow.PolicyIgnore, outcome{}, outcome{}},
		{"master switch", func(c *flow.Config) { ips(&c.Policies.Default, flow.PolicyPassPacket, c) }, midstream, flow.TargetMidstream, flow.PolicyPassPacket,
			outcome{pass: true}, outcome{pass: true}},
		{"reassembly memcap, drop-packet", func(c *flow.Config) {
			ips(&c.Policies.ReassemblyMemcap, flow.PolicyDropPacket, c)
			c.ReassemblyMemcap = 100
		}, memcap, flow.TargetReassemblyMemcap, flow.PolicyDropPacket,
			outcome{drop: true, reason: "stream reassembly"}, outcome{drop: true, reason: "stream reassembly"}},
		{"reassembly memcap, ignore", func(c *flow.Config) {
			ips(&c.Policies.ReassemblyMemcap, flow.PolicyIgnore, c)
			c.ReassemblyMemcap = 100
		}, memcap, flow.TargetReassemblyMemcap, flow.PolicyIgnore, outcome{}, outcome{}},
		{"session memcap", func(c *flow.Config) { inline(c); c.MaxSessions = 0 }, func(b *bench) flow.Result { return b.c("S", -1, -isnS-1, "") }, flow.TargetStreamMemcap, flow.PolicyDropFlow,
			outcome{drop: true, reason: "stream memcap"}, outcome{drop: true, reason: "exception policy flow drop"}},
		{"parser error", func(c *flow.Config) { ips(&c.Policies.AppError, flow.PolicyDropFlow, c) }, appError, flow.TargetAppError, flow.PolicyDropFlow,
			outcome{drop: true, reason: "applayer error"}, outcome{drop: true, reason: "exception policy flow drop"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, tt.set)
			for i, o := range []struct {
				run  func(*bench) flow.Result
				want outcome
			}{{tt.run, tt.first}, {later, tt.second}} {
				r := o.run(b)
				if got := (outcome{r.Drop, r.Reject, r.Pass, r.DropReason}); got != o.want {
					t.Errorf("packet %d: %+v, want %+v", i+1, got, o.want)
				}
			}
			f := b.last.Flow
			if len(f.Policies) != 1 || f.Policies[0] != (flow.Applied{Target: tt.target, Policy: tt.policy}) {
				t.Errorf("noted %v, want %v %v", f.Policies, tt.target, tt.policy)
			}
			if b.tr.Stats().Policies[tt.target][tt.policy] == 0 {
				t.Error("not counted")
			}
		})
	}
}

func TestFlowMemcapPolicy(t *testing.T) {
	b := newBench(t, func(c *flow.Config) { inline(c); c.MaxFlows = 1; c.Policies.FlowMemcap = flow.PolicyDropPacket })
	b.handshake()
	p := packettest.IP4(client, "10.0.0.99").UDP(1, 2).Packet(b.now)
	if r := b.tr.Track(p); r.Flow != nil || !r.Drop || r.DropReason != "flow memcap" {
		t.Errorf("with only an established flow to give up: %+v", r)
	}
}

func TestReuse(t *testing.T) {
	b := newBench(t, nil)
	b.handshake()
	b.s("RA", 0, 0, "")
	r := b.send(packettest.IP4(client, server).TCP(1234, 80, "S").Seq(777777, 0))
	b.want("over: tcp_reuse closed")
	if !r.New || b.tr.Stats().Flow.TCPReuse != 1 {
		t.Errorf("a SYN after the end is not a new flow: %+v", r)
	}
}

func TestUrgent(t *testing.T) {
	for _, tt := range []struct {
		policy flow.UrgentPolicy
		want   string
		drop   bool
	}{
		{flow.UrgentOOB, `client "acd"`, false},
		{flow.UrgentInline, `client "aXcd"`, false},
		{flow.UrgentDrop, ``, true},
	} {
		b := newBench(t, func(c *flow.Config) { inline(c); c.Urgent = tt.policy })
		b.handshake()
		r := b.send(segment(app.ToServer, "AU", 0, 0, "aXc").Urgent(2))
		if r.Drop != tt.drop {
			t.Errorf("policy %d: drop %v", tt.policy, r.Drop)
		}
		b.c("A", 3, 0, "d")
		if got := strings.Join(b.log, ""); strings.ReplaceAll(got, `"client "`, "") != tt.want && tt.want != "" {
			t.Errorf("policy %d: parser got %s, want %s", tt.policy, got, tt.want)
		}
	}
}

func TestDepth(t *testing.T) {
	b := newBench(t, func(c *flow.Config) { c.Depth = 5 })
	b.handshake()
	r := b.c("A", 0, 0, "abcdefgh")
	b.events(r, "reassembly_depth_reached")
	b.s("A", 0, 8, "")
	b.want(`client "abcde"`, "client end")
	b.c("A", 8, 0, "more")
	b.s("A", 0, 12, "")
	b.want()
}

func TestDetection(t *testing.T) {
	b := newBench(t, inline)
	b.handshake()
	b.c("A", 0, 0, "..") // could be anything
	b.want()
	b.c("A", 2, 0, "GET")
	b.want(`client "..GET"`)

	b = newBench(t, inline)
	b.handshake()
	b.c("A", 0, 0, "?no")
	if r := b.s("A", 0, 3, "?neither"); r.Flow.App != app.Failed {
		t.Errorf("detection: %v, want failed after both sides", r.Flow.App)
	}
	b.want()

	b = newBench(t, inline)
	b.handshake()
	b.c("A", 0, 0, "?no")
	r := b.s("A", 0, 3, "banner") // the server says what it is
	b.want(`server "banner"`, `client "?no"`)
	if r.Flow.App != app.HTTP1 || r.Flow.AppDir[app.ToServer] != app.Failed {
		t.Errorf("app %v, by side %v", r.Flow.App, r.Flow.AppDir)
	}
}

func TestReversedMidstream(t *testing.T) {
	b := newBench(t, func(c *flow.Config) {
		c.Midstream = true
		c.Protocols[0].Probe = func(dir app.Direction, data []byte, _ uint16) app.Match {
			if (data[0] == 'H') == (dir == app.ToClient) {
				return app.Yes
			}
			return app.No
		}
	})
	b.s("A", 0, 0, "HTTP/1.1 200 OK")
	r := b.c("A", 0, 15, "GET /")
	b.s("A", 15, 5, "HTTP/1.1 404")
	b.want(`server "HTTP/1.1 200 OK"`, `client "GET /"`)
	if r.Dir != app.ToServer || r.Flow.Src.IP().String() != client || !r.Flow.Swapped || r.Flow.Packets != [2]uint64{1, 2} {
		t.Errorf("direction %v, client %v, swapped %v, packets %v", r.Dir, r.Flow.Src.IP(), r.Flow.Swapped, r.Flow.Packets)
	}
}

// starttls is a parser that changes its protocol after the line "go".
type starttls struct{ echo }

func (s *starttls) Feed(dir app.Direction, data []byte, now int64) error {
	head, rest, found := strings.Cut(string(data), "go\n")
	s.rest, s.up = data[len(data)-len(rest):], found
	if found {
		head += "go\n"
	}
	return s.echo.Feed(dir, []byte(head), now)
}

func (s *starttls) Proto() app.Proto { return app.SMTP }

func (s *starttls) Upgrade() (app.Proto, []byte, bool) { return app.Unknown, s.rest, s.up }

func TestProtocolChange(t *testing.T) {
	b := newBench(t, inline)
	first := b.cfg.Protocols[0]
	first.Proto = app.SMTP
	first.Probe = func(_ app.Direction, data []byte, _ uint16) app.Match {
		if data[0] == 'E' {
			return app.Yes
		}
		return app.No
	}
	first.New = func() app.Parser { return &starttls{echo: echo{bench: b}} }
	b.cfg.Protocols = append([]flow.Protocol{first}, b.cfg.Protocols...)
	b.handshake()
	b.c("A", 0, 0, "EHLO ")
	r := b.c("A", 5, 0, "go\n.")
	b.want(`client "EHLO "`, `client "go\n"`, "client end", "server end", "flush client (stream (detect/log))")
	if r.Flow.AppOrig != app.SMTP || r.Flow.Parser != nil {
		t.Errorf("after the change: original %v, parser %v", r.Flow.AppOrig, r.Flow.Parser)
	}
	r = b.c("A", 9, 0, "hello")
	b.want(`client ".hello"`)
	if r.Flow.App != app.HTTP1 {
		t.Errorf("new protocol %v", r.Flow.App)
	}
}

func TestUDP(t *testing.T) {
	b := newBench(t, nil)
	r := b.send(packettest.IP4(client, server).UDP(5000, 53).Payload("q"))
	if r.Established || !r.New || r.Dir != app.ToServer {
		t.Errorf("first datagram: %+v", r)
	}
	r = b.send(packettest.IP4(server, client).UDP(53, 5000).Payload("a"))
	if !r.Established || r.Dir != app.ToClient || r.Flow.State != flow.Established {
		t.Errorf("answer: %+v", r)
	}
	b.want(`client "q"`, `server "a"`)
	b.wait(299 * time.Second)
	b.want()
	b.wait(3 * time.Second)
	b.want("client end", "server end", "over: timeout established")
}

func TestICMP(t *testing.T) {
	b := newBench(t, nil)
	b.send(packettest.IP4(client, server).ICMP(8, 0, 7, 1))
	r := b.send(packettest.IP4(server, client).ICMP(0, 0, 7, 1))
	if r.New || r.Dir != app.ToClient || !r.Established {
		t.Errorf("echo reply: %+v", r)
	}
	q := packettest.IP4(client, server).UDP(5000, 9999).Payload("x")
	r = b.send(q.Clone())
	id := r.Flow.ID
	r = b.send(packettest.IP4("10.0.0.9", client).ICMP(3, 3, 0, 0).Bytes(q.Raw()))
	if r.Flow.ID != id || r.Dir != app.ToClient {
		t.Error("an ICMP error does not belong to the flow that it quotes")
	}
	r = b.send(packettest.IP4("10.0.0.9", client).ICMP(3, 3, 0, 0).Bytes(packettest.IP4(client, server).UDP(1, 2).Raw()))
	if !r.New || r.Flow.Proto != decode.ProtoICMP {
		t.Error("an ICMP error about a flow nobody knows has no flow of its own")
	}
}

func TestTenantsAreApart(t *testing.T) {
	b := newBench(t, nil)
	inner := packettest.IP4(client, server).UDP(1, 2).Payload("x")
	ids := map[uint64]bool{}
	for _, endpoint := range []uint64{1, 2, 1} {
		b.now++
		pk := b.tr.Unpack(packettest.Frame(packettest.GENEVE("1.1.1.1", "2.2.2.2", packettest.AWS(endpoint, 0, 9), inner.Raw()), b.now))
		if len(pk) != 2 || pk[0].Depth != 1 || pk[1].Depth != 0 {
			t.Fatalf("%d packets, want the inner one before the outer", len(pk))
		}
		r := b.tr.Track(pk[0])
		ids[r.Flow.ID] = true
		if r.Flow.Tenant != endpoint {
			t.Errorf("tenant %d, want %d", r.Flow.Tenant, endpoint)
		}
	}
	if len(ids) != 2 {
		t.Errorf("%d flows, want one for each endpoint", len(ids))
	}
}

func TestTableIsBounded(t *testing.T) {
	b := newBench(t, func(c *flow.Config) { c.MaxFlows = 100 })
	for i := range 1000 {
		b.send(packettest.IP4(client, server).UDP(uint16(i), 53))
	}
	s := b.tr.Stats().Flow
	if s.Active != 100 || s.GetUsed != 900 || len(b.ended) != 900 || b.ended[0].Reason != "forced" {
		t.Errorf("active %d, taken %d, ended %d", s.Active, s.GetUsed, len(b.ended))
	}
	b.tr.Close(b.now)
	if len(b.ended) != 1000 || b.tr.Stats().Flow.Active != 0 {
		t.Errorf("%d flows ended, %d left", len(b.ended), b.tr.Stats().Flow.Active)
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	for _, mode := range []bool{false, true} {
		cfg := flow.NewConfig()
		cfg.Inline = mode
		tr := flow.NewTracker(cfg, decode.Default(), &reader{t: t})
		h := &reader{t: t}
		now := int64(1e18)
		frames := [][]byte{
			segment(app.ToServer, "S", -1, -isnS-1, "").Ethernet(), segment(app.ToClient, "SA", -1, 0, "").Ethernet(),
			segment(app.ToServer, "A", 0, 0, "").Ethernet(), segment(app.ToServer, "PA", 0, 0, strings.Repeat("x", 1400)).Ethernet(),
			segment(app.ToClient, "A", 0, 1400, "").Ethernet(), segment(app.ToServer, "PA", 2800, 0, strings.Repeat("z", 1400)).Ethernet(),
			segment(app.ToServer, "PA", 1400, 0, strings.Repeat("y", 1400)).Ethernet(), segment(app.ToClient, "A", 0, 4200, "").Ethernet(),
			segment(app.ToServer, "FA", 4200, 0, "").Ethernet(), segment(app.ToClient, "FA", 0, 4201, "").Ethernet(),
			segment(app.ToServer, "A", 4201, 1, "").Ethernet(), packettest.IP4(client, server).UDP(1, 2).Payload("x").Ethernet(),
			packettest.IP4(client, server).Proto(17).ID(5).Fragment(0, true).Payload("12345678").Ethernet(),
			packettest.IP4(client, server).Proto(17).ID(5).Fragment(8, false).Payload("12345678").Ethernet(),
		}
		run := func() {
			for _, f := range frames {
				now += 1e6
				for _, p := range tr.Unpack(packettest.Frame(f, now)) {
					r := tr.Track(p)
					h.look(&r)
					tr.Done(&r)
				}
			}
			now += 700e9
			tr.Tick(now)
		}
		run()
		run()
		if n := testing.AllocsPerRun(20, run); n != 0 {
			t.Errorf("inline %v: %v allocations for %d packets", mode, n, len(frames))
		}
	}
}

// TestRawBehindAGap: what follows lost bytes is looked at when it is there, however little it is.
func TestRawBehindAGap(t *testing.T) {
	b := newBench(t, nil)
	b.handshake()
	b.c("A", 0, 0, "before")
	b.s("A", 0, 6, "")
	b.c("A", 10, 0, "behind")
	b.s("A", 0, 16, "")
	b.c("A", 16, 0, "")
	if got := b.raw[app.ToServer].String(); got != "beforebehind" {
		t.Errorf("rules saw %q before a chunk was full, want what is before and behind the gap", got)
	}
}
