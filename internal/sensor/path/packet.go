package path

import (
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// packet takes one decoded packet through flow, rules and records.
func (p *Path) packet(pk, outer *decode.Packet) {
	p.result = p.tracker.Track(pk)
	p.detect(pk, &p.result)
	p.inspect(pk, outer, &p.result)
	p.tracker.Done(&p.result)
}

// handler is the Path as its tracker sees it.
type handler Path

// Flush looks at the last bytes of a flow's direction.
func (h *handler) Flush(pk *decode.Packet, r *flow.Result) {
	p := (*Path)(h)
	pk.Link = p.link
	saved := p.out // a pseudo packet has no frame whose fate it could decide
	p.inspect(pk, nil, r)
	p.out = saved
}

// End writes a flow's last records.
func (h *handler) End(f *flow.Flow) {
	p := (*Path)(h)
	p.subject = event.Subject{Time: p.now, Flow: f}
	if f.Verdict != flow.FlowDrop { // what was cut off is in the drop's records
		p.transactions(f, true)
	}
	var macs *event.MACs
	if p.wants.ether {
		macs = &memoryOf(f).macs
	}
	p.log.FlowEnd(f, p.now, macs)
	p.sessionEnds(f)
	p.past.add(f)
	if p.cfg.Hooks.Ended != nil {
		p.cfg.Hooks.Ended(f)
	}
	if p.engine != nil {
		p.engine.End(f)
	}
	f.Logged = nil
}

// inspect asks the rules, carries out what they say, and writes the records.
func (p *Path) inspect(pk, outer *decode.Packet, r *flow.Result) {
	f := r.Flow
	p.subject = event.Subject{Time: pk.Time, Packet: pk, Outer: outer, Flow: f, Dir: r.Dir}
	var d signatures.Decision
	switch {
	case p.engine == nil:
		nothingRaw(f)
	case !r.Drop && !r.Pass:
		d = p.engine.Inspect(pk, f, *r)
	}
	p.ips = p.cfg.IPS
	p.block(&d)
	p.spare(pk, &d, r)
	v := p.verdict(&d, r)
	p.decide(f, &d, &v)
	p.alerts(&d, v)
	if len(d.Vars) > 0 {
		p.log.Captured(&p.subject, d.Vars)
	}
	if v.Drop {
		p.drop(&d, r, v)
	}
	if d.Tagged && !pk.Source.Pseudo() {
		p.log.Tagged(&p.subject, d.TagSig)
	}
	p.anomalies(pk, r)
	if f != nil {
		if p.wants.ether && pk.EtherType != 0 {
			memoryOf(f).macs.Add(pk, r.Dir == app.ToClient)
		}
		p.frames(f, r.Dir)
		if r.Fed[0] || r.Fed[1] || f.Unrecorded { // else nothing has changed since the packet before
			p.transactions(f, false)
		}
		if p.out.Flow == nil {
			p.out.Flow = f
		}
	}
}

// nothingRaw lets a session keep no bytes for rules that do not exist.
func nothingRaw(f *flow.Flow) {
	if f != nil && f.TCP != nil {
		f.TCP.StopRaw(app.ToServer)
		f.TCP.StopRaw(app.ToClient)
	}
}

// stream returns what is held of the stream that a hit lies in, for the payload of its alert.
func (p *Path) stream(h *signatures.Hit) []byte {
	f := p.subject.Flow
	if !p.wants.payload || h.Where == signatures.InPacket || f == nil || f.TCP == nil {
		return nil
	}
	p.payload = f.TCP.AppendStream(p.payload[:0], h.Dir, maxPayload)
	return p.payload
}

// maxPayload bounds the bytes of a stream that go into an alert; outputs may ask for fewer.
const maxPayload = 1 << 20

// block turns alerts into drops where the policy asks for it.
func (p *Path) block(d *signatures.Decision) {
	if p.cfg.Block == nil || !p.cfg.IPS {
		return
	}
	for i := range d.Hits {
		h := &d.Hits[i]
		if h.Action != keyword.Alert || h.Sig.NoAlert || !p.cfg.Block(h.Sig) {
			continue
		}
		h.Action, h.Flow, h.RateFiltered = keyword.Drop, true, false
		if !d.Drop {
			d.Drop, d.DropReason, d.DropSig = true, reasonRules, h.Sig
		}
		d.FlowDrop = true
	}
}

// spare has a packet that would be dropped go on, and its flow with it, if it must never be blocked.
func (p *Path) spare(pk *decode.Packet, d *signatures.Decision, r *flow.Result) {
	refused := d.Drop || d.FlowDrop || d.Reject != 0 || r.Drop || r.Reject || r.RejectBoth
	if p.cfg.Spare == nil || !p.ips || !refused || !p.cfg.Spare(pk.Src, pk.Dst) {
		return
	}
	if d.FlowDrop && r.Flow != nil && r.Flow.Verdict == flow.FlowDrop { // by this packet
		r.Flow.Verdict = flow.Undecided
	}
	p.ips, d.FlowDrop, d.Reject = false, false, 0
	r.Reject, r.RejectBoth = false, false
}

// reasonRules is EVE's drop.reason of a packet that a rule dropped.
const reasonRules = "rules"

// verdict joins what rules and tracker decided about the packet.
func (p *Path) verdict(d *signatures.Decision, r *flow.Result) event.Verdict {
	v := event.Verdict{IPS: p.ips, Pass: d.Pass && !d.Drop, Reject: d.Reject, Drop: p.ips && (d.Drop || r.Drop)}
	switch {
	case r.RejectBoth:
		v.Reject = keyword.RejectBoth
	case r.Reject:
		v.Reject = keyword.Reject
	}
	if v.Drop && !p.out.Drop {
		p.out.Drop, p.out.Reason = true, dropReason(d, r)
	}
	if v.Reject != 0 && p.out.Reject == 0 {
		p.out.Reject = v.Reject
	}
	return v
}

func dropReason(d *signatures.Decision, r *flow.Result) string {
	switch {
	case r.Drop && r.DropReason != "":
		return r.DropReason
	case d.DropReason != "":
		return rateFiltered(d)
	}
	return reasonRules
}

// rateFiltered is the reason of a rule's drop: its own action, or that of a rate_filter.
func rateFiltered(d *signatures.Decision) string {
	for i := range d.Hits {
		if h := &d.Hits[i]; h.Sig == d.DropSig && h.RateFiltered {
			return "threshold detection_filter"
		}
	}
	return d.DropReason
}

// decide keeps what holds for the rest of the flow; the first decision stays.
func (p *Path) decide(f *flow.Flow, d *signatures.Decision, v *event.Verdict) {
	if f == nil {
		return
	}
	if f.Verdict == flow.Undecided && d.FlowDrop && p.ips {
		f.Verdict = flow.FlowDrop
	}
	if d.FlowDrop && v.Reject != 0 {
		f.Reject = true
	}
	if f.Verdict != flow.Undecided && p.cfg.Hooks.Decided != nil && once(f, noteDecided) {
		p.cfg.Hooks.Decided(f, f.Verdict, d.DropSig)
	}
	if f.NoPayload && p.cfg.Hooks.Uninteresting != nil && once(f, noteUninteresting) {
		p.cfg.Hooks.Uninteresting(f)
	}
}

// alerts writes one record for each hit.
func (p *Path) alerts(d *signatures.Decision, v event.Verdict) {
	p.out.Hits += len(d.Hits)
	p.stats.Alerts += uint64(len(d.Hits))
	for i := range d.Hits {
		h := &d.Hits[i]
		if p.subject.Flow != nil {
			p.subject.Flow.Alerted = true
		}
		p.alert = event.AlertRecord{Subject: p.subject, Hit: h, Verdict: v, URL: p.url, Stream: p.stream(h)}
		if h.Frame.ID != 0 {
			p.alert.Frame = p.frameData(p.subject.Flow, &h.Frame)
		}
		p.log.Alert(&p.alert)
	}
}

// drop writes the record of a dropped packet.
func (p *Path) drop(d *signatures.Decision, r *flow.Result, v event.Verdict) {
	if !p.wants.drop || p.subject.Packet.Source.Pseudo() {
		return
	}
	first := r.Flow == nil || once(r.Flow, noteDrop<<r.Dir)
	p.log.Drop(&event.DropRecord{Subject: p.subject, Reason: dropReason(d, r), Sig: d.DropSig, Verdict: v, First: first})
}
