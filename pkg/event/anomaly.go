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

// AppAnomaly writes one event of an application-layer parser; tx is nil for events of protocol detection. name may carry
// its protocol ("http.request_header_invalid"), which the record does not.
func (l *Logger) AppAnomaly(s *Subject, tx app.Tx, name, layer string) {
	_, short, ok := strings.Cut(name, ".")
	if !ok {
		short = name
	}
	for _, o := range l.Outputs {
		if !o.Types.Has(Anomaly) || !o.Options.Anomaly.AppLayer {
			continue
		}
		e := l.begin(o, Anomaly, s, toServer)
		if tx != nil {
			e.num("tx_id", tx.Base().ID)
		}
		l.state(o, e, s.Flow, nil)
		e.open("anomaly")
		e.strIf("app_proto", appName(s))
		e.str("type", "applayer")
		e.str("event", short)
		e.str("layer", layer)
		e.close()
		l.put(o, Anomaly)
	}
}

func appName(s *Subject) string {
	if s.Flow == nil || s.Flow.App == app.Unknown {
		return ""
	}
	return s.Flow.App.String()
}
