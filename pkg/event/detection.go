package event

import "github.com/weir-ips/weir/pkg/decode"

// Detection explains an alert that no rule raised: a statistic was over its threshold. It is written under
// alert.context.weir.detection.
type Detection struct {
	Vector    string // "syn-flood"
	Phase     string // "start", "update", "end"
	Explain   string // the same for people, in a sentence
	Statistic string // what is compared with the threshold
	Unit      string // of Value, Threshold and Peak
	Subject   string // a login service or a DNS zone; "" without
	Value     uint64
	Threshold uint64
	Peak      uint64
	Window    int64 // ns
	Since     int64 // Unix ns
	Packets   uint64
	Bytes     uint64 // 0: not counted
	Sources   uint64 // 0: not counted
	Samples   []Sample
}

// Sample is the head of a packet that was counted.
type Sample struct {
	Time             int64 // Unix ns
	Src, Dst         decode.Addr
	SrcPort, DstPort uint16
	Proto, TTL       uint8
	Length           uint16 // of the IP packet
}

func (l *Logger) detection(e *encoder, d *Detection) {
	e.open("detection")
	e.str("vector", d.Vector)
	e.str("phase", d.Phase)
	e.strIf("subject", d.Subject)
	e.str("explanation", d.Explain)
	e.str("statistic", d.Statistic)
	e.str("unit", d.Unit)
	e.num("value", d.Value)
	e.num("threshold", d.Threshold)
	e.num("peak", d.Peak)
	e.signed("window_ms", d.Window/1e6)
	l.when(e, "since", d.Since)
	e.num("counted", d.Packets)
	if d.Bytes != 0 {
		e.num("bytes", d.Bytes)
	}
	if d.Sources != 0 {
		e.num("sources", d.Sources)
	}
	e.list("samples")
	for i := range d.Samples {
		l.sample(e, &d.Samples[i])
	}
	e.end()
	e.close()
}

func (l *Logger) sample(e *encoder, s *Sample) {
	e.item()
	l.when(e, "timestamp", s.Time)
	e.addr("src_ip", s.Src)
	if hasPorts(s.Proto) {
		e.num("src_port", uint64(s.SrcPort))
	}
	e.addr("dest_ip", s.Dst)
	if hasPorts(s.Proto) {
		e.num("dest_port", uint64(s.DstPort))
	}
	e.key("proto")
	e.elemProto(s.Proto)
	e.num("ttl", uint64(s.TTL))
	e.num("length", uint64(s.Length))
	e.close()
}
