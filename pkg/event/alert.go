package event

import (
	"net/netip"
	"strings"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// Verdict is what became of a packet, for "verdict" and "alert.action".
type Verdict struct {
	IPS    bool // drops are carried out
	Drop   bool
	Pass   bool
	Reject keyword.Action // Reject, RejectDst, RejectBoth or 0
}

// AlertRecord is one signature that matched.
type AlertRecord struct {
	Subject
	Hit     *signatures.Hit
	Verdict Verdict
	Stream  []byte // reassembled bytes that the match lies in; nil: the packet's payload
	// URL returns the prefix of a reference type, as reference.config has it.
	URL func(kind string) string
	// Frame is what the alert's rule matched in; nil for rules that are not about frames.
	Frame *FrameData
	// Detection explains an alert that no rule raised; nil for those of rules.
	Detection *Detection
}

// Alert writes an alert.
func (l *Logger) Alert(a *AlertRecord) {
	told := l.OnAlert == nil
	for _, o := range l.Outputs {
		if !o.Types.Has(Alert) {
			continue
		}
		if o.Fast {
			l.fast(o, a)
			continue
		}
		l.alert(o, a)
		if !told {
			told = true
			l.OnAlert(a, l.enc.b)
		}
	}
}

func (l *Logger) alert(o *Output, a *AlertRecord) {
	h, opt := a.Hit, &o.Options.Alert
	xff := forwarded(&opt.XFF, a.Flow, h)
	a.client = decode.Addr{}
	if opt.XFF.Overwrite {
		if ip, err := netip.ParseAddr(string(xff)); err == nil {
			a.client, xff = decode.AddrFrom(ip), nil
		}
	}
	e := l.begin(o, Alert, &a.Subject, ofPacket)
	if h.Tx != nil {
		e.num("tx_id", h.TxID)
	}
	l.tunnel(e, &a.Subject)
	l.state(o, e, a.Flow, h)
	l.alertObject(e, opt, a, xff)
	if opt.Verdict {
		e.verdict(a.Verdict)
	}
	if f := a.Flow; f != nil {
		if h.Tx != nil && opt.App {
			l.txObject(o, e, f, h.Tx, true)
			l.files(e, h)
		}
		e.appProto(f)
		e.str("direction", directionName(a.Dir))
		if opt.Flow {
			l.flowSummary(e, f)
		}
	}
	if a.Frame != nil {
		e.frame(a.Frame)
	}
	l.payload(e, opt, a)
	if opt.Packet && a.Packet != nil {
		e.packet(a.Packet)
	}
	l.put(o, Alert)
}

// alertObject writes "alert".
func (l *Logger) alertObject(e *encoder, opt *AlertOptions, a *AlertRecord, xff []byte) {
	sig := a.Hit.Sig
	e.open("alert")
	blocked := a.Hit.Action.Rejects() || a.Hit.Action.Drops() && a.Verdict.IPS
	e.str("action", map[bool]string{true: "blocked", false: "allowed"}[blocked])
	e.signatureFields(sig)
	l.targets(e, a)
	if opt.References && len(sig.References) > 0 && a.URL != nil {
		e.list("references")
		for _, r := range sig.References {
			e.elemStr(referenceURL(a.URL(r.Key), r))
		}
		e.end()
	}
	if opt.RuleMetadata && len(sig.Metadata) > 0 {
		e.pairs("metadata", sig.Metadata)
	}
	if opt.RuleText {
		e.str("rule", sig.Raw)
	}
	if len(xff) > 0 {
		e.text("xff", xff)
	}
	l.context(e, a)
	e.close()
}

// signatureFields writes what identifies a rule.
func (e *encoder) signatureFields(sig *keyword.Signature) {
	e.num("gid", uint64(sig.GID))
	e.num("signature_id", uint64(sig.SID))
	e.num("rev", uint64(sig.Rev))
	e.str("signature", sig.Msg)
	e.str("category", sig.Category)
	e.signed("severity", int64(sig.Priority))
}

// referenceURL joins a prefix and an id, unless the id is a whole URL.
func referenceURL(prefix string, r keyword.Pair) string {
	if strings.Contains(r.Value, "://") {
		return r.Value
	}
	return prefix + r.Value
}

// pairs writes {"key": ["value", …]}, each key once, in the order of first use.
func (e *encoder) pairs(name string, pairs []keyword.Pair) {
	e.open(name)
	for i, p := range pairs {
		if seenKey(pairs[:i], p.Key) {
			continue
		}
		e.comma()
		e.quote(p.Key)
		e.b = append(e.b, ':', '[')
		for _, q := range pairs[i:] {
			if q.Key == p.Key {
				e.elemStr(q.Value)
			}
		}
		e.end()
	}
	e.close()
}

func seenKey(pairs []keyword.Pair, key string) bool {
	for _, p := range pairs {
		if p.Key == key {
			return true
		}
	}
	return false
}

// targets writes who attacked whom, for rules with the target keyword.
func (l *Logger) targets(e *encoder, a *AlertRecord) {
	t, ok := a.ends(ofPacket)
	if a.Hit.Sig.Target == keyword.NoTarget || !ok {
		return
	}
	if a.Hit.Sig.Target == keyword.TargetSrc {
		t.src, t.dst, t.srcPort, t.dstPort = t.dst, t.src, t.dstPort, t.srcPort
	}
	e.open("source")
	e.addr("ip", t.src)
	if hasPorts(t.proto) {
		e.num("port", uint64(t.srcPort))
	}
	e.close()
	e.open("target")
	e.addr("ip", t.dst)
	if hasPorts(t.proto) {
		e.num("port", uint64(t.dstPort))
	}
	e.close()
}

// context writes what is the product's own, under alert.context.weir, where the schema allows anything.
func (l *Logger) context(e *encoder, a *AlertRecord) {
	mark := e.mark()
	e.open("context")
	if a.Hit != nil {
		for _, v := range a.Hit.Vars {
			if v.JSON {
				e.key(v.Name)
				e.b = append(e.b, v.Value...)
			}
		}
	}
	if l.Sensor != "" || a.Detection != nil {
		l.weir(e, a)
	}
	e.closeOrDrop(mark, '}')
}

// weir writes what this program alone knows about an alert.
func (l *Logger) weir(e *encoder, a *AlertRecord) {
	e.open("weir")
	e.strIf("sensor", l.Sensor)
	if a.Flow != nil && a.Flow.Tenant != 0 {
		e.num("tenant", a.Flow.Tenant)
	}
	if a.Detection != nil {
		l.detection(e, a.Detection)
	}
	e.close()
}

func (e *encoder) verdict(v Verdict) {
	e.open("verdict")
	switch {
	case v.Pass:
		e.str("action", "pass")
	case v.Drop && v.IPS, v.Reject != 0 && v.IPS:
		e.str("action", "drop")
	default:
		e.str("action", "alert")
	}
	if target := rejectTarget(v.Reject); target != "" {
		e.str("reject-target", target)
		e.list("reject")
		e.elemStr("tcp-reset")
		e.end()
	}
	e.close()
}

func rejectTarget(a keyword.Action) string {
	switch a {
	case keyword.Reject:
		return "to_client"
	case keyword.RejectDst:
		return "to_server"
	case keyword.RejectBoth:
		return "both"
	}
	return ""
}

// payload writes the bytes that the match lies in.
func (l *Logger) payload(e *encoder, opt *AlertOptions, a *AlertRecord) {
	if !opt.Payload && !opt.Printable && !opt.PayloadLength || a.Packet == nil {
		return
	}
	data, stream := a.Packet.Payload, uint64(0)
	if len(a.Stream) > 0 {
		data, stream = a.Stream, 1
	}
	if a.Packet.L4 == nil {
		data = a.Packet.IPPayload
	}
	if opt.PayloadLimit > 0 && len(data) > opt.PayloadLimit {
		data = data[:opt.PayloadLimit]
	}
	if opt.PayloadLength {
		e.num("payload_length", uint64(len(data)))
	}
	if opt.Payload {
		e.base64("payload", data)
	}
	if opt.Printable {
		e.printable("payload_printable", data)
	}
	e.num("stream", stream)
}

// linkTunnel is the link type that EVE gives to packets from tunnels, whatever they begin with: DLT_RAW of Linux.
const linkTunnel = 12

// packet writes the frame.
func (e *encoder) packet(p *decode.Packet) {
	link := p.Link
	if p.Depth > 0 {
		link = linkTunnel
	}
	e.base64("packet", p.Data)
	e.open("packet_info")
	e.num("linktype", uint64(link))
	e.strIf("linktype_name", linkName(link))
	e.close()
}

func linkName(l decode.LinkType) string {
	switch l {
	case decode.LinkNull:
		return "NULL"
	case decode.LinkEthernet:
		return "EN10MB"
	case decode.LinkPPP:
		return "PPP"
	case linkTunnel, 14, decode.LinkRaw:
		return "RAW"
	case decode.LinkCHDLC:
		return "C_HDLC"
	case decode.LinkSLL:
		return "LINUX_SLL"
	case decode.LinkIPv4:
		return "IPv4"
	case decode.LinkIPv6:
		return "IPv6"
	case decode.LinkSLL2:
		return "LINUX_SLL2"
	}
	return ""
}

// tunnel writes the outer addresses.
func (l *Logger) tunnel(e *encoder, s *Subject) {
	p := s.Outer
	if p == nil || p.IPVersion == 0 {
		return
	}
	e.open("tunnel")
	e.addr("src_ip", p.Src)
	if hasPorts(p.Proto) {
		e.num("src_port", uint64(p.SrcPort))
	}
	e.addr("dest_ip", p.Dst)
	if hasPorts(p.Proto) {
		e.num("dest_port", uint64(p.DstPort))
	}
	e.key("proto")
	e.elemProto(p.Proto)
	e.num("depth", uint64(s.Packet.Depth))
	e.close()
}

// flowSummary writes "flow" as it is inside other records.
func (l *Logger) flowSummary(e *encoder, f *flow.Flow) {
	e.open("flow")
	e.flowCounts(f)
	l.when(e, "start", f.Start)
	e.addr("src_ip", f.Src)
	e.addr("dest_ip", f.Dst)
	if hasPorts(f.Proto) {
		e.num("src_port", uint64(f.SrcPort))
		e.num("dest_port", uint64(f.DstPort))
	}
	e.close()
}

func (e *encoder) flowCounts(f *flow.Flow) {
	e.num("pkts_toserver", f.Packets[app.ToServer])
	e.num("pkts_toclient", f.Packets[app.ToClient])
	e.num("bytes_toserver", f.Bytes[app.ToServer])
	e.num("bytes_toclient", f.Bytes[app.ToClient])
}
