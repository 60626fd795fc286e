package event

import "github.com/weir-ips/weir/pkg/signatures/keyword"

// DropRecord is a packet that was not forwarded.
type DropRecord struct {
	Subject
	Reason  string             // EVE's drop.reason: "rules", "flow drop", …
	Sig     *keyword.Signature // the rule that asked for it, or nil
	Verdict Verdict
	First   bool // the first dropped packet of its direction of the flow
}

// Drop writes a drop.
func (l *Logger) Drop(d *DropRecord) {
	for _, o := range l.Outputs {
		if o.Types.Has(Drop) && (d.First || o.Options.Drop.All) {
			l.drop(o, d)
		}
	}
}

func (l *Logger) drop(o *Output, d *DropRecord) {
	e := l.begin(o, Drop, &d.Subject, ofPacket)
	if f := d.Flow; f != nil {
		e.str("direction", directionName(d.Dir))
	}
	e.open("drop")
	if p := d.Packet; p != nil {
		e.dropHeader(p)
	}
	e.str("reason", d.Reason)
	e.close()
	if o.Options.Drop.Alerts && d.Sig != nil {
		e.open("alert")
		e.str("action", "blocked")
		e.signatureFields(d.Sig)
		e.close()
	}
	if o.Options.Drop.Verdict {
		e.verdict(d.Verdict)
	}
	if f := d.Flow; f != nil {
		l.flowSummary(e, f)
	}
	l.put(o, Drop)
}
