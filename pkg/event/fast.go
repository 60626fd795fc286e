package event

import (
	"strconv"
	"time"
)

// fast writes an alert as one line of text, as Suricata's fast.log has it:
//
//	04/07/2017-22:24:37.251547  [**] [1:2000001:3] msg [**] [Classification: Misc Attack] [Priority: 2] {TCP} 10.0.0.1:40000 -> 192.0.2.2:80
func (l *Logger) fast(o *Output, a *AlertRecord) {
	e, sig := &l.enc, a.Hit.Sig
	e.b = time.Unix(0, a.Time).UTC().AppendFormat(e.b[:0], "01/02/2006-15:04:05.000000")
	e.b = append(e.b, "  "...)
	switch blocked := a.Hit.Action.Drops(); {
	case blocked && a.Verdict.IPS:
		e.b = append(e.b, "[Drop] "...)
	case blocked:
		e.b = append(e.b, "[wDrop] "...)
	}
	e.b = append(e.b, "[**] ["...)
	e.b = strconv.AppendUint(e.b, uint64(sig.GID), 10)
	e.b = append(e.b, ':')
	e.b = strconv.AppendUint(e.b, uint64(sig.SID), 10)
	e.b = append(e.b, ':')
	e.b = strconv.AppendUint(e.b, uint64(sig.Rev), 10)
	e.b = append(e.b, "] "...)
	e.b = append(e.b, sig.Msg...)
	e.b = append(e.b, " [**] [Classification: "...)
	if sig.Category == "" {
		e.b = append(e.b, "(null)"...)
	}
	e.b = append(e.b, sig.Category...)
	e.b = append(e.b, "] [Priority: "...)
	e.b = strconv.AppendInt(e.b, int64(sig.Priority), 10)
	e.b = append(e.b, "] {"...)
	if t, ok := a.ends(ofPacket); ok {
		e.fastEnds(t)
	} else {
		e.b = append(e.b, '}')
	}
	l.Counts[Alert]++
	o.Sink.Put(Alert, e.b)
}

func (e *encoder) fastEnds(t ends) {
	if n := protoName(t.proto); n != "" {
		e.b = append(e.b, n...)
	} else {
		e.b = append(e.b, "PROTO:"...)
		e.b = strconv.AppendUint(e.b, uint64(t.proto), 10)
	}
	e.b = append(e.b, "} "...)
	e.b = AppendAddr(e.b, t.src)
	e.b = append(e.b, ':')
	e.b = strconv.AppendUint(e.b, uint64(t.srcPort), 10)
	e.b = append(e.b, " -> "...)
	e.b = AppendAddr(e.b, t.dst)
	e.b = append(e.b, ':')
	e.b = strconv.AppendUint(e.b, uint64(t.dstPort), 10)
}
