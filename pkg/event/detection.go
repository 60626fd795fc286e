package event

import "github.com/weir-ips/weir/pkg/decode"

// Detection explains an alert that no rule raised: a statistic was over its threshold. It is written under
// alert.context.weir.detection.
type Detection struct {
	ID        string // the same in all records of one attack
	Vector    string // "syn-flood"
	Phase     string // "start", "update", "end"
	Explain   string // the same for people, in a sentence
	Statistic string // what is compared with the threshold
	Unit      string // of Value, Threshold and Peak
	Subject   string // a login service, a DNS zone, a network, …; "" without
	Value     uint64
	Threshold uint64
	Peak      uint64
	Window    int64 // ns
	Since     int64 // Unix ns
	Packets   uint64
	Bytes     uint64 // 0: not counted
	Sources   uint64 // 0: not counted
	Usual     uint64 // of Value, where known
	Learned   bool   // Usual is a learned baseline, not the average of the minute before
	Method    string // "" for a plain rate
	Pulses    uint32
	Top       []Talker
	Measures  []Measure
	Samples   []Sample
}

// Talker is a source of an attack; its share is an estimate.
type Talker struct {
	Addr    decode.Addr
	Packets uint64
}

// Measure is one step of what is done about an attack.
type Measure struct {
	Step, What, Why string
	Since, Expires  int64  // Unix ns
	Dropped         uint64 // packets
	Would           uint64 // packets, when the sensor observes
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
	e.strIf("id", d.ID)
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
	l.circumstances(e, d)
	e.list("samples")
	for i := range d.Samples {
		l.sample(e, &d.Samples[i])
	}
	e.end()
	e.close()
}

// circumstances are what is usual, who sends most, and what is done.
func (l *Logger) circumstances(e *encoder, d *Detection) {
	e.strIf("method", d.Method)
	if d.Usual != 0 || d.Learned {
		e.num("usual", d.Usual)
		e.flag("learned", d.Learned)
	}
	if d.Pulses != 0 {
		e.num("pulses", uint64(d.Pulses))
	}
	if len(d.Top) > 0 {
		e.list("top_sources")
		for _, t := range d.Top {
			e.item()
			e.addr("ip", t.Addr)
			e.num("packets", t.Packets)
			e.close()
		}
		e.end()
	}
	if len(d.Measures) == 0 {
		return
	}
	e.list("measures")
	for i := range d.Measures {
		l.measure(e, &d.Measures[i])
	}
	e.end()
}

func (l *Logger) measure(e *encoder, m *Measure) {
	e.item()
	e.str("step", m.Step)
	e.str("what", m.What)
	e.str("why", m.Why)
	l.when(e, "since", m.Since)
	l.when(e, "expires", m.Expires)
	e.num("dropped", m.Dropped)
	if m.Would != 0 {
		e.num("would_drop", m.Would)
	}
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
