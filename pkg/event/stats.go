package event

import (
	"strings"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures"
)

// StatsRecord is the counters of a stats record: what workers counted, added up.
type StatsRecord struct {
	Uptime int64 // seconds
	IPS    bool
	Flow   flow.Stats
	Detect signatures.Stats
	Rules  signatures.Counts
	Loaded int64 // Unix ns of the last load of rules
	Alerts uint64
	Txs    [app.NumProtos]uint64 // by the flow's protocol

	Accepted, Blocked, Rejected uint64 // frames
	DropReasons                 [NumDropReasons]uint64
	StoredFiles, StoreErrors    uint64
	Policies                    bool                  // write the counters of exception policies
	InForce                     [flow.NumTargets]bool // targets whose exception policy is not to ignore
}

// NumDropReasons is the number of reasons that are counted apart.
const NumDropReasons = 19

// listedReasons is how many of the reasons, from the first, Suricata 8 has counters of in its records.
const listedReasons = NumDropReasons - 3

// dropReasons are EVE's drop.reason values in the order of their counters; a counter's name has underscores.
var dropReasons = [NumDropReasons]string{
	"rules", "flow drop", "decode error", "defrag error", "defrag memcap", "flow memcap", "applayer error",
	"applayer memcap", "threshold detection_filter", "stream error", "stream memcap", "stream midstream",
	"stream urgent", "stream reassembly", "nfq error", "tunnel packet drop", "default packet policy",
	"default app policy", "other",
}

// CountDrop counts a dropped frame by its reason; one of an unknown reason counts as other.
func (s *StatsRecord) CountDrop(reason string) {
	s.Blocked++
	for i, r := range dropReasons {
		if r == reason {
			s.DropReasons[i]++
			return
		}
	}
	s.DropReasons[NumDropReasons-1]++
}

// Stats writes the counters.
func (l *Logger) Stats(now int64, s *StatsRecord) {
	subject := Subject{Time: now}
	for _, o := range l.Outputs {
		if !o.Types.Has(Stats) {
			continue
		}
		e := l.begin(o, Stats, &subject, ofPacket)
		w := counters{e, o.Options.Stats.Zeroes}
		e.open("stats")
		e.signed("uptime", s.Uptime)
		w.decoder(&s.Flow.Decoder)
		w.flow(&s.Flow.Flow)
		w.tcp(&s.Flow.TCP)
		w.defrag(&s.Flow.Defrag)
		if s.Policies {
			w.policies(s)
		}
		w.application(s)
		w.group("file_store", counter{"open_files", 0}, counter{"fs_errors", s.StoreErrors})
		if s.IPS {
			w.ips(s)
		}
		l.detect(w, s)
		e.close()
		l.put(o, Stats)
	}
}

// counters writes numbers, leaving out zeroes unless they are asked for.
type counters struct {
	*encoder
	zeroes bool
}

type counter struct {
	name  string
	value uint64
}

func (w counters) write(list ...counter) {
	for _, c := range list {
		if c.value != 0 || w.zeroes {
			w.num(c.name, c.value)
		}
	}
}

func (w counters) group(name string, list ...counter) {
	mark := w.mark()
	w.open(name)
	w.write(list...)
	w.closeOrDrop(mark, '}')
}

