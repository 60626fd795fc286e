package daemon

import (
	"net/netip"
	"time"

	"github.com/weir-ips/weir/internal/sensor/control"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/threshold"
)

// attack is a detection as the control socket shows it.
func attack(d *threshold.Detection) control.Attack {
	about := d.Vector.Describe()
	a := control.Attack{
		ID: d.ID, Vector: about.Name, Explanation: d.Explain(), Src: address(d.Src), Dst: address(d.Dst), Port: d.Port, Subject: d.Subject(),
		Since: time.Unix(0, d.Since), Statistic: about.Statistic, Method: d.Method, Unit: about.Unit, Value: d.Value, Threshold: d.Threshold,
		Usual: d.Usual, Learned: d.Learned, Peak: d.Peak, Counted: d.Packets, Bytes: d.Bytes, Sources: d.Sources, Pulses: d.Pulses,
	}
	if d.Unit != "" {
		a.Unit = d.Unit
	}
	for _, t := range d.Top {
		a.Top = append(a.Top, control.Talker{IP: t.Addr.IP(), Packets: t.Packets})
	}
	for _, m := range d.Measures {
		a.Measures = append(a.Measures, control.Measure{Step: m.Step, What: m.What, Why: m.Why, Since: time.Unix(0, m.Since),
			Expires: time.Unix(0, m.Expires), Dropped: m.Dropped, Would: m.Would})
	}
	for _, s := range d.Samples {
		a.Samples = append(a.Samples, control.Sample{Time: time.Unix(0, s.Time), Src: netip.AddrPortFrom(s.Src.IP(), s.SrcPort),
			Dst: netip.AddrPortFrom(s.Dst.IP(), s.DstPort), Proto: s.Proto, TTL: s.TTL, Length: s.Length})
	}
	return a
}

func address(a decode.Addr) *netip.Addr {
	if a == (decode.Addr{}) {
		return nil
	}
	ip := a.IP()
	return &ip
}
