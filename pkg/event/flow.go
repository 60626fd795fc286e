package event

import (
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// FlowEnd writes a flow's records when it ends: one flow, and a netflow for each direction that had packets. now is the
// time of the record; macs, the Ethernet addresses that the flow was seen between, may be nil.
func (l *Logger) FlowEnd(f *flow.Flow, now int64, macs *MACs) {
	s := Subject{Time: now, Flow: f}
	for _, o := range l.Outputs {
		if o.Types.Has(Flow) {
			l.flowRecord(o, &s, macs)
		}
		if o.Types.Has(Netflow) {
			l.netflow(o, &s, app.ToServer)
			if f.Packets[app.ToClient] > 0 {
				l.netflow(o, &s, app.ToClient)
			}
		}
	}
}

func (l *Logger) flowRecord(o *Output, s *Subject, macs *MACs) {
	f := s.Flow
	e := l.begin(o, Flow, s, toServer)
	e.flowICMP(f)
	e.appProto(f)
	e.open("flow")
	e.flowCounts(f)
	l.when(e, "start", f.Start)
	l.when(e, "end", f.Last)
	e.signed("age", f.Last/1e9-f.Start/1e9)
	e.str("state", f.State.String())
	e.str("reason", reasonName(f))
	e.flag("alerted", f.Alerted)
	e.flowAction(f)
	if f.Txs > 0 {
		e.num("tx_cnt", f.Txs)
	}
	if o.Options.Flow.ExceptionPolicy {
		e.policies(f.Policies)
	}
	e.close()
	l.communityFor(o, e, s)
	l.state(o, e, f, nil)
	e.tcpObject(f)
	if o.Ethernet && macs != nil {
		e.macs(macs)
	}
	l.put(o, Flow)
}

func reasonName(f *flow.Flow) string {
	if f.Reason == "" {
		return "unknown"
	}
	return f.Reason
}

// flowAction writes what was decided for the whole flow.
func (e *encoder) flowAction(f *flow.Flow) {
	switch {
	case f.Verdict == flow.FlowDrop:
		e.str("action", "drop")
	case f.Verdict == flow.FlowPass, f.Verdict == flow.FlowBypass && len(f.Policies) > 0:
		e.str("action", "pass")
	}
}

// policies writes the exception policies that were applied.
func (e *encoder) policies(applied []flow.Applied) {
	if len(applied) == 0 {
		return
	}
	e.list("exception_policy")
	for _, p := range applied {
		e.item()
		e.str("target", p.Target.String())
		e.str("policy", p.Policy.EVE())
		e.close()
	}
	e.end()
}

// flowICMP writes type and code of each direction's first packet.
func (e *encoder) flowICMP(f *flow.Flow) {
	if f.Proto != decode.ProtoICMP && f.Proto != decode.ProtoICMPv6 {
		return
	}
	e.num("icmp_type", uint64(f.ICMPType[app.ToServer]))
	e.num("icmp_code", uint64(f.ICMPCode[app.ToServer]))
	if f.Packets[app.ToClient] > 0 {
		e.num("response_icmp_type", uint64(f.ICMPType[app.ToClient]))
		e.num("response_icmp_code", uint64(f.ICMPCode[app.ToClient]))
	}
}

// tcpObject writes what was seen of a TCP session.
func (e *encoder) tcpObject(f *flow.Flow) {
	t := f.TCP
	if f.Proto != decode.ProtoTCP || t == nil {
		return
	}
	all := t.Flags[app.ToServer] | t.Flags[app.ToClient]
	e.open("tcp")
	e.hex("tcp_flags", []byte{all})
	e.hex("tcp_flags_ts", []byte{t.Flags[app.ToServer]})
	e.hex("tcp_flags_tc", []byte{t.Flags[app.ToClient]})
	for _, b := range [...]struct {
		bit  uint8
		name string
	}{{decode.SYN, "syn"}, {decode.FIN, "fin"}, {decode.RST, "rst"}, {decode.PSH, "psh"}, {decode.ACK, "ack"}, {decode.URG, "urg"},
		{decode.ECE, "ecn"}, {decode.CWR, "cwr"}} {
		if all&b.bit != 0 {
			e.flag(b.name, true)
		}
	}
	e.str("state", t.State.String())
	ts, tc := t.Info(app.ToServer), t.Info(app.ToClient)
	if ts.Gap {
		e.flag("ts_gap", true)
	}
	if tc.Gap {
		e.flag("tc_gap", true)
	}
	e.num("ts_max_regions", uint64(ts.Regions))
	e.num("tc_max_regions", uint64(tc.Regions))
	if u := t.Urgent[app.ToServer]; u > 0 {
		e.num("ts_urgent_oob_data", uint64(u))
	}
	if u := t.Urgent[app.ToClient]; u > 0 {
		e.num("tc_urgent_oob_data", uint64(u))
	}
	e.close()
}

// netflow writes one direction of a flow.
func (l *Logger) netflow(o *Output, s *Subject, dir app.Direction) {
	f, way := s.Flow, toServer
	if dir == app.ToClient {
		way = toClient
	}
	e := l.begin(o, Netflow, s, way)
	e.appProto(f)
	e.open("netflow")
	e.num("pkts", f.Packets[dir])
	e.num("bytes", f.Bytes[dir])
	l.when(e, "start", f.Start)
	l.when(e, "end", f.Last)
	e.signed("age", f.Last/1e9-f.Start/1e9)
	e.close()
	l.communityFor(o, e, s)
	l.state(o, e, f, nil)
	l.put(o, Netflow)
}