func (w counters) decoder(d *flow.DecoderStats) {
	w.open("decoder")
	avg := uint64(0)
	if d.Pkts > 0 {
		avg = d.Bytes / d.Pkts
	}
	w.write(counter{"pkts", d.Pkts}, counter{"bytes", d.Bytes}, counter{"invalid", d.Invalid}, counter{"ipv4", d.IPv4},
		counter{"ipv6", d.IPv6}, counter{"ethernet", d.Ethernet}, counter{"arp", d.ARP}, counter{"unknown_ethertype", d.UnknownEtherType},
		counter{"chdlc", d.CHDLC}, counter{"raw", d.Raw}, counter{"null", d.Null}, counter{"sll", d.SLL}, counter{"sll2", d.SLL2},
		counter{"tcp", d.TCP}, counter{"udp", d.UDP}, counter{"sctp", d.SCTP}, counter{"esp", d.ESP}, counter{"icmpv4", d.ICMPv4},
		counter{"icmpv6", d.ICMPv6}, counter{"ppp", d.PPP}, counter{"pppoe", d.PPPoE}, counter{"geneve", d.GENEVE},
		counter{"gre", d.GRE}, counter{"vlan", d.VLAN}, counter{"vlan_qinq", d.VLANQinQ}, counter{"vlan_qinqinq", d.VLANQinQinQ},
		counter{"vxlan", d.VXLAN}, counter{"mpls", d.MPLS}, counter{"teredo", d.Teredo}, counter{"ipv4_in_ipv4", d.IPv4InIPv4},
		counter{"ipv6_in_ipv4", d.IPv6InIPv4}, counter{"ipv4_in_ipv6", d.IPv4InIPv6}, counter{"ipv6_in_ipv6", d.IPv6InIPv6},
		counter{"erspan", d.ERSPAN}, counter{"avg_pkt_size", avg}, counter{"max_pkt_size", d.MaxPktSize},
		counter{"too_many_layers", d.TooManyLayers})
	w.events(d)
	w.close()
}

// events writes {"event": {"ipv4": {"trunc_pkt": 1}}}: the counters of one layer stand together in the order of events.
func (w counters) events(d *flow.DecoderStats) {
	mark := w.mark()
	w.open("event")
	open := ""
	inner := 0
	for ev := range decode.NumEvents {
		layer, name, ok := strings.Cut(ev.String(), ".")
		if !ok {
			layer, name = "", layer
		}
		if layer != open {
			if open != "" {
				w.closeOrDrop(inner, '}')
			}
			if open = layer; layer != "" {
				inner = w.mark()
				w.open(layer)
			}
		}
		if listed(layer, name) {
			w.write(counter{name, d.Events[ev]})
		}
	}
	if open != "" {
		w.closeOrDrop(inner, '}')
	}
	w.closeOrDrop(mark, '}')
}

// listed reports whether Suricata 8 has a counter of a decoder event in its records: newer ones are anomalies only.
func listed(layer, name string) bool {
	switch layer {
	case "":
		return name != "too_many_layers"
	case "igmp", "etag":
		return false
	case "ipv4":
		return name != "unknown_protocol"
	case "sctp":
		return name == "pkt_too_small"
	}
	return true
}

func (w counters) flow(f *flow.TableStats) {
	w.group("flow_bypassed", counter{"local_pkts", f.BypassedPkts}, counter{"local_bytes", f.BypassedBytes}, counter{"closed", f.Bypassed})
	whole := w.mark()
	w.open("flow")
	w.write(counter{"total", f.Total}, counter{"active", f.Active}, counter{"tcp", f.TCP}, counter{"udp", f.UDP}, counter{"icmpv4", f.ICMPv4},
		counter{"icmpv6", f.ICMPv6}, counter{"tcp_reuse", f.TCPReuse}, counter{"memcap", f.Memcap},
		counter{"get_used", f.GetUsed}, counter{"emerg_mode_entered", f.EmergencyEntered}, counter{"memuse", f.MemUse})
	mark := w.mark()
	w.open("end")
	w.group("state", counter{"new", f.EndNew}, counter{"established", f.EndEstablished}, counter{"closed", f.EndClosed},
		counter{"local_bypassed", f.EndBypassed})
	w.closeOrDrop(mark, '}')
	w.closeOrDrop(whole, '}')
}

func (w counters) tcp(t *flow.TCPStats) {
	w.group("tcp", counter{"sessions", t.Sessions}, counter{"active_sessions", t.Active}, counter{"ssn_memcap_drop", t.SSNMemcap},
		counter{"pseudo", t.PseudoSegments}, counter{"invalid_checksum", t.InvalidChecksum}, counter{"syn", t.Syn},
		counter{"synack", t.SynAck}, counter{"rst", t.Rst}, counter{"urg", t.Urg}, counter{"midstream_pickups", t.Midstream},
		counter{"segment_memcap_drop", t.SegmentMemcap}, counter{"stream_depth_reached", t.StreamDepthReached},
		counter{"reassembly_gap", t.Gap}, counter{"overlap", t.Overlap}, counter{"overlap_diff_data", t.OverlapDiffData},
		counter{"insert_data_normal_fail", t.InsertDataNormalFail}, counter{"insert_data_overlap_fail", t.InsertDataOverlapFail},
		counter{"urgent_oob_data", t.UrgentOOB}, counter{"ack_unseen_data", t.AckUnseenData}, counter{"memuse", t.MemUse},
		counter{"reassembly_memuse", t.ReassemblyMemUse})
}

