package event

import (
	"strings"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// DecodeAnomaly writes one decoder event of a packet; name is Suricata's without its prefix: "ipv4.trunc_pkt".
func (l *Logger) DecodeAnomaly(s *Subject, name string) {
	for _, o := range l.Outputs {
		if o.Types.Has(Anomaly) && o.Anomaly.Decode {
			l.packetAnomaly(o, s, "decode", "decoder.", name)
		}
	}
}

// StreamAnomaly writes one event of a TCP session; name is Suricata's without its prefix: "3whs_synack_flood".
func (l *Logger) StreamAnomaly(s *Subject, name string) {
	for _, o := range l.Outputs {
		if o.Types.Has(Anomaly) && o.Anomaly.Stream {
			l.packetAnomaly(o, s, "stream", "stream.", name)
		}
	}
}

func (l *Logger) packetAnomaly(o *Output, s *Subject, kind, prefix, name string) {
	e := l.begin(o, Anomaly, s, ofPacket)
	l.state(o, e, s.Flow, nil)
	if o.Anomaly.PacketHeader && s.Packet != nil {
		e.packet(s.Packet)
	}
	e.open("anomaly")
	e.str("type", kind)
	e.key("event")
	e.b = append(e.b, '"')
	e.b = append(append(e.b, prefix...), name...)
	e.b = append(e.b, '"')
	e.close()
	l.put(o, Anomaly)
}

// AppAnomaly writes one event of a transaction's parser. name may carry its protocol ("http.request_header_invalid"),
// which the record does not.
func (l *Logger) AppAnomaly(s *Subject, tx app.Tx, name string) {
	if _, short, ok := strings.Cut(name, "."); ok {
		name = short
	}
	id := tx.Base().ID
	for _, o := range l.Outputs {
		if o.Types.Has(Anomaly) && o.Anomaly.AppLayer {
			e := l.begin(o, Anomaly, s, ofPacket)
			e.num("tx_id", id)
			l.appAnomaly(o, e, s, name, "proto_parser", shouts(s.Flow.App))
		}
	}
}

// FlowAnomaly writes one event of a flow's protocol as a whole, such as "applayer_unexpected_protocol".
func (l *Logger) FlowAnomaly(s *Subject, name string) {
	for _, o := range l.Outputs {
		if o.Types.Has(Anomaly) && o.Anomaly.AppLayer {
			l.appAnomaly(o, l.begin(o, Anomaly, s, ofPacket), s, name, "proto_detect", true)
		}
	}
}

func (l *Logger) appAnomaly(o *Output, e *encoder, s *Subject, name, layer string, upper bool) {
	l.state(o, e, s.Flow, nil)
	e.open("anomaly")
	if s.Flow.App != app.Unknown {
		e.str("app_proto", s.Flow.App.String())
	}
	e.str("type", "applayer")
	e.key("event")
	at := len(e.b)
	e.quote(name)
	if upper {
		upperASCII(e.b[at:])
	}
	e.str("layer", layer)
	e.close()
	l.put(o, Anomaly)
}

// shouts reports whether Suricata writes the events of this protocol's parser in capitals.
func shouts(p app.Proto) bool {
	return p == app.HTTP1 || p == app.TLS || p == app.SMTP
}

func upperASCII(b []byte) {
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
}