func (w counters) defrag(d *flow.DefragStats) {
	mark := w.mark()
	w.open("defrag")
	w.group("ipv4", counter{"fragments", d.IPv4Fragments}, counter{"reassembled", d.IPv4Reassembled})
	w.group("ipv6", counter{"fragments", d.IPv6Fragments}, counter{"reassembled", d.IPv6Reassembled})
	w.write(counter{"max_trackers_reached", d.MaxTrackersReached}, counter{"max_frags_reached", d.MaxFragHits})
	w.closeOrDrop(mark, '}')
}

// policies writes the exception policies that were applied: {"tcp": {"midstream": {"drop_flow": 1}}}.
func (w counters) policies(s *StatsRecord) {
	mark := w.mark()
	w.open("exception_policy")
	for _, g := range [...]struct {
		name    string
		members []policyTarget
	}{
		{"tcp", []policyTarget{{"ssn_memcap", flow.TargetStreamMemcap}, {"reassembly", flow.TargetReassemblyMemcap}, {"midstream", flow.TargetMidstream}}},
		{"flow", []policyTarget{{"memcap", flow.TargetFlowMemcap}}},
		{"defrag", []policyTarget{{"memcap", flow.TargetDefragMemcap}}},
		{"app_layer", []policyTarget{{"error", flow.TargetAppError}}},
	} {
		inner := w.mark()
		w.open(g.name)
		for _, m := range g.members {
			w.policy(m, s)
		}
		w.closeOrDrop(inner, '}')
	}
	w.closeOrDrop(mark, '}')
}

type policyTarget struct {
	name   string
	target flow.Target
}

// policy writes one target's counters: those of its policies that do something, when one is in force or has been.
func (w counters) policy(m policyTarget, s *StatsRecord) {
	mark := w.mark()
	w.open(m.name)
	for p := flow.PolicyDropFlow; p < flow.NumPolicies; p++ {
		n := s.Flow.Policies[m.target][p]
		if n > 0 || w.zeroes && s.InForce[m.target] {
			w.num(policyCounter(p), n)
		}
	}
	w.closeOrDrop(mark, '}')
}

// policyCounter is the name of a policy's counter; that of one policy differs from its name elsewhere.
func policyCounter(p flow.Policy) string {
	if p == flow.PolicyRejectBoth {
		return "reject_both"
	}
	return p.EVE()
}

func (w counters) ips(s *StatsRecord) {
	w.open("ips")
	w.write(counter{"accepted", s.Accepted}, counter{"blocked", s.Blocked}, counter{"rejected", s.Rejected}, counter{"replaced", 0})
	mark := w.mark()
	w.open("drop_reason")
	for i, r := range dropReasons[:listedReasons] {
		w.write(counter{strings.ReplaceAll(r, " ", "_"), s.DropReasons[i]})
	}
	w.closeOrDrop(mark, '}')
	w.close()
}

func (l *Logger) detect(w counters, s *StatsRecord) {
	w.open("detect")
	w.list("engines")
	w.item()
	w.num("id", 0)
	l.when(w.encoder, "last_reload", s.Loaded)
	w.num("rules_loaded", uint64(s.Rules.Loaded))
	w.num("rules_failed", uint64(s.Rules.Failed))
	w.num("rules_skipped", uint64(s.Rules.Skipped))
	w.close()
	w.end()
	w.write(counter{"alert", s.Alerts}, counter{"alert_queue_overflow", s.Detect.Overflow}, counter{"alerts_suppressed", s.Detect.Suppressed})
	w.close()
}
